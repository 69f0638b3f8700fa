/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTML that is streamed rather than built: a buffered writer which keeps its first error, and
 * the only two ways by which text of an archive may enter markup.
 */
#pragma once

#include <stdint.h>

#include "report.h"

struct out {
	report_write_fn write;
	void *ctx;
	int error;
	size_t len;
	char buf[16384];
};

void out_init(struct out *o, report_write_fn write, void *ctx);
int out_end(struct out *o); /* flushes; 0 or the first error */

void out_raw(struct out *o, const void *data, size_t len); /* markup of ours */
void out_str(struct out *o, const char *markup);
void out_fmt(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Made visible (visible.h), then escaped for both text and double-quoted attributes. */
void out_text(struct out *o, const char *text);
/* The same, with what was made visible marked as such by an element.  For text only. */
void out_name(struct out *o, const char *text);
