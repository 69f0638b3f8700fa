/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clocks.  All times are nanoseconds in uint64_t unless a name says otherwise. */
#pragma once

#include <stdint.h>
#include <time.h>

#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_MSEC 1000000ULL

/* One reading of three clocks, taken as close together as the machine allows: it lets the
 * analyzer convert between them.  spread_ns is how long the reading itself took. */
struct clock_anchor {
	uint64_t realtime_ns, monotonic_ns, boottime_ns, spread_ns;
};

uint64_t clock_ns(clockid_t id);
struct clock_anchor clock_anchor_now(void);

/* "20261121T080500Z" (17 bytes with NUL) and "2026-11-21T08:05:00.123456789Z" (31 with NUL). */
void clock_format_compact(uint64_t realtime_ns, char out[17]);
void clock_format_rfc3339(uint64_t realtime_ns, char out[31]);
