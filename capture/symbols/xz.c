/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <lzma.h>
#include <stdlib.h>

#include "xz.h"

static int no_of(lzma_ret r)
{
	switch (r) {
	case LZMA_MEM_ERROR:
		return -ENOMEM;
	case LZMA_MEMLIMIT_ERROR:
		return -E2BIG;
	default:
		return -EBADMSG;
	}
}

/* Room for more output: 0, -E2BIG or -ENOMEM. */
static int grow(uint8_t **out, size_t *cap, lzma_stream *x)
{
	size_t done = *cap, want = done ? done * 2 : 256u << 10;
	uint8_t *more;

	if (done >= XZ_OUTPUT_MAX)
		return -E2BIG;
	if (want > XZ_OUTPUT_MAX)
		want = XZ_OUTPUT_MAX;
	more = realloc(*out, want);
	if (!more)
		return -ENOMEM;
	*out = more;
	*cap = want;
	x->next_out = more + done;
	x->avail_out = want - done;
	return 0;
}

int xz_inflate(const struct elf_source *s, uint64_t offset, uint64_t size, uint8_t **ret,
	       size_t *ret_size)
{
	lzma_stream x = LZMA_STREAM_INIT;
	uint8_t in[16384], *out = NULL;
	size_t cap = 0;
	lzma_ret code = lzma_stream_decoder(&x, XZ_DECODER_MAX, 0);
	int r = code == LZMA_OK ? 0 : no_of(code);

	while (!r && code == LZMA_OK) {
		if (!x.avail_in && size) {
			size_t n = size < sizeof(in) ? (size_t)size : sizeof(in);

			r = elf_read(s, offset, in, n);
			if (r)
				break;
			offset += n;
			size -= n;
			x.next_in = in;
			x.avail_in = n;
		}
		if (!x.avail_out)
			r = grow(&out, &cap, &x);
		if (!r)
			code = lzma_code(&x, size ? LZMA_RUN : LZMA_FINISH);
	}
	if (!r && code != LZMA_STREAM_END)
		r = no_of(code);
	if (!r) {
		*ret = out;
		*ret_size = (size_t)x.total_out;
	} else {
		free(out);
	}
	lzma_end(&x);
	return r;
}
