/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by bpf/syscalls.bpf.c and capture/collectors/syscalls.c: fixed-width types only. */
#pragma once

/* A thread's call. */
struct syscall_begun {
	__u64 start_ns; /* 0: it is in none that was seen to begin */
	__u32 number;
	__u32 fd; /* the first argument */
	__u32 tgid;
	__u32 pad;
};
