/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "figures.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../capture/base/units.h"

#define MINUS "\xe2\x88\x92"

char *figure_count(uint64_t v, char out[FIGURE])
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, v);
	char *p = out;

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			*p++ = ',';
		*p++ = digits[i];
	}
	*p = '\0';
	return out;
}

char *figure_bytes(double bytes, char out[FIGURE])
{
	char size[16];
	double whole = floor(fabs(bytes) + 0.5);

	if (!(whole < 18446744073709549568.0)) {
		snprintf(out, FIGURE, "?");
		return out;
	}
	format_size((uint64_t)whole, size);
	snprintf(out, FIGURE, "%s%s", bytes < 0 && whole > 0 ? MINUS : "", size);
	return out;
}

char *figure_change(double bytes, char out[FIGURE])
{
	char size[FIGURE];

	if (fabs(bytes) < 0.5)
		snprintf(out, FIGURE, "0");
	else
		snprintf(out, FIGURE, "%s%s", bytes > 0 ? "+" : "", figure_bytes(bytes, size));
	return out;
}

char *figure_interval(double low, double high, char out[FIGURE])
{
	char a[FIGURE], b[FIGURE], *unit;
	const char *other;

	figure_bytes(low, a);
	figure_bytes(high, b);
	unit = strchr(a, ' ');
	other = strchr(b, ' ');
	if (unit && other && !strcmp(unit, other))
		*unit = '\0';
	snprintf(out, FIGURE, "%.20s \xe2\x80\x93 %.20s", a, b);
	return out;
}

char *figure_share(double percent, char out[FIGURE])
{
	const char *sign = percent < 0 ? "\xe2\x88\x92" : "";
	double size = fabs(percent);

	if (size > 0 && size < 0.1)
		snprintf(out, FIGURE, percent < 0 ? "> %s0.1 %%" : "< %s0.1 %%", sign);
	else if (size < 10)
		snprintf(out, FIGURE, "%s%.1f %%", sign, floor(size * 10 + 0.5) / 10);
	else
		snprintf(out, FIGURE, "%s%.0f %%", sign, floor(size + 0.5));
	return out;
}

char *figure_seconds(double s, char out[FIGURE])
{
	if (s > 0 && s < 0.9995e-6)
		snprintf(out, FIGURE, "%.0f ns", floor(s * 1e9 + 0.5));
	else if (s > 0 && s < 0.9995e-3)
		snprintf(out, FIGURE, "%.0f \xc2\xb5s", floor(s * 1e6 + 0.5));
	else if (s > 0 && s < 0.00995)
		snprintf(out, FIGURE, "%.1f ms", floor(s * 1e4 + 0.5) / 10);
	else if (s < 0.9995)
		snprintf(out, FIGURE, "%.0f ms", floor(s * 1000 + 0.5));
	else if (s < 9.995)
		snprintf(out, FIGURE, "%.2f s", floor(s * 100 + 0.5) / 100);
	else
		snprintf(out, FIGURE, "%.1f s", floor(s * 10 + 0.5) / 10);
	return out;
}

char *figure_time(double epoch_s, char out[FIGURE])
{
	struct tm tm;
	time_t t;

	/* years 1970 to 9999: the archive may say anything */
	if (!(epoch_s >= 0 && epoch_s < 253402300800.0))
		return NULL;
	t = (time_t)epoch_s;
	if (!gmtime_r(&t, &tm) || !strftime(out, FIGURE, "%Y-%m-%dT%H:%M:%SZ", &tm))
		return NULL;
	return out;
}
