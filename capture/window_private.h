/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The run over any table of collectors (tests bring their own), and a growing buffer for JSON. */
#pragma once

#include <stddef.h>

#include "collect.h"
#include "plan.h"

/* As window_run(); table ends with NULL. */
int window_run_table(const struct capture_options *o, const struct sysroot *root,
		     const struct collector *const *table);

struct membuf {
	char *p;
	size_t len, cap;
};
/* A struct json's write callback. */
int membuf_write(void *ctx, const void *data, size_t len);
void membuf_deinit(struct membuf *m);
