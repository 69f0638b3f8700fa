/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The three tables: mappings, the modules they are of, and the addresses to be named. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "symbols_private.h"

#define PATH_BYTES_MAX 4096u
#define DELETED " (deleted)"

const struct symbols_limits symbols_default_limits = {
	.maps = 64u << 10,
	.modules = 4096,
	.addresses = 192u << 10,
	.name_bytes = 6u << 20,
};

/* ------------------------------------------------------------------ rows and their index */

/* Room for one more row.  0, -E2BIG at the limit, -ENOMEM. */
static int row_room(void **rows, uint32_t count, uint32_t *cap, uint32_t limit, size_t size)
{
	uint32_t want = *cap ? *cap * 2 : 64;
	void *more;

	if (count < *cap)
		return 0;
	if (count >= limit)
		return -E2BIG;
	if (want > limit)
		want = limit;
	more = realloc(*rows, want * size);
	if (!more)
		return -ENOMEM;
	*rows = more;
	*cap = want;
	return 0;
}

/* splitmix64's finaliser (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) + 0x9e3779b97f4a7c15ULL;
	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ULL;
	h = (h ^ (h >> 27)) * 0x94d049bb133111ebULL;
	return h ^ (h >> 31);
}

/* Keep it at most half full.  hash_of: of a row. */
static int index_room(struct index *x, const struct symbols *s,
		      uint64_t (*hash_of)(const struct symbols *s, uint32_t row))
{
	uint32_t size = x->slots ? x->mask + 1 : 0, want = size ? size * 2 : 256;
	struct index new = {.mask = want - 1, .used = x->used};

	if (size && x->used < size / 2)
		return 0;
	new.slots = calloc(want, sizeof(*new.slots));
	if (!new.slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < size; i++) {
		uint32_t at;

		if (!x->slots[i])
			continue;
		at = (uint32_t)hash_of(s, x->slots[i] - 1) & new.mask;
		while (new.slots[at])
			at = (at + 1) & new.mask;
		new.slots[at] = x->slots[i];
	}
	free(x->slots);
	*x = new;
	return 0;
}

static void index_put(struct index *x, uint64_t hash, uint32_t row)
{
	uint32_t at = (uint32_t)hash & x->mask;

	while (x->slots[at])
		at = (at + 1) & x->mask;
	x->slots[at] = row + 1;
	x->used++;
}

/* ------------------------------------------------------------------ names */

uint32_t symbols_keep_name(struct symbols *s, const char *name, size_t len)
{
	uint32_t at = s->name_len;
	size_t need = (size_t)at + len + 1;

	if (need > s->limits.name_bytes) {
		s->names_dropped++;
		return 0;
	}
	if (need > s->name_cap) {
		size_t want = s->name_cap ? (size_t)s->name_cap * 2 : 16384;
		char *more;

		while (want < need)
			want *= 2;
		if (want > s->limits.name_bytes)
			want = s->limits.name_bytes;
		more = realloc(s->names, want);
		if (!more) {
			s->names_dropped++;
			return 0;
		}
		s->names = more;
		s->name_cap = (uint32_t)want;
	}
	memcpy(s->names + at, name, len);
	s->names[at + len] = 0;
	s->name_len = (uint32_t)need;
	return at + 1;
}

/* ------------------------------------------------------------------ modules */

static uint64_t bytes_hash(uint64_t h, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ULL; /* FNV-1a */
	return h;
}

static uint64_t module_hash(const struct symbol_module *m)
{
	uint64_t h = mix(m->kind, m->pid);

	if (m->build_id_len)
		return mix(h, bytes_hash(0, m->build_id, m->build_id_len));
	if (m->kind == MODULE_ANON || m->kind == MODULE_VDSO)
		return h;
	h = mix(h, (uint64_t)m->major << 32 | m->minor);
	return mix(mix(h, m->ino), bytes_hash(0, m->path, strlen(m->path)));
}

static uint64_t module_row_hash(const struct symbols *s, uint32_t row)
{
	return module_hash(&s->modules[row]);
}

static bool module_same(const struct symbol_module *a, const struct symbol_module *b)
{
	if (a->kind != b->kind || a->pid != b->pid || a->build_id_len != b->build_id_len)
		return false;
	if (a->build_id_len)
		return memcmp(a->build_id, b->build_id, a->build_id_len) == 0;
	if (a->kind == MODULE_ANON || a->kind == MODULE_VDSO)
		return true;
	return a->major == b->major && a->minor == b->minor && a->ino == b->ino &&
	       strcmp(a->path, b->path) == 0;
}

