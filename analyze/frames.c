/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An address of a process → what stood there → its name. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hotspot.h"
#include "lookup.h"
#include "model.h"

#define NAMES_MAX 1000000u
#define PYTHON_NAME_MAX 1536

struct frame_namer {
	const struct facts *f;
	struct arena *arena;
	uint32_t *symbols;		 /* rows, by object and offset */
	struct lookup mappings, objects; /* id → row + 1 */
	struct lookup python;		 /* frame → row + 1 */
	struct lookup name_ids;		 /* (function, module) → index + 1 */
	struct lookup modules;		 /* module's text → number */
	uint32_t module_count;
	struct hot_name *names;
	size_t name_count, name_cap;
};

static int place_cmp(const struct fact_stack_symbol *s, uint64_t object, uint64_t offset)
{
	if (s->object != object)
		return s->object < object ? -1 : 1;
	return s->offset < offset ? -1 : s->offset > offset;
}

static int by_place(const void *a, const void *b, void *ctx)
{
	const struct fact_stack_symbol *rows = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int r = place_cmp(&rows[x], rows[y].object, rows[y].offset);

	return r ? r : x < y ? -1 : x > y;
}

static int index_rows(struct frame_namer *n)
{
	const struct facts *f = n->f;
	size_t names =
		2 * (f->stack_symbols.count + f->stack_objects.count) + f->stack_python.count + 16;

	n->symbols = arena_alloc(n->arena, (f->stack_symbols.count + 1) * sizeof(*n->symbols));
	if (!n->symbols || lookup_init(&n->mappings, n->arena, f->stack_mappings.count + 1) < 0 ||
	    lookup_init(&n->objects, n->arena, f->stack_objects.count + 1) < 0 ||
	    lookup_init(&n->modules, n->arena,
			2 * f->stack_objects.count + f->stack_python.count + 16) < 0 ||
	    lookup_init(&n->python, n->arena, f->stack_python.count + 1) < 0 ||
	    lookup_init(&n->name_ids, n->arena, names) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < f->stack_symbols.count; i++)
		n->symbols[i] = (uint32_t)i;
	qsort_r(n->symbols, f->stack_symbols.count, sizeof(*n->symbols), by_place,
		f->stack_symbols.rows);
	for (size_t i = 0; i < f->stack_mappings.count; i++)
		*lookup_put(&n->mappings, f->stack_mappings.rows[i].mapping, 0, NULL, 0) =
			(uint32_t)i + 1;
	for (size_t i = 0; i < f->stack_python.count; i++)
		*lookup_put(&n->python, f->stack_python.rows[i].frame, 0, NULL, 0) =
			(uint32_t)i + 1;
	for (size_t i = 0; i < f->stack_objects.count; i++)
		*lookup_put(&n->objects, f->stack_objects.rows[i].object, 0, NULL, 0) =
			(uint32_t)i + 1;
	return 0;
}

