/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entries of packs, and the child's view of the window. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "emit.h"
#include "emit_private.h"

#define ENTRY_OVERHEAD 320u		  /* "@NAMELEN DATALEN ERRNO\n", newlines, some name */
#define STOP_MARGIN (500 * NSEC_PER_MSEC) /* left before the deadline to hand over */

/* ------------------------------------------------------------------ packs */

int pack_data(struct emit *out, const char *entry, const void *data, size_t len, int no)
{
	char line[64];
	size_t name_len = strlen(entry);

	/* An entry larger than a part could not be read back on its own: it is cut, and says so. */
	if (name_len > out->part_size / 2)
		return -ENAMETOOLONG;
	if (len > out->part_size - ENTRY_OVERHEAD - name_len) {
		len = out->part_size - ENTRY_OVERHEAD - name_len;
		no = no ? no : EFBIG;
		emit_loss(out, "pack entries cut", 1);
	}
	if (no < 0)
		no = -no;
	int n = snprintf(line, sizeof(line), "@%zu %zu %d\n", name_len, len, no);
	member_put(out, line, (size_t)n);
	member_put(out, entry, name_len);
	member_put(out, "\n", 1);
	member_put(out, data, len);
	member_put(out, "\n", 1);
	return member_break(out);
}

/* ------------------------------------------------------------------ the window */

void member_time(const struct collect *c, char out[16])
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	uint64_t ms = now > c->window_start_ns ? (now - c->window_start_ns) / NSEC_PER_MSEC : 0;

	snprintf(out, 16, "%09u", (unsigned)(ms > 999999999 ? 999999999 : ms));
}

bool collect_stopping(const struct collect *c)
{
	struct pollfd p = {.fd = c->stop_fd, .events = POLLIN};

	if (clock_ns(CLOCK_MONOTONIC) + STOP_MARGIN >= c->deadline_ns)
		return true;
	return c->stop_fd >= 0 && poll(&p, 1, 0) > 0;
}

void collect_wait(const struct collect *c)
{
	for (;;) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		struct pollfd p = {.fd = c->stop_fd, .events = POLLIN};

		if (now >= c->window_end_ns)
			return;
		uint64_t ms = (c->window_end_ns - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
		if (poll(&p, 1, ms > 60000 ? 60000 : (int)ms) > 0)
			return;
	}
}
