/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * perf-PID.map: what a run-time compiler says of the code it made, a line "START SIZE NAME" each
 * (tools/perf/Documentation/jit-interface.txt).  Anybody's text.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cleanup.h"
#include "module_names.h"
#include "nearest.h"

#define BUFFER (64u << 10)

/* Hexadecimal digits at *p, which moves behind them and the space that must follow. */
static bool take_hex(const char **p, const char *end, uint64_t *ret)
{
	const char *s = *p;
	uint64_t v = 0;

	if (end - s > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	*p = s;
	for (; s < end && *s != ' '; s++) {
		unsigned d = (unsigned char)*s;

		if (d >= '0' && d <= '9')
			d -= '0';
		else if ((d | 32) >= 'a' && (d | 32) <= 'f')
			d = (d | 32) - 'a' + 10;
		else
			return false;
		if (v >> 60)
			return false;
		v = v << 4 | d;
	}
	if (s == *p || s == end)
		return false;
	*p = s + 1;
	*ret = v;
	return true;
}

static void take_line(struct nearest *nearest, const char *line, const char *end, uint64_t where)
{
	const char *p = line;
	uint64_t start, size;

	if (!take_hex(&p, end, &start) || !take_hex(&p, end, &size) || p == end)
		return;
	nearest_add(nearest, &(struct nearest_symbol){
				     .value = start,
				     .end = size > UINT64_MAX - start ? UINT64_MAX : start + size,
				     .name = where + (uint64_t)(p - line),
			     });
}

/* Lines longer than the buffer are passed over. */
static int read_lines(struct nearest *nearest, const struct elf_source *text, char *buf)
{
	uint64_t at = 0;

	while (at < text->size) {
		size_t n = text->size - at < BUFFER ? (size_t)(text->size - at) : BUFFER;
		bool last = at + n == text->size;
		const char *p = buf, *end;
		/* It may have been cut meanwhile; what was read counts. */
		int r = elf_read(text, at, buf, n);

		if (r)
			return r;
		while ((end = memchr(p, '\n', (size_t)(buf + n - p)))) {
			take_line(nearest, p, end, at + (uint64_t)(p - buf));
			p = end + 1;
		}
		if (last)
			return 0; /* a line without an end is still being written */
		at += p == buf ? n : (uint64_t)(p - buf);
	}
	return 0;
}

static ssize_t read_name(const struct elf_source *text, uint64_t at, char *out, size_t cap)
{
	size_t n = text->size - at < cap ? (size_t)(text->size - at) : cap;
	const char *end;

	if (elf_read(text, at, out, n))
		return -EIO;
	end = memchr(out, '\n', n);
	/* A name ends at a NUL, too. */
	return (ssize_t)strnlen(out, end ? (size_t)(end - out) : n);
}

static int name_chunk(const struct module_names *n, const struct elf_source *text, size_t first,
		      size_t count)
{
	char *buf = malloc(BUFFER);
	struct nearest nearest;
	int r = buf ? nearest_init(&nearest, n->offsets + first, count) : -ENOMEM;

	if (r) {
		free(buf);
		return r;
	}
	read_lines(&nearest, text, buf);
	nearest_settle(&nearest);
	for (size_t i = 0; i < count && !r; i++) {
		const struct nearest_symbol *s = nearest_get(&nearest, i);
		ssize_t len = s ? read_name(text, s->name, buf, ELF_NAME_MAX - 1) : -ENOENT;
		uint64_t address = n->offsets[first + i];

		r = n->found(n->ctx, first + i, address, s ? s->value : 0, len > 0 ? buf : NULL,
			     len > 0 ? (size_t)len : 0);
	}
	nearest_deinit(&nearest);
	free(buf);
	return r;
}

int module_names_perf_map(const struct module_names *n, const struct elf_source *text)
{
	int r = 0;

	for (size_t at = 0; at < n->count && !r; at += MODULE_CHUNK)
		r = name_chunk(n, text, at,
			       n->count - at < MODULE_CHUNK ? n->count - at : MODULE_CHUNK);
	return r;
}
