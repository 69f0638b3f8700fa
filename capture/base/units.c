/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A decimal number with an optional fraction, kept exact: whole + fraction / scale. */
struct decimal {
	uint64_t whole, fraction, scale;
	bool fractional;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int parse_decimal(const char **s, struct decimal *ret)
{
	struct decimal d = {.scale = 1};
	const char *p = *s;

	if (!is_digit(*p))
		return -EINVAL;
	for (; is_digit(*p); p++) {
		if (__builtin_mul_overflow(d.whole, 10, &d.whole) ||
		    __builtin_add_overflow(d.whole, (uint64_t)(*p - '0'), &d.whole))
			return -ERANGE;
	}
	if (*p == '.') {
		d.fractional = true;
		if (!is_digit(*++p))
			return -EINVAL;
		for (; is_digit(*p); p++) {
			/* Beyond 15 digits nothing of what is typed here changes. */
			if (d.scale < 1000000000000000ULL) {
				d.fraction = d.fraction * 10 + (uint64_t)(*p - '0');
				d.scale *= 10;
			}
		}
	}
	*s = p;
	*ret = d;
	return 0;
}

static int scale(const struct decimal *d, uint64_t unit, uint64_t *ret)
{
	unsigned __int128 v = (unsigned __int128)d->whole * unit +
			      (unsigned __int128)d->fraction * unit / d->scale;

	if (v > UINT64_MAX)
		return -ERANGE;
	*ret = (uint64_t)v;
	return 0;
}

int parse_duration_ns(const char *s, uint64_t *ret)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{"", 1000000000ULL},   {"s", 1000000000ULL},	{"ms", 1000000ULL},
		{"m", 60000000000ULL}, {"h", 3600000000000ULL}, {"d", 86400000000000ULL},
	};
	struct decimal d;
	int r = parse_decimal(&s, &d);

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(s, units[i].name) == 0)
			return scale(&d, units[i].ns, ret);
	}
	return -EINVAL;
}

int parse_size(const char *s, uint64_t *ret)
{
	static const char letters[] = "KMGTPE";
	struct decimal d;
	const char *at;
	char letter;
	int r = parse_decimal(&s, &d);

	if (r < 0)
		return r;
	if (*s == '\0' || strcmp(s, "B") == 0) {
		/* Half a byte is a mistyped unit, not a size. */
		return d.fractional ? -EINVAL : scale(&d, 1, ret);
	}
	letter = *s >= 'a' && *s <= 'z' ? (char)(*s - 'a' + 'A') : *s;
	at = strchr(letters, letter);
	if (!at || (s[1] != '\0' && strcmp(s + 1, "iB") != 0))
		return -EINVAL;
	return scale(&d, 1ULL << (10 * (at - letters + 1)), ret);
}

int parse_u64(const char *s, uint64_t *ret)
{
	struct decimal d;
	int r = parse_decimal(&s, &d);

	if (r < 0)
		return r;
	if (*s != '\0' || d.fractional)
		return -EINVAL;
	*ret = d.whole;
	return 0;
}

/* num / den rounded to at most three digits: "0.98", "1.4", "22.8", "228".  Integer arithmetic,
 * so that no locale puts a comma in. */
static void three_digits(unsigned __int128 num, uint64_t den, char *out, size_t cap)
{
	uint64_t hundredths = (uint64_t)((num * 100 + den / 2) / den);
	uint64_t tenths = (uint64_t)((num * 10 + den / 2) / den);
	uint64_t whole = (uint64_t)((num + den / 2) / den);

	if (hundredths < 100 && hundredths % 10)
		snprintf(out, cap, "0.%02u", (unsigned)hundredths % 100);
	else if (tenths < 1000 && tenths % 10)
		snprintf(out, cap, "%u.%u", (unsigned)(tenths / 10) % 100, (unsigned)(tenths % 10));
	else
		snprintf(out, cap, "%llu", (unsigned long long)whole);
}

char *format_size(uint64_t bytes, char out[16])
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	unsigned unit = 0;
	char number[8];

	/* Up to the next unit as soon as rounding would need a fourth digit. */
	while (unit < 6 &&
	       bytes >= (1ULL << (10 * unit)) * 1000 - (unit ? (1ULL << (10 * unit)) / 2 : 0))
		unit++;
	three_digits(bytes, 1ULL << (10 * unit), number, sizeof(number));
	snprintf(out, 16, "%s %s", number, names[unit]);
	return out;
}

char *format_duration(uint64_t ns, char out[24])
{
	/* A unit is used up to the point where the next one reads better. */
	static const struct {
		const char *name;
		uint64_t ns, below;
	} units[] = {
		{"ns", 1ULL, 1000ULL},
		{"us", 1000ULL, 999500ULL},
		{"ms", 1000000ULL, 999500000ULL},
		{"s", 1000000000ULL, 120000000000ULL},
		{"min", 60000000000ULL, 7200000000000ULL},
		{"h", 3600000000000ULL, 172800000000000ULL},
		{"d", 86400000000000ULL, UINT64_MAX},
	};
	size_t i = 0;
	char number[12];

	if (ns == 0)
		i = 3;
	while (ns >= units[i].below && i + 1 < sizeof(units) / sizeof(units[0]))
		i++;
	three_digits(ns, units[i].ns, number, sizeof(number));
	snprintf(out, 24, "%s %s", number, units[i].name);
	return out;
}
