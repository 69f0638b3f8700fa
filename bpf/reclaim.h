/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by bpf/reclaim.bpf.c and capture/collectors/reclaim.c: fixed-width types only. */
#pragma once

enum { RECLAIM_DIRECT, RECLAIM_MEMCG, RECLAIM_KSWAPD };

struct reclaim_begun {
	__u64 start_ns, scope;
	__u32 kind, tgid;
};
