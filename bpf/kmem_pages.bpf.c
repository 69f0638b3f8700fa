/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gathering struct pages by plain loads.
 *
 * A sample's cost is one cache miss, and bpf_probe_read_kernel() takes them one after the other:
 * between two of them lies a call too long for the processor to look beyond.  Loads that the
 * verifier knows to be safe become single instructions, so that many misses are under way at once.
 * For that the address is cast (bpf_rdonly_cast(), 6.2+) to a structure all of whose first 64 bytes
 * are plain words: struct pt_regs has them on every architecture; nothing of its meaning is used.
 *
 * A load that faults gives 0 here without a word, unlike in kmem.bpf.c: user space looks at items
 * that are all zeros again.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "kmem.h"

char LICENSE[] SEC("license") = "GPL";

struct pt_regs {
	unsigned long word[KMEM_PAGE_WORDS];
};

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym;

struct kmem_pages_shared shared;

/* Bit n: word n of a struct page is wanted.  Known to the verifier, which takes the rest out. */
const volatile __u32 page_words = 0xff;

static __always_inline const struct pt_regs *words_at(__u64 addr)
{
	return bpf_rdonly_cast((const void *)addr, bpf_core_type_id_kernel(struct pt_regs));
}

static long gather_some(__u32 i, void *ctx)
{
	__u32 first = i * KMEM_PAGES_UNROLL, wanted = page_words;
	const __u64 *addr;
	__u64 *out, sum = 0;

	(void)ctx;
	if (first > KMEM_BPF_GATHER - KMEM_PAGES_UNROLL)
		return 1;
	addr = &shared.addr[first];
	out = shared.pages[first];
	/* Kept in registers, or the compiler derives them from the map anew for every word. */
	barrier_var(addr);
	barrier_var(out);
	/* Touch all pages first: their cache misses are then under way together. */
#pragma unroll
	for (__u32 k = 0; k < KMEM_PAGES_UNROLL; k++)
		sum += words_at(addr[k])->word[0];
	barrier_var(sum);
#pragma unroll
	for (__u32 k = 0; k < KMEM_PAGES_UNROLL; k++) {
		const struct pt_regs *page = words_at(addr[k]);

#pragma unroll
		for (int w = 0; w < KMEM_PAGE_WORDS; w++) {
			if (wanted & 1u << w)
				out[k * KMEM_PAGE_WORDS + w] = page->word[w];
		}
	}
	return 0;
}

static long words_some(__u32 i, void *ctx)
{
	__u32 first = i * KMEM_PAGES_UNROLL;
	const __u64 *addr;
	__u64 *out;

	(void)ctx;
	if (first > KMEM_BPF_GATHER - KMEM_PAGES_UNROLL)
		return 1;
	addr = &shared.addr[first];
	out = &shared.words[first];
	barrier_var(addr);
	barrier_var(out);
#pragma unroll
	for (__u32 k = 0; k < KMEM_PAGES_UNROLL; k++)
		out[k] = words_at(addr[k])->word[0];
	return 0;
}

/* arg: groups of KMEM_PAGES_UNROLL addresses of single words. */
SEC("raw_tp")
int kmem_words(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 groups = ctx->args[0];

	bpf_loop(groups, words_some, (void *)0, 0);
	return 0;
}

/* arg: groups of KMEM_PAGES_UNROLL addresses. */
SEC("raw_tp")
int kmem_pages(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 groups = ctx->args[0];

	bpf_loop(groups, gather_some, (void *)0, 0);
	return 0;
}
