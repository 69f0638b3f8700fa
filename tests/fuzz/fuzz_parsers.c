/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Members of an archive through their parsers, the rows through the stream into the renderer.
 * The input is one or more members, each its name, a newline and its bytes, with 00 ff 00 between
 * them.  Whatever comes in, what our own worker sends must be taken by our own renderer.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../analyze/facts/parse.h"
#include "../../analyze/facts/text.h"
#include "../../analyze/facts/wire.h"

static const char between[3] = {0, (char)0xff, 0};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int send_row(void *ctx, const struct fact_type *t, const void *row)
{
	return wire_row(ctx, t, row);
}

static void parse_one(struct parse *p, struct text member)
{
	struct text line;
	char name[200], *copy;

	if (!text_line(&member, &line))
		return;
	text_copy(line, name, sizeof(name));
	/* In memory of its own size, so that a byte read too many is seen. */
	copy = malloc(text_len(member) + 1);
	memcpy(copy, member.p, text_len(member));
	copy = realloc(copy, text_len(member) ? text_len(member) : 1);
	parse_member(p, name, copy, text_len(member));
	free(copy);
}

static void parse_all(struct parse *p, struct text input)
{
	while (text_len(input)) {
		const char *stop = memmem(input.p, text_len(input), between, sizeof(between));

		parse_one(p, (struct text){.p = input.p, .end = stop ? stop : input.end});
		input.p = stop ? stop + sizeof(between) : input.end;
	}
	parse_finish(p);
}

static void receive_all(int fd)
{
	struct facts *f;
	struct err e = {0};
	int code = -1, r;

	if (facts_create(&f) < 0)
		return;
	lseek(fd, 0, SEEK_SET);
	r = wire_receive(fd, f, 1 << 28, &code, &e);
	if (r < 0 || code != 0) {
		fprintf(stderr, "the renderer refuses what the worker sent: %s\n", e.text);
		abort();
	}
	facts_destroy(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("wire", MFD_CLOEXEC);
	struct wire_out *w;
	struct parse *p;

	if (fd < 0 || wire_open(&w, fd) < 0)
		abort();
	if (parse_create(&p, (struct fact_sink){.row = send_row, .ctx = w}, 32 << 20) < 0)
		abort();
	p->page_size = size % 2 ? 4096 : FACT_NONE;
	parse_all(p, TEXT((const char *)data, size));
	parse_destroy(p);
	if (wire_done(w, 0, "") < 0)
		abort();
	wire_close(w);
	receive_all(fd);
	close(fd);
	return 0;
}
