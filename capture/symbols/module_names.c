/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cleanup.h"
#include "module_names.h"
#include "nearest.h"
#include "xz.h"

#define TABLES_MAX 5

struct source {
	const struct elf_file *file;
	const struct elf_table *table;
};

struct sources {
	struct source s[TABLES_MAX];
	size_t count;
	struct elf_file mini; /* out of .gnu_debugdata */
	uint8_t *mini_bytes;
};

static void add_source(struct sources *all, const struct elf_file *file, const struct elf_table *t)
{
	if (t->size && all->count < TABLES_MAX)
		all->s[all->count++] = (struct source){.file = file, .table = t};
}

static void gather_sources(struct sources *all, const struct elf_file *main,
			   const struct elf_file *debug)
{
	struct elf_source mini = {.fd = -1};
	size_t size;

	add_source(all, main, &main->symtab);
	if (!main->symtab.size && debug)
		add_source(all, debug, &debug->symtab);
	if (!all->count && main->debugdata_size &&
	    !xz_inflate(&main->src, main->debugdata, main->debugdata_size, &all->mini_bytes,
			&size)) {
		mini.mem = all->mini_bytes;
		mini.size = size;
		if (!elf_open(&all->mini, &mini))
			add_source(all, &all->mini, &all->mini.symtab);
	}
	/* A .symtab has all that .dynsym has, unless somebody made them differ. */
	add_source(all, main, &main->dynsym);
}

struct adding {
	struct nearest *nearest;
	uint8_t source;
};

static int add_symbol(void *ctx, const struct elf_symbol *s)
{
	struct adding *a = ctx;
	struct nearest_symbol n = {
		.value = s->value,
		.end = s->size > UINT64_MAX - s->value ? UINT64_MAX : s->value + s->size,
		.name = s->name,
		.source = a->source,
		.rank = s->rank,
	};

	nearest_add(a->nearest, &n);
	return 0;
}

struct place {
	uint64_t address;
	size_t i;
};

static int by_address(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->i < y->i ? -1 : x->i > y->i;
}

/* places: of the chunk, ascending by address. */
static int name_chunk(const struct module_names *n, const struct sources *all,
		      const struct place *places, const uint64_t *addresses, size_t count)
{
	char *name = malloc(ELF_NAME_MAX);
	struct nearest nearest;
	int r = name ? nearest_init(&nearest, addresses, count) : -ENOMEM;

	if (r) {
		free(name);
		return r;
	}
	for (size_t k = 0; k < all->count; k++) {
		struct adding a = {.nearest = &nearest, .source = (uint8_t)k};

		elf_symbols(all->s[k].file, all->s[k].table, add_symbol, &a);
	}
	nearest_settle(&nearest);
	for (size_t i = 0; i < count && !r; i++) {
		const struct nearest_symbol *s =
			places[i].address ? nearest_get(&nearest, i) : NULL;
		ssize_t len = -ENOENT;

		if (s)
			len = elf_name(all->s[s->source].file, all->s[s->source].table,
				       (uint32_t)s->name, name, ELF_NAME_MAX);
		r = n->found(n->ctx, places[i].i, places[i].address, s ? s->value : 0,
			     len > 0 ? name : NULL, len > 0 ? (size_t)len : 0);
	}
	nearest_deinit(&nearest);
	free(name);
	return r;
}

/* For each chunk: translate, order, name. */
static int in_chunks(const struct module_names *n, const struct elf_file *main,
		     const struct sources *all)
{
	size_t most = n->count < MODULE_CHUNK ? n->count : MODULE_CHUNK;
	struct place *places = calloc(most ? most : 1, sizeof(*places));
	uint64_t *addresses = calloc(most ? most : 1, sizeof(*addresses));
	int r = places && addresses ? 0 : -ENOMEM;

	for (size_t at = 0; at < n->count && !r; at += most) {
		size_t count = n->count - at < most ? n->count - at : most;

		for (size_t i = 0; i < count; i++) {
			places[i] = (struct place){.i = at + i};
			if (!elf_address(main, n->offsets[at + i], &places[i].address))
				places[i].address = 0;
		}
		qsort(places, count, sizeof(*places), by_address);
		for (size_t i = 0; i < count; i++)
			addresses[i] = places[i].address;
		r = name_chunk(n, all, places, addresses, count);
	}
	free(places);
	free(addresses);
	return r;
}

int module_names(const struct module_names *n, const struct elf_file *main,
		 const struct elf_file *debug)
{
	struct sources all = {0};
	int r;

	gather_sources(&all, main, debug);
	r = in_chunks(n, main, &all);
	free(all.mini_bytes);
	return r;
}
