/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "python_lines.h"

#include <errno.h>
#include <stdbool.h>

#define LINE_MOST 0x7fffffff
#define NO_LINE_3_10 (-128)

/* Codes of the location table. */
#define CODE_UNIT 2
#define ONE_LINE_FIRST 10u /* 10, 11, 12: as many lines less ten, and two columns */
#define ONE_LINE_LAST 12u
#define NO_COLUMNS 13u
#define LONG 14u
#define NO_LOCATION 15u

static int bounded(int64_t line)
{
	return line > 0 && line <= LINE_MOST ? (int)line : 0;
}

static int by_lnotab(const uint8_t *t, size_t len, int first_line, int32_t at)
{
	int64_t line = first_line, address = 0;

	for (size_t i = 0; i + 1 < len; i += 2) {
		address += t[i];
		if (address > at)
			break;
		line += t[i + 1] >= 128 ? t[i + 1] - 256 : t[i + 1];
	}
	return bounded(line);
}

static int by_ranges(const uint8_t *t, size_t len, int first_line, int32_t at)
{
	int64_t line = first_line, end = 0;

	for (size_t i = 0; i + 1 < len; i += 2) {
		int delta = t[i + 1] >= 128 ? t[i + 1] - 256 : t[i + 1];

		end += t[i];
		if (delta != NO_LINE_3_10)
			line += delta;
		if (at < end)
			return delta == NO_LINE_3_10 ? 0 : bounded(line);
	}
	return -ERANGE;
}

struct reader {
	const uint8_t *p, *end;
	bool bad;
};

static uint8_t next_byte(struct reader *r)
{
	if (r->p < r->end)
		return *r->p++;
	r->bad = true;
	return 0;
}

/* Six bits in each byte, the lowest first; one more says that there are more. */
static uint32_t number(struct reader *r)
{
	uint32_t v = 0;
	uint8_t b;

	for (unsigned shift = 0; shift < 32; shift += 6) {
		b = next_byte(r);
		v |= (uint32_t)(b & 63) << shift;
		if (!(b & 64))
			return v;
	}
	r->bad = true;
	return v;
}

/* The sign is the lowest bit. */
static int64_t difference(struct reader *r)
{
	uint32_t v = number(r);

	return v & 1 ? -(int64_t)(v >> 1) : (int64_t)(v >> 1);
}

static int by_locations(const uint8_t *t, size_t len, int first_line, int32_t at)
{
	struct reader r = {.p = t, .end = t + len};
	int64_t line = first_line, end = 0;

	while (r.p < r.end && !r.bad) {
		uint8_t head = next_byte(&r);
		unsigned code = head >> 3 & 15;

		if (!(head & 128))
			break;
		end += ((head & 7) + 1) * CODE_UNIT;
		if (code == NO_COLUMNS) {
			line += difference(&r);
		} else if (code == LONG) {
			line += difference(&r);
			number(&r); /* the last line */
			number(&r); /* columns */
			number(&r);
		} else if (code >= ONE_LINE_FIRST && code <= ONE_LINE_LAST) {
			line += code - ONE_LINE_FIRST;
			next_byte(&r);
			next_byte(&r);
		} else if (code != NO_LOCATION) {
			next_byte(&r);
		}
		if (at < end && !r.bad)
			return code == NO_LOCATION ? 0 : bounded(line);
	}
	return -ERANGE;
}

int python_line(unsigned minor, const uint8_t *table, size_t len, int first_line, int32_t at)
{
	if (at < 0)
		return bounded(first_line);
	if (minor <= 9)
		return by_lnotab(table, len, first_line, at);
	if (minor == 10)
		return by_ranges(table, len, first_line, at);
	return by_locations(table, len, first_line, at);
}
