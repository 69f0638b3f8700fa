/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clock.h"

#include <stdio.h>

uint64_t clock_ns(clockid_t id)
{
	struct timespec ts = {0};

	if (clock_gettime(id, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

struct clock_anchor clock_anchor_now(void)
{
	struct clock_anchor best = {.spread_ns = UINT64_MAX};

	/* A preemption between two of the readings would put them apart; of a few tries, at
	 * least one is rarely hit. */
	for (int i = 0; i < 5; i++) {
		uint64_t before = clock_ns(CLOCK_MONOTONIC);
		uint64_t realtime = clock_ns(CLOCK_REALTIME);
		uint64_t boottime = clock_ns(CLOCK_BOOTTIME);
		uint64_t after = clock_ns(CLOCK_MONOTONIC);

		if (after - before < best.spread_ns) {
			best = (struct clock_anchor){
				.realtime_ns = realtime,
				.monotonic_ns = before + (after - before) / 2,
				.boottime_ns = boottime,
				.spread_ns = after - before,
			};
		}
	}
	return best;
}

struct civil {
	unsigned year, month, day, hour, minute, second;
};

/* Days to year, month, day in the proleptic Gregorian calendar.  gmtime_r() would read the
 * machine's time zone files and apply their leap seconds. */
static struct civil civil_from_seconds(uint64_t seconds)
{
	uint64_t days = seconds / 86400 + 719468; /* since 0000-03-01 */
	uint64_t era = days / 146097;
	unsigned rest = (unsigned)(seconds % 86400);
	unsigned doe = (unsigned)(days % 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;
	unsigned month = mp < 10 ? mp + 3 : mp - 9;

	return (struct civil){
		.year = (unsigned)(era * 400) + yoe + (month <= 2),
		.month = month,
		.day = doy - (153 * mp + 2) / 5 + 1,
		.hour = rest / 3600,
		.minute = rest / 60 % 60,
		.second = rest % 60,
	};
}

/* The % keep the compiler sure that the fixed-size outputs suffice: 2^64 ns end in 2554. */
void clock_format_compact(uint64_t realtime_ns, char out[17])
{
	struct civil c = civil_from_seconds(realtime_ns / NSEC_PER_SEC);

	snprintf(out, 17, "%04u%02u%02uT%02u%02u%02uZ", c.year % 10000, c.month % 100, c.day % 100,
		 c.hour % 100, c.minute % 100, c.second % 100);
}

void clock_format_rfc3339(uint64_t realtime_ns, char out[31])
{
	struct civil c = civil_from_seconds(realtime_ns / NSEC_PER_SEC);

	snprintf(out, 31, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ", c.year % 10000, c.month % 100,
		 c.day % 100, c.hour % 100, c.minute % 100, c.second % 100,
		 (unsigned)(realtime_ns % NSEC_PER_SEC) % 1000000000u);
}
