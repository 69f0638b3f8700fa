/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of vmlinux.h what is arm64's own. */
#pragma once

struct user_pt_regs {
	__u64 regs[31];
	__u64 sp, pc, pstate;
};

struct bpf_perf_event_data {
	struct user_pt_regs regs;
	__u64 sample_period;
	__u64 addr;
};
