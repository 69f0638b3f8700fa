/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records what each page frame of this machine is, for tests/unit/test_coverage.c:
 *
 *	page_map base|large BLOCKS > MAP
 *
 * Frames in the order of memory, in blocks of 4096: the first BLOCKS of which a sixteenth or more
 * is page cache, and of that less than an eighth (base), or a quarter or more (large), in large
 * folios.  File, directory and cgroup are small numbers in the order of appearance; no
 * name, size or content leaves the machine.  Text, one line per run of frames that are alike:
 *
 *	LENGTH FILE CGROUP STATE ORDER DIRECTORY FILESYSTEM
 *
 * or LENGTH alone when they are no page cache.  Of large folios several of one order may follow
 * each other in a run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>

#include "../../capture/kmem/decode.h"
#include "../../capture/kmem/kmem.h"

#define BLOCK 4096u
#define NUMBERS (1u << 20)

struct numbers { /* address → 1, 2, … */
	uint64_t *key;
	uint32_t *number;
	uint32_t count;
};

static uint32_t number_of(struct numbers *t, uint64_t key, bool *ret_new)
{
	uint32_t i = (uint32_t)(key * 0x9e3779b97f4a7c15ULL >> 44);

	while (t->key[i] && t->key[i] != key)
		i = (i + 1) % NUMBERS;
	*ret_new = !t->key[i];
	if (!t->key[i]) {
		t->key[i] = key;
		t->number[i] = ++t->count;
	}
	return t->number[i];
}

static void numbers_init(struct numbers *t)
{
	t->key = calloc(NUMBERS, sizeof(*t->key));
	t->number = calloc(NUMBERS, sizeof(*t->number));
	t->count = 0;
	if (!t->key || !t->number)
		exit(1);
}

struct file {
	uint32_t directory, fs;
	bool valid;
};

struct frame {
	uint32_t file, cgroup, state, order, directory, fs;
};

struct recorder {
	struct kmem_source *s;
	struct kmem_layout l;
	struct numbers files, cgroups, directories, filesystems;
	struct file *about; /* by number */
	uint64_t head;
	struct frame of_head;
};

static uint64_t word(struct recorder *r, uint64_t addr)
{
	uint64_t v = 0;

	return addr && kmem_read(r->s, addr, &v, sizeof(v)) == 0 ? v : 0;
}

static void look_at_file(struct recorder *r, uint64_t mapping, struct file *f)
{
	const struct kmem_layout *l = &r->l;
	uint64_t inode = mapping - l->inode.data.offset, alias, sb;
	bool ignored;

	if (word(r, mapping + l->mapping.host.offset) != inode)
		return;
	f->valid = true;
	sb = word(r, inode + l->inode.sb.offset);
	f->fs = number_of(&r->filesystems, sb | 1, &ignored);
	alias = word(r, inode + l->inode.dentry.offset);
	if (alias)
		alias = word(r, alias - l->dentry.alias_next.offset + l->dentry.parent.offset);
	f->directory = number_of(&r->directories, (alias ? alias : sb) | 1, &ignored);
}

static struct frame look(struct recorder *r, const unsigned char *two, uint64_t addr)
{
	const struct kmem_layout *l = &r->l;
	struct frame f = {0};
	uint64_t mapping, memcg;
	bool new;

	if (page_classify(l, two, two + l->page.size, &mapping) != KIND_MAPPED)
		return f;
	f.file = number_of(&r->files, mapping, &new);
	if (new)
		look_at_file(r, mapping, &r->about[f.file]);
	if (!r->about[f.file].valid)
		return (struct frame){0};
	f.directory = r->about[f.file].directory;
	f.fs = r->about[f.file].fs;
	f.state = page_state_bits(l, two, two + l->page.size) &
		  (STATE_ACTIVE | STATE_DIRTY | STATE_SWAPBACKED);
	memcg = field_present(l->page.memcg_data) ? page_word(two, l->page.memcg_data) : 0;
	if (memcg)
		f.cgroup = number_of(&r->cgroups, memcg | 7, &new);
	return f;
}

