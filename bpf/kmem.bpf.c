/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading kernel memory for kernels without /proc/kcore.  Nothing is attached anywhere: user space
 * runs each program once per request by BPF_PROG_TEST_RUN, which raw tracepoint programs take
 * since 5.10.  The programs know no kernel type, so they load without BTF; what the bytes mean is
 * decided in user space, in one place for all sources.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "kmem.h"

char LICENSE[] SEC("license") = "GPL";

struct kmem_bpf_shared shared;

/* arg: address, length.  Returns 0, or 1 when any of it cannot be read. */
SEC("raw_tp")
int kmem_read(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 addr = ctx->args[0], len = ctx->args[1];

	if (len > KMEM_BPF_BUFFER)
		return 1;
	return bpf_probe_read_kernel(shared.buffer, len, (void *)addr) != 0;
}

/* The same for small reads, which leave the buffer as it is. */
SEC("raw_tp")
int kmem_read_item(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 addr = ctx->args[0], len = ctx->args[1];

	if (len > KMEM_BPF_ITEM)
		return 1;
	return bpf_probe_read_kernel(shared.item, len, (void *)addr) != 0;
}

struct gather {
	__u64 n, size, offset, faults;
};

static long gather_one(__u32 i, void *ctx)
{
	struct gather *g = ctx;
	__u64 offset = g->offset, size = g->size;

	if (i >= KMEM_BPF_GATHER || offset > KMEM_BPF_BUFFER || size > KMEM_BPF_ITEM)
		return 1;
	if (bpf_probe_read_kernel(shared.buffer + offset, size, (void *)shared.addr[i]))
		g->faults++;
	g->offset = offset + size;
	return 0;
}

/* arg: count, bytes of each.  Unreadable items are left as zeros and counted.  Since 5.17. */
SEC("raw_tp")
int kmem_gather(struct bpf_raw_tracepoint_args *ctx)
{
	struct gather g = {.n = ctx->args[0], .size = ctx->args[1]};

	bpf_loop(g.n, gather_one, &g, 0);
	shared.faults = g.faults;
	return 0;
}

/* The same for kernels without bpf_loop(): fewer at a time, for the verifier walks every one. */
SEC("raw_tp")
int kmem_gather_few(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 n = ctx->args[0], size = ctx->args[1], offset = 0, faults = 0;

	if (size > KMEM_BPF_ITEM)
		return 1;
	for (__u32 i = 0; i < KMEM_BPF_FEW; i++) {
		if (i >= n || offset > KMEM_BPF_BUFFER)
			break;
		if (bpf_probe_read_kernel(shared.buffer + offset, size, (void *)shared.addr[i]))
			faults++;
		offset += size;
	}
	shared.faults = faults;
	return 0;
}

/* The caller's task: the one pointer from which everything else is found. */
SEC("raw_tp")
int kmem_current(struct bpf_raw_tracepoint_args *ctx)
{
	(void)ctx;
	shared.current_task = bpf_get_current_task();
	return 0;
}