/* The row of a module like m, made if there is none (m's path is then taken over, else freed). */
static uint32_t module_row(struct symbols *s, struct symbol_module *m)
{
	uint64_t hash = module_hash(m);
	uint32_t at;

	if (index_room(&s->module_index, s, module_row_hash))
		goto full;
	for (at = (uint32_t)hash & s->module_index.mask; s->module_index.slots[at];
	     at = (at + 1) & s->module_index.mask) {
		uint32_t row = s->module_index.slots[at] - 1;

		if (!module_same(&s->modules[row], m))
			continue;
		free(m->path);
		return row;
	}
	if (row_room((void **)&s->modules, s->module_count, &s->module_cap, s->limits.modules,
		     sizeof(*s->modules)))
		goto full;
	s->modules[s->module_count] = *m;
	index_put(&s->module_index, hash, s->module_count);
	return s->module_count++;
full:
	free(m->path);
	return UINT32_MAX;
}

uint32_t symbols_kernel_module(struct symbols *s, enum module_kind kind, const char *name)
{
	struct symbol_module m = {.kind = kind, .status = MODULE_READ, .path = strdup(name)};

	return m.path ? module_row(s, &m) : UINT32_MAX;
}

/* Code without a file of its own: no inode, or one of the kernel's own that has no other purpose.
 */
