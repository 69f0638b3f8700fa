/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and times as people read them.  templates/text.js has the same rules. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FIGURE 48 /* room for any of them */

/* "1,234,567" */
char *figure_count(uint64_t v, char out[FIGURE]);
/* "228 MiB"; a negative one has U+2212 before it */
char *figure_bytes(double bytes, char out[FIGURE]);
/* "+12 MiB", "−3 KiB", "0" */
char *figure_change(double bytes, char out[FIGURE]);
/* "210 – 246 MiB" */
char *figure_interval(double low, double high, char out[FIGURE]);
/* "12 %", "0.4 %", "< 0.1 %" */
char *figure_share(double percent, char out[FIGURE]);
/* "1.23 s", "12 ms", "3.4 ms", "56 µs", "78 ns" */
char *figure_seconds(double s, char out[FIGURE]);
/* RFC 3339, UTC: "2026-11-21T08:14:07Z".  NULL when the time is not one. */
char *figure_time(double epoch_s, char out[FIGURE]);
