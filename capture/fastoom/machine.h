/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the whole machine says: meminfo, stat, vmstat and kswapd's CPU time, by pread on
 * descriptors kept open.  Far from the end only meminfo is read.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../base/err.h"
#include "../base/sysroot.h"
#include "predict.h"

#define MACHINE_KSWAPD 8
#define TAU 1.0 /* seconds, of the slow averages */
#define TAU_FAST 0.1

struct machine {
	int meminfo, stat, vmstat, arcstats, kswapd_stat[MACHINE_KSWAPD];
	unsigned n_kswapd;
	/* the last reading, bytes */
	uint64_t total, available, swap_total, swap_free, file_lru;
	uint64_t shmem, slab_unreclaimable, hugetlb, page_tables, kernel_stacks, percpu, mlocked,
		anon;
	uint64_t read_ns, deep_ns; /* when; deep: stat and vmstat; 0: never */
	uint64_t cpu_total, cpu_busy, refaults, stalls, kswapd_ticks;
	struct average busy, refault, stall, kswapd, use, use_fast;
	struct average shmem_growth;
	uint64_t last_use, last_shmem;
};

int machine_open(struct machine *m, const struct sysroot *root, struct err *e);
void machine_close(struct machine *m);
/* Read meminfo, and the rest when deep.  buf is scratch of at least 16 KiB. */
int machine_read(struct machine *m, uint64_t now_ns, bool deep, char *buf, size_t cap);
void machine_features(const struct machine *m, struct features *ret);
/* Consumption in bytes per second, the faster of the two averages; 0 when memory grows. */
double machine_consumption(const struct machine *m);
