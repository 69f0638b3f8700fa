/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by bpf/kmem.bpf.c and capture/kmem/source_bpf.c: fixed-width types only. */
#pragma once

/*
 * One bulk read at most, and the room gather's results share with it.  It stays inside a core's
 * second-level cache, so that user space decodes what the kernel has just copied.
 */
#define KMEM_BPF_BUFFER (256u << 10)
/* Addresses per gather: as many as a bulk read holds struct pages, for every run costs a system
 * call; and per gather on kernels without bpf_loop(). */
#define KMEM_BPF_GATHER 4096u
#define KMEM_BPF_FEW 64u
/* Bytes per gathered item at most. */
#define KMEM_BPF_ITEM 4096u

/* The arguments of the programs, handed over as the context of a test run. */
struct kmem_bpf_args {
	__u64 arg[12]; /* MAX_BPF_FUNC_ARGS: what raw tracepoint test runs accept */
};

/* Lies in .bss, which user space maps: results are read where the kernel wrote them. */
struct kmem_bpf_shared {
	__u64 current_task;
	__u64 faults;
	__u64 addr[KMEM_BPF_GATHER];
	__u8 item[KMEM_BPF_ITEM];
	/* Slack: the verifier wants room for the largest item behind the last offset. */
	__u8 buffer[KMEM_BPF_BUFFER + KMEM_BPF_ITEM];
};

/* kmem_pages.bpf.c: struct pages of 64 bytes, or single words, so many at a time. */
#define KMEM_PAGE_WORDS 8
#define KMEM_PAGES_UNROLL 64u

struct kmem_pages_shared {
	__u64 addr[KMEM_BPF_GATHER];
	__u64 pages[KMEM_BPF_GATHER][KMEM_PAGE_WORDS];
	__u64 words[KMEM_BPF_GATHER];
};