int frame_namer_create(struct frame_namer **ret, const struct facts *f, struct arena *a)
{
	struct frame_namer *n = arena_alloc(a, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->f = f;
	n->arena = a;
	if (index_rows(n) < 0)
		return -ENOMEM;
	*ret = n;
	return 0;
}

static const struct fact_stack_object *object_of(const struct frame_namer *n, uint64_t id)
{
	uint32_t at = lookup_get(&n->objects, id, 0, NULL, 0);

	return at ? &n->f->stack_objects.rows[at - 1] : NULL;
}

static const struct fact_stack_symbol *symbol_at(const struct frame_namer *n, uint64_t object,
						 uint64_t offset)
{
	size_t low = 0, high = n->f->stack_symbols.count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct fact_stack_symbol *s = &n->f->stack_symbols.rows[n->symbols[mid]];
		int r = place_cmp(s, object, offset);

		if (!r)
			return s;
		if (r < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static bool is_kind(const struct fact_stack_object *o, const char *kind)
{
	return o && o->kind && !strcmp(o->kind, kind);
}

/* What people call it: the last part of the path; of the kernel and its modules all of it. */
static const char *module_name(const struct fact_stack_object *o, bool kernel)
{
	const char *slash;

	if (!o || !o->path)
		return kernel ? "[kernel]" : "[unknown]";
	if (is_kind(o, "anon") && !*o->path)
		return "[anonymous]";
	slash = strrchr(o->path, '/');
	return slash && slash[1] ? slash + 1 : o->path;
}

enum language { NATIVE, KERNEL, PYTHON };

static uint32_t intern(struct frame_namer *n, const char *function, const char *module,
		       enum language language)
{
	uint32_t *number = lookup_put(&n->modules, language, 0, module, strlen(module)), *id;

	if (!number)
		return UINT32_MAX;
	if (!*number)
		*number = ++n->module_count;
	id = lookup_put(&n->name_ids, *number, 0, function, strlen(function));
	if (!id)
		return UINT32_MAX;
	if (*id)
		return *id - 1;
	if (n->name_count == n->name_cap) {
		size_t cap = n->name_cap ? n->name_cap * 2 : 256;
		struct hot_name *more =
			arena_grow(n->arena, n->names, n->name_cap * sizeof(*n->names),
				   cap * sizeof(*n->names));

		if (!more || cap > 2 * NAMES_MAX) {
			*id = 1;
			return UINT32_MAX;
		}
		n->names = more;
		n->name_cap = cap;
	}
	n->names[n->name_count] = (struct hot_name){.function = function,
						    .module = module,
						    .kernel = language == KERNEL,
						    .python = language == PYTHON};
	*id = (uint32_t)++n->name_count;
	return *id - 1;
}

/* "pthread_mutex_lock@@GLIBC_2.2.5": the version is the linker's business. */
static const char *function_name(struct frame_namer *n, const struct fact_stack_symbol *s)
{
	const char *name = s ? s->demangled ? s->demangled : s->function : NULL, *version;

	if (!name)
		return "[unknown]";
	version = s->demangled ? NULL : strstr(name, "@GLIBC");
	if (!version || version == name)
		return name;
	return arena_strndup(n->arena, name, (size_t)(version - name) - (version[-1] == '@'));
}

uint32_t frame_namer_find(struct frame_namer *n, uint64_t mapping, bool kernel, uint64_t address)
{
	const struct fact_stack_mapping *m = NULL;
	const struct fact_stack_object *o;
	const struct fact_stack_symbol *s;
	uint64_t offset = address;
	uint32_t at = 0;

	if (!kernel) {
		at = lookup_get(&n->mappings, mapping, 0, NULL, 0);
		if (!at)
			return intern(n, "[unknown]", "[unknown]", NATIVE);
		m = &n->f->stack_mappings.rows[at - 1];
	}
	o = object_of(n, kernel ? 0 : m->object);
	if (m && !is_kind(o, "anon")) {
		offset = address - m->start;
		if (!is_kind(o, "vdso"))
			offset += m->offset;
	}
	s = symbol_at(n, kernel ? 0 : m->object, offset);
	if (s && s->found_in != FACT_NONE && s->found_in != s->object)
		o = object_of(n, s->found_in);
	return intern(n, function_name(n, s), module_name(o, kernel), kernel ? KERNEL : NATIVE);
}

/* "work (server.py:12)" */
static const char *python_name(struct frame_namer *n, const struct fact_stack_python *p)
{
	const char *slash = strrchr(p->file, '/'), *file = slash && slash[1] ? slash + 1 : p->file;
	char text[PYTHON_NAME_MAX];
	int len;

	if (p->line == FACT_NONE)
		len = snprintf(text, sizeof(text), "%s (%s)", p->function, file);
	else
		len = snprintf(text, sizeof(text), "%s (%s:%" PRIu64 ")", p->function, file,
			       p->line);
	if (len < 0)
		return NULL;
	return arena_strndup(n->arena, text,
			     (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

uint32_t frame_namer_python(struct frame_namer *n, uint64_t frame, bool *ret_known)
{
	uint32_t at = lookup_get(&n->python, frame, 0, NULL, 0);
	const struct fact_stack_python *p = at ? &n->f->stack_python.rows[at - 1] : NULL;
	const char *name;

	*ret_known = p && p->function && *p->function && p->file && *p->file;
	if (!*ret_known)
		return intern(n, "[unresolved]", "[python]", PYTHON);
	name = python_name(n, p);
	return name ? intern(n, name, p->file, PYTHON) : UINT32_MAX;
}

/* With "[clone]" and ".cold" the compiler's own. */
bool frame_namer_evaluates(const struct frame_namer *n, uint32_t name)
{
	static const char function[] = "_PyEval_EvalFrameDefault";

	return name < n->name_count && !n->names[name].kernel &&
	       !strncmp(n->names[name].function, function, strlen(function));
}

size_t frame_namer_names(const struct frame_namer *n, struct hot_name **ret)
{
	*ret = n->names;
	return n->name_count;
}
