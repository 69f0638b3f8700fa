/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A made-up journal of fastoom, for sample.h. */
#pragma once

#include "sample_base.h"

/* A leak that fastoom saw come: who was spared, who died, and a tmpfs for which nobody did. */
static inline void sample_guard(struct sample *s)
{
	enum { STATES = 40, EVENTS = STATES + 6 };
	struct fact_guard *g = sample_rows(s, EVENTS, sizeof(*g));
	struct fact_guard_holder *h = sample_rows(s, 2, sizeof(*h));
	const struct fact_guard **order = sample_rows(s, EVENTS, sizeof(*order));
	static const char *const kinds[] = {"start", "skip", "intent", "kill", "no-victim", "stop"};

	for (size_t i = 0; i < EVENTS; i++) {
		double t = (double)i / STATES;

		g[i] = (struct fact_guard){
			.source = "guard",
			.event = i < STATES ? "state" : kinds[i - STATES],
			.scope = "pod:shop/checkout-7d9f",
			.time_ns = 1795248850000000000ULL + i * 400000000ULL,
			.dry_run = 0,
			.ok = FACT_NONE,
			.pid = FACT_NONE,
			.starttime = FACT_NONE,
			.heap_bytes = FACT_NONE,
			.freed_bytes = FACT_NONE,
			.available_bytes = FACT_NONE,
			.total_bytes = 512 * MIB,
			.consumption_bytes_per_s = 12 * MIB,
			.need_bytes = FACT_NONE,
			.candidates_heap_bytes = FACT_NONE,
			.processes_seen = FACT_NONE,
			.victims_in_flight = FACT_NONE,
			.records_lost = FACT_NONE,
			.under_oom = 0,
			.oom_score_adj = INT64_MIN,
			.probability = i < STATES ? t * t : 0.96,
			.tte_s = (double)NAN,
			.available_share = 0.4 - 0.36 * fmin(t, 1),
			.swap_free_share = 0,
			.busy_share = (double)NAN,
			.refault_share_per_s = 0.02,
			.stalls_per_s = 3,
			.kswapd_cpus = (double)NAN,
			.exit_ms = (double)NAN,
		};
		order[i] = &g[i];
	}
	g[0].phase = "watch";
	g[STATES].scope = NULL;
	g[STATES].probability = (double)NAN;
	g[STATES].version = "0.1.0";
	g[STATES].policies = "orders: pod:shop low";
	g[STATES].missing = "pressure";
	g[STATES + 1].comm = "</svg><script>alert(9)</script>";
	g[STATES + 1].reason = "on the allowlist";
	g[STATES + 1].pattern = "python3 .*service\\.py<img src=x onerror=alert(10)>";
	for (size_t i = STATES + 2; i < STATES + 4; i++) {
		g[i].pid = 4711;
		g[i].starttime = 99;
		g[i].comm = "log\"ger\n\xe2\x80\xae";
		g[i].cmdline = "/usr/bin/logger --to </title><script>alert(11)</script>";
		g[i].heap_bytes = 96 * MIB;
		g[i].rule = "prefer ^logger$";
		g[i].signal = "SIGTERM";
	}
	g[STATES + 3].freed_bytes = 95 * MIB;
	g[STATES + 3].exit_ms = 41;
	g[STATES + 3].outcome = "freed";
	g[STATES + 4].need_bytes = 40 * MIB;
	g[STATES + 4].candidates_heap_bytes = 2 * MIB;
	g[STATES + 5].scope = NULL;
	g[STATES + 5].reason = "duration";
	h[0] = (struct fact_guard_holder){STATES + 4, "shared memory and tmpfs", 400 * MIB};
	h[1] = (struct fact_guard_holder){STATES + 4, "processes too small to help", 2 * MIB};
	s->facts.guard.rows = g;
	s->facts.guard.count = EVENTS;
	s->facts.guard_holders.rows = h;
	s->facts.guard_holders.count = 2;
	s->model.guard = order;
	s->model.guard_count = EVENTS;
}
