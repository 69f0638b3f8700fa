/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From facts, model and findings to JSON and HTML.  Output goes to a callback; deterministic. */
#pragma once

#include "../analyze/findings.h"

struct report {
	const struct facts *facts;
	const struct model *model;
	const struct findings *findings;
};

struct report_options {
	unsigned top; /* rows shown at once in rankings */
};

typedef int (*report_write_fn)(void *ctx, const void *data, size_t len);

/* The contract's "ossnap-report/1".  count > 1: one object with `fleet`, single sections null. */
int report_json(const struct report *hosts, size_t count, report_write_fn write, void *ctx,
		struct err *e);
int report_html(const struct report *hosts, size_t count, const struct report_options *o,
		report_write_fn write, void *ctx, struct err *e);
/* At most 40 lines, to paste in a ticket. */
int report_text(const struct report *hosts, size_t count, report_write_fn write, void *ctx,
		struct err *e);
