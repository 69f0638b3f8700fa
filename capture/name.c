/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/clock.h"
#include "base/sbuf.h"
#include "name.h"

#define HOST_LEN 60

static void put_part(struct sbuf *b, const char *s, size_t max)
{
	for (size_t i = 0; s[i] && i < max; i++) {
		char c = s[i];
		bool ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			  (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';

		/* A hidden file, or one that looks like an option, helps nobody. */
		if (b->len == 0 && (c == '-' || c == '.'))
			ok = false;
		sbuf_putc(b, ok ? c : '_');
	}
}

void name_make(char out[NAME_MAX_LEN + 1], const char *label, const char *host, const char *ticket,
	       uint64_t realtime_ns, const uint8_t random[8])
{
	/* 32 of them: five bits of each random byte, no bias. */
	static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
	struct sbuf b = {.p = out, .cap = NAME_MAX_LEN + 1};
	char when[17];

	sbuf_reset(&b);
	if (label && *label) {
		put_part(&b, label, NAME_PART_LEN);
		sbuf_putc(&b, '-');
	}
	put_part(&b, host && *host ? host : "host", HOST_LEN);
	if (ticket && *ticket) {
		sbuf_putc(&b, '-');
		put_part(&b, ticket, NAME_PART_LEN);
	}
	clock_format_compact(realtime_ns, when);
	sbuf_putc(&b, '-');
	sbuf_puts(&b, when);
	sbuf_putc(&b, '-');
	for (int i = 0; i < 8; i++)
		sbuf_putc(&b, alphabet[random[i] & 31]);
}
