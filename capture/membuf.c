/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "window_private.h"

int membuf_write(void *ctx, const void *data, size_t len)
{
	struct membuf *m = ctx;

	if (m->len + len > m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 16384;

		while (cap < m->len + len)
			cap *= 2;
		char *p = realloc(m->p, cap);
		if (!p)
			return -ENOMEM;
		m->p = p;
		m->cap = cap;
	}
	memcpy(m->p + m->len, data, len);
	m->len += len;
	return 0;
}

void membuf_deinit(struct membuf *m)
{
	free(m->p);
}
