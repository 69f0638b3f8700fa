/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_row(const void *a, const void *b)
{
	const struct export_row *x = a, *y = b;
	int r = strcmp(x->comm, y->comm);

	if (r)
		return r;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

int export_rows(const struct model *m, struct export_row **ret, size_t *ret_count, struct err *e)
{
	const struct hotspot *h = m->hotspot;
	struct export_row *rows;
	size_t n = 0, kept = 0;

	if (!h || !h->on_cpu)
		return err_set(e, ENODATA, "the archive has no samples of stacks");
	rows = calloc(h->on_cpu, sizeof(*rows));
	if (!rows)
		return err_errno(e, ENOMEM, "stacks");
	for (size_t i = 0; i < h->sample_count && n < h->on_cpu; i++) {
		const struct hot_sample *s = &h->samples[i];

		if (s->state == STACK_ON_CPU)
			rows[n++] = (struct export_row){.comm = h->threads[s->thread].process_comm,
							.stack = s->stack,
							.samples = 1};
	}
	qsort(rows, n, sizeof(*rows), by_row);
	for (size_t i = 0; i < n; i++) {
		if (kept && by_row(&rows[kept - 1], &rows[i]) == 0)
			rows[kept - 1].samples++;
		else
			rows[kept++] = rows[i];
	}
	*ret = rows;
	*ret_count = kept;
	return 0;
}

static void flush(struct export_out *o)
{
	if (!o->error && o->len)
		o->error = o->write(o->ctx, o->buf, o->len);
	o->len = 0;
}

void export_put(struct export_out *o, const void *data, size_t len)
{
	while (len) {
		size_t n = sizeof(o->buf) - o->len;

		if (n > len)
			n = len;
		memcpy(o->buf + o->len, data, n);
		o->len += n;
		data = (const char *)data + n;
		len -= n;
		if (o->len == sizeof(o->buf))
			flush(o);
	}
}

void export_puts(struct export_out *o, const char *s)
{
	export_put(o, s, strlen(s));
}

void export_name(struct export_out *o, const char *s, const char *special)
{
	for (; *s; s++) {
		char c = *s;

		if ((unsigned char)c < ' ' || c == 127)
			c = '?';
		else if (strchr(special, c))
			c = ':';
		export_put(o, &c, 1);
	}
}

int export_end(struct export_out *o)
{
	flush(o);
	return o->error;
}
