/* SPDX-License-Identifier: GPL-2.0-or-later */
#define ZLIB_CONST /* deflate() does not write to its input */
#include "pack.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

struct pack {
	struct out *out;
	z_stream z;
	unsigned char pending[3]; /* base64 takes three bytes at a time */
	size_t pending_len;
};

static void base64_group(struct out *o, const unsigned char *p, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned v =
		(unsigned)p[0] << 16 | (len > 1 ? (unsigned)p[1] << 8 : 0) | (len > 2 ? p[2] : 0);
	char text[4] = {digits[v >> 18], digits[v >> 12 & 63], len > 1 ? digits[v >> 6 & 63] : '=',
			len > 2 ? digits[v & 63] : '='};

	out_raw(o, text, 4);
}

static void base64(struct pack *p, const unsigned char *data, size_t len)
{
	while (len) {
		p->pending[p->pending_len++] = *data++;
		len--;
		if (p->pending_len == 3) {
			base64_group(p->out, p->pending, 3);
			p->pending_len = 0;
		}
	}
}

static int deflate_some(struct pack *p, const void *data, size_t len, int flush)
{
	unsigned char buf[8192];

	p->z.next_in = data;
	p->z.avail_in = (unsigned)len;
	do {
		p->z.next_out = buf;
		p->z.avail_out = sizeof(buf);
		if (deflate(&p->z, flush) == Z_STREAM_ERROR)
			return -EIO;
		base64(p, buf, sizeof(buf) - p->z.avail_out);
	} while (!p->z.avail_out);
	return 0;
}

int pack_write(void *p, const void *data, size_t len)
{
	return deflate_some(p, data, len, Z_NO_FLUSH);
}

struct pack *pack_open(struct out *o)
{
	struct pack *p = calloc(1, sizeof(*p));

	/* 16: a gzip header, which zlib fills without a time or a name */
	if (p && deflateInit2(&p->z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK) {
		p->out = o;
		return p;
	}
	free(p);
	o->error = o->error ? o->error : -ENOMEM;
	return NULL;
}

void pack_close(struct pack *p, int r)
{
	struct out *o;

	if (!p)
		return;
	o = p->out;
	if (!r)
		r = deflate_some(p, NULL, 0, Z_FINISH);
	deflateEnd(&p->z);
	if (p->pending_len)
		base64_group(o, p->pending, p->pending_len);
	if (r < 0 && !o->error)
		o->error = r;
	free(p);
}