static struct frame frame_at(struct recorder *r, uint64_t pfn)
{
	unsigned char two[512];
	uint64_t addr = kmem_page_addr(r->s, pfn), head;

	if (2 * r->l.page.size > sizeof(two) || kmem_read(r->s, addr, two, 2 * r->l.page.size) < 0)
		return (struct frame){0};
	head = page_head(&r->l, two, addr);
	if (!head) {
		r->head = addr;
		r->of_head = look(r, two, addr);
	} else if (head != r->head) {
		if (kmem_read(r->s, head, two, 2 * r->l.page.size) < 0)
			return (struct frame){0};
		r->head = head;
		r->of_head = look(r, two, head);
	}
	return r->of_head;
}

static void put_run(const struct frame *f, uint32_t n, uint32_t folio)
{
	uint32_t order = 0;

	while (folio > 1u << order)
		order++;
	if (f->file)
		printf("%u %u %u %u %u %u %u\n", n, f->file, f->cgroup, f->state, order,
		       f->directory, f->fs);
	else
		printf("%u\n", n);
}

/* Neighbouring folios of one kind and size are one run. */
static void put_block(const struct frame *f, const uint64_t *head)
{
	uint32_t n = 0, folio = 0;
	const struct frame *run = NULL;

	for (uint32_t i = 0, len; i < BLOCK; i += len) {
		for (len = 1; i + len < BLOCK && head[i + len] == head[i];)
			len++;
		if (!f[i].file)
			len = 1;
		if (run && (memcmp(run, &f[i], sizeof(*run)) || folio != len)) {
			put_run(run, n, folio);
			n = 0;
		}
		run = &f[i];
		folio = len;
		n += len;
	}
	put_run(run, n, folio);
}

static bool wanted(const struct frame *f, const uint64_t *head, bool large)
{
	uint32_t cache = 0, in_large = 0;

	for (uint32_t i = 0; i < BLOCK; i++) {
		cache += f[i].file != 0;
		in_large += f[i].file && ((i && head[i] == head[i - 1]) ||
					  (i + 1 < BLOCK && head[i] == head[i + 1]));
	}
	return cache >= BLOCK / 16 && (large ? in_large >= cache / 4 : in_large < cache / 8);
}

int main(int argc, char **argv)
{
	unsigned long left = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	bool large = argc > 1 && !strcmp(argv[1], "large");
	struct capture_options o = {0};
	struct recorder r = {0};
	struct frame *frames = calloc(BLOCK, sizeof(*frames));
	uint64_t *head = calloc(BLOCK, sizeof(*head));
	struct sysroot root;
	struct btf *btf;
	struct err e = {0};

	numbers_init(&r.files);
	numbers_init(&r.cgroups);
	numbers_init(&r.directories);
	numbers_init(&r.filesystems);
	r.about = calloc(NUMBERS, sizeof(*r.about));
	if (!frames || !head || !r.about || sysroot_open(&root, "/", &e) < 0 ||
	    kmem_btf_open(&btf, NULL, &root, &e) < 0 || kmem_layout_init(&r.l, btf, &e) < 0 ||
	    kmem_open(&r.s, &o, &root, &r.l, &e) < 0) {
		fprintf(stderr, "page_map: %s\n", e.text);
		return 1;
	}
	for (size_t i = 0; i < r.s->range_count; i++) {
		uint64_t pfn = (r.s->ranges[i].start_pfn + BLOCK - 1) / BLOCK * BLOCK;

		for (; pfn + BLOCK <= r.s->ranges[i].end_pfn && left; pfn += BLOCK) {
			for (uint32_t k = 0; k < BLOCK; k++) {
				frames[k] = frame_at(&r, pfn + k);
				head[k] = r.head;
			}
			if (!wanted(frames, head, large))
				continue;
			put_block(frames, head);
			left--;
		}
	}
	btf__free(btf);
	kmem_close(r.s);
	return 0;
}
