/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <string.h>

#include <libiberty/demangle.h>

#include "demangle.h"

struct output {
	jmp_buf full;
	size_t len;
	char text[FACT_SYMBOL_MAX];
};

/* Called with pieces; there is no way to say "enough" but to leave. */
static void take(const char *piece, size_t len, void *ctx)
{
	struct output *o = ctx;

	if (len >= sizeof(o->text) - o->len)
		longjmp(o->full, 1);
	if (len) /* piece may be NULL then */
		memcpy(o->text + o->len, piece, len);
	o->len += len;
}

static int try_all(struct output *o, const char *name)
{
	if (setjmp(o->full))
		return 0;
	/* Rust's old encoding is valid C++ as well, and reads worse as that. */
	o->len = 0;
	if (rust_demangle_callback(name, DMGL_NO_OPTS, take, o))
		return 1;
	o->len = 0;
	return cplus_demangle_v3_callback(name, DMGL_NO_OPTS, take, o);
}

const char *demangle(struct parse *p, const char *name)
{
	struct output *o = p->demangled;
	size_t len = strlen(name);

	if (len > DEMANGLE_INPUT_MAX || name[0] != '_' || (name[1] != 'Z' && name[1] != 'R'))
		return NULL;
	if (!o) {
		o = p->demangled = arena_alloc(p->arena, sizeof(*o));
		if (!o)
			return NULL;
	}
	if (!try_all(o, name) || !o->len)
		return NULL;
	o->text[o->len] = 0;
	return o->text;
}