static bool is_anonymous(const struct symbol_map *map)
{
	static const char *const begins[] = {"//anon",	"[heap]",    "[stack", "[anon:",
					     "/memfd:", "/dev/zero", "/SYSV",  "anon_inode:"};

	if (!map->path[0])
		return true;
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (strncmp(map->path, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

static uint32_t module_of(struct symbols *s, const struct symbol_map *map)
{
	size_t len = strnlen(map->path, PATH_BYTES_MAX), tail = strlen(DELETED);
	struct symbol_module m = {.kind = MODULE_ELF};

	if (strcmp(map->path, "[vdso]") == 0) {
		m.kind = MODULE_VDSO;
	} else if (is_anonymous(map)) {
		m.kind = MODULE_ANON;
		m.pid = map->pid;
	} else {
		m.major = map->major;
		m.minor = map->minor;
		m.ino = map->ino;
		if (map->build_id_len <= SYMBOLS_BUILD_ID_MAX) {
			m.build_id_len = map->build_id_len;
			memcpy(m.build_id, map->build_id, map->build_id_len);
		}
		if (len > tail && strncmp(map->path + len - tail, DELETED, tail) == 0) {
			len -= tail;
			m.deleted = true;
		}
	}
	m.path = strndup(map->path, len);
	return m.path ? module_row(s, &m) : UINT32_MAX;
}

/* ------------------------------------------------------------------ mappings */

static uint64_t map_row_hash(const struct symbols *s, uint32_t row)
{
	const struct symbol_map_row *m = &s->maps[row];

	return mix(mix(mix(m->process, m->start), m->end), mix(m->pgoff, m->module));
}

uint32_t symbols_map(struct symbols *s, const struct symbol_map *map)
{
	struct symbol_map_row row = {.process = map->process,
				     .pid = map->pid,
				     .start = map->start,
				     .end = map->end,
				     .pgoff = map->pgoff};
	struct symbol_module *m;
	uint64_t hash;
	uint32_t at;

	if (map->end <= map->start)
		return SYMBOLS_NO_MAP;
	row.module = module_of(s, map);
	if (row.module == UINT32_MAX || index_room(&s->map_index, s, map_row_hash))
		goto full;
	hash = mix(mix(mix(row.process, row.start), row.end), mix(row.pgoff, row.module));
	for (at = (uint32_t)hash & s->map_index.mask; s->map_index.slots[at];
	     at = (at + 1) & s->map_index.mask) {
		uint32_t known = s->map_index.slots[at] - 1;
		const struct symbol_map_row *k = &s->maps[known];

		if (k->process == row.process && k->start == row.start && k->end == row.end &&
		    k->pgoff == row.pgoff && k->module == row.module)
			return known;
	}
	if (row_room((void **)&s->maps, s->map_count, &s->map_cap, s->limits.maps,
		     sizeof(*s->maps)))
		goto full;
	s->maps[s->map_count] = row;
	index_put(&s->map_index, hash, s->map_count);
	m = &s->modules[row.module];
	m->witness[m->witness_count++ % MODULE_WITNESSES] = s->map_count;
	m->seen_ns = clock_ns(CLOCK_REALTIME);
	return s->map_count++;
full:
	s->maps_dropped++;
	return SYMBOLS_NO_MAP;
}

/* ------------------------------------------------------------------ addresses */

static uint64_t want_hash(uint32_t module, uint64_t offset)
{
	return mix(mix(0, module), offset);
}

static uint64_t want_row_hash(const struct symbols *s, uint32_t row)
{
	return want_hash(s->rows[row].module, s->rows[row].offset);
}

static int key_of(const struct symbols *s, uint32_t map, uint64_t address, uint32_t *ret_module,
		  uint64_t *ret_offset)
{
	const struct symbol_map_row *m;

	if (map >= s->map_count)
		return -ERANGE;
	m = &s->maps[map];
	if (address < m->start || address >= m->end)
		return -ERANGE;
	*ret_module = m->module;
	*ret_offset = address;
	if (s->modules[m->module].kind == MODULE_ELF)
		*ret_offset = address - m->start + m->pgoff;
	else if (s->modules[m->module].kind == MODULE_VDSO)
		*ret_offset = address - m->start;
	return 0;
}

static const struct symbol_row *find_row(const struct symbols *s, uint32_t module, uint64_t offset)
{
	if (!s->row_index.slots)
		return NULL;
	for (uint32_t at = (uint32_t)want_hash(module, offset) & s->row_index.mask;
	     s->row_index.slots[at]; at = (at + 1) & s->row_index.mask) {
		const struct symbol_row *r = &s->rows[s->row_index.slots[at] - 1];

		if (r->module == module && r->offset == offset)
			return r;
	}
	return NULL;
}

int symbols_want(struct symbols *s, uint32_t map, uint64_t address)
{
	uint32_t module;
	uint64_t offset;
	int r = key_of(s, map, address, &module, &offset);

	if (r || find_row(s, module, offset))
		return r;
	r = row_room((void **)&s->rows, s->row_count, &s->row_cap, s->limits.addresses,
		     sizeof(*s->rows));
	if (!r)
		r = index_room(&s->row_index, s, want_row_hash);
	if (r) {
		s->wants_dropped++;
		return r;
	}
	s->rows[s->row_count] = (struct symbol_row){.module = module, .offset = offset};
	index_put(&s->row_index, want_hash(module, offset), s->row_count);
	s->row_count++;
	return 0;
}

const char *symbols_name(const struct symbols *s, uint32_t map, uint64_t address,
			 uint64_t *ret_offset)
{
	const struct symbol_row *r;
	uint32_t module;
	uint64_t offset;

	if (key_of(s, map, address, &module, &offset))
		return NULL;
	r = find_row(s, module, offset);
	if (!r || !r->name)
		return NULL;
	if (ret_offset)
		*ret_offset = r->address - r->symbol;
	return s->names + r->name - 1;
}

static int by_module(const void *a, const void *b, void *ctx)
{
	const struct symbol_row *rows = ctx;
	const struct symbol_row *x = &rows[*(const uint32_t *)a];
	const struct symbol_row *y = &rows[*(const uint32_t *)b];

	if (x->module != y->module)
		return x->module < y->module ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

uint32_t *symbols_order(const struct symbols *s)
{
	uint32_t *order = malloc((s->row_count ? s->row_count : 1) * sizeof(*order));

	if (!order)
		return NULL;
	for (uint32_t i = 0; i < s->row_count; i++)
		order[i] = i;
	qsort_r(order, s->row_count, sizeof(*order), by_module, s->rows);
	return order;
}

/* ------------------------------------------------------------------ life */

int symbols_create(struct symbols **ret, const struct symbols_limits *limits)
{
	struct symbols *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->limits = *limits;
	if (symbols_kernel_module(s, MODULE_KERNEL, "[kernel]") != 0 ||
	    row_room((void **)&s->maps, 0, &s->map_cap, s->limits.maps, sizeof(*s->maps))) {
		symbols_destroy(s);
		return -ENOMEM;
	}
	s->maps[s->map_count++] = (struct symbol_map_row){.end = UINT64_MAX};
	*ret = s;
	return 0;
}

void symbols_destroy(struct symbols *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->module_count; i++)
		free(s->modules[i].path);
	free(s->modules);
	free(s->maps);
	free(s->rows);
	free(s->names);
	free(s->map_index.slots);
	free(s->module_index.slots);
	free(s->row_index.slots);
	free(s);
}
