/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people type: times and sizes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* "10s" "500ms" "2m" "24h" "1d" or a bare number of seconds, fractions allowed ("0.5").  No
 * spaces, no sign, locale-independent.  Returns 0, -EINVAL or -ERANGE. */
int parse_duration_ns(const char *s, uint64_t *ret);

/* "1048576" "64K" "64KiB" "64M" "1.5G" "2T" (powers of 1024).  0, -EINVAL or -ERANGE. */
int parse_size(const char *s, uint64_t *ret);

/* Unsigned decimal that fills the whole string.  0, -EINVAL or -ERANGE. */
int parse_u64(const char *s, uint64_t *ret);

/* "228 MiB", "1.4 GiB", "512 B": at most three significant digits.  Returns out. */
char *format_size(uint64_t bytes, char out[16]);
/* "10 s", "1.5 s", "250 ms", "2 min".  Returns out. */
char *format_duration(uint64_t ns, char out[24]);
