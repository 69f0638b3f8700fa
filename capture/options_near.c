/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was mistyped: which word was meant? */
#include "options_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/sbuf.h"

#define NAME_MAX_STEPS 32 /* of a mistyped name */

unsigned option_distance(const char *a, const char *b)
{
	unsigned before[NAME_MAX_STEPS + 1], last[NAME_MAX_STEPS + 1], now[NAME_MAX_STEPS + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > NAME_MAX_STEPS || m > NAME_MAX_STEPS)
		return NAME_MAX_STEPS;
	for (size_t k = 0; k <= m; k++)
		before[k] = last[k] = (unsigned)k;
	for (size_t i = 1; i <= n; i++) {
		now[0] = (unsigned)i;
		for (size_t k = 1; k <= m; k++) {
			unsigned best = last[k - 1] + (a[i - 1] != b[k - 1]);

			if (last[k] + 1 < best)
				best = last[k] + 1;
			if (now[k - 1] + 1 < best)
				best = now[k - 1] + 1;
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] &&
			    before[k - 2] + 1 < best)
				best = before[k - 2] + 1;
			now[k] = best;
		}
		memcpy(before, last, sizeof(before));
		memcpy(last, now, sizeof(last));
	}
	return last[m];
}

int option_unknown(struct err *e, const char *arg)
{
	char typed[NAME_MAX_STEPS + 1], text[256];
	struct sbuf b = SBUF(text);
	const char *near = NULL;
	unsigned nearest = 3, matches = 0;
	size_t len = strcspn(arg + 2, "=");

	text[0] = '\0';
	snprintf(typed, sizeof(typed), "%.*s", (int)len, arg + 2);
	for (size_t i = 0; i < OPTION_ROWS; i++) {
		unsigned d = option_distance(typed, option_rows[i].name);

		if (strncmp(option_rows[i].name, arg + 2, len) == 0)
			sbuf_printf(&b, "%s--%s", matches++ ? ", " : "", option_rows[i].name);
		if (d < nearest && d < len) {
			nearest = d;
			near = option_rows[i].name;
		}
	}
	if (matches > 1)
		return err_set(e, EINVAL, "--%.*s: ambiguous: %s", (int)len, arg + 2, text);
	if (near)
		return err_set(e, EINVAL, "--%.*s: unknown option; did you mean --%s?", (int)len,
			       arg + 2, near);
	return err_set(e, EINVAL, "--%.*s: unknown option (see --help)", (int)len, arg + 2);
}
