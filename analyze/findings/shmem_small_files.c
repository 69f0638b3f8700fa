/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shmem.small-files: thousands of small files in one directory of a tmpfs hold considerable
 * memory.  None of them is large enough for a ranking of files, and programs that forget to delete
 * them leak memory that no process owns.
 */
#include <errno.h>
#include <stdlib.h>

#include "../lookup.h"
#include "rules.h"

/* Fewer are what a program may well keep on purpose. */
#define MANY 2000
#define SMALL_MEAN MIB
/* Considerable: 2 % of memory, not less than what is worth a look, not more than 1 GiB. */
#define SHARE 0.02
#define LEAST (64 * MIB)
#define MOST (1 * GIB)
/* Deeper trees are rolled up no further. */
#define MAX_DEPTH 16
/* A real machine has one or two; a hostile archive must not make this quadratic. */
#define MAX_FOUND 256

struct tree { /* a directory with all below it */
	const char *path;
	size_t len;
	double files, bytes, largest, deleted;
	bool found, below_found;
};

static bool leaks(const struct model *m, double files, double bytes)
{
	double total = figure(m->memory_total);
	double least = isnan(total) ? MOST : fmin(MOST, fmax(LEAST, SHARE * total));

	return files >= MANY && bytes >= least && bytes <= files * SMALL_MEAN;
}

static void report(const struct model *m, struct findings *out, const struct tree *t)
{
	const char *path = arena_strndup(out->arena, t->path, t->len);
	struct finding *f = finding_add(out, "shmem.small-files", SEVERITY_WARNING,
					m->scan_exact ? CONFIDENCE_HIGH : CONFIDENCE_MEDIUM,
					"%s%s small files under %s hold %s of memory",
					m->scan_exact ? "" : "About ", count_words(out, t->files),
					path, size_words(out, t->bytes));

	if (!f)
		return;
	f->weight = t->bytes;
	finding_scope(out, f, "directory", path);
	finding_because(out, f, "#shared-memory",
			"%s holds %s in %s files of %s on average; the largest has %s", path,
			size_words(out, t->bytes), count_words(out, t->files),
			size_words(out, t->bytes / t->files), size_words(out, t->largest));
	finding_because(out, f, "#memory",
			"all shared memory is %s; it cannot be reclaimed, only swapped",
			size_words(out, meminfo(m, "Shmem")));
	if (t->deleted >= 1)
		finding_because(out, f, "#shared-memory",
				"%s of the files found are deleted but still open",
				count_words(out, t->deleted));
	if (!m->scan_exact)
		finding_because(out, f, "#shared-memory",
				"number and bytes are estimates: the scan was a sample");
	finding_advice(
		out, f,
		"Find the program that writes there and let it delete what it is done with; "
		"until then delete old files, for example: find %s -type f -mmin +60 -delete",
		shell_word(out, path, "DIRECTORY"));
	finding_advice(
		out, f,
		"Bound the file system: mount -o remount,size=… limits the bytes, nr_inodes=… "
		"the number of files.");
	f->wrong_if = "the files are a cache that the program bounds by itself";
}

/* Every directory and its ancestors; "/" and labels are nobody's directory. */
static int grow(struct lookup *ix, struct tree *trees, size_t *count, size_t max,
		const struct model_directory *d)
{
	size_t len = strlen(d->path);

	for (unsigned depth = 0; len > 1 && memchr(d->path, '/', len) && depth < MAX_DEPTH;
	     depth++) {
		uint32_t *v = lookup_put(ix, 0, 0, d->path, len);

		if (!v)
			return -ENOMEM;
		if (!*v) {
			if (*count == max)
				return 0;
			trees[*count] = (struct tree){.path = d->path, .len = len};
			*v = (uint32_t)++ * count;
		}
		struct tree *t = &trees[*v - 1];

		t->files += (double)d->files;
		t->bytes += (double)d->bytes;
		t->deleted += (double)d->deleted;
		t->largest = fmax(t->largest, (double)d->largest_bytes);
		while (len && d->path[len - 1] != '/')
			len--;
		len -= len > 0;
	}
	return 0;
}

static int deepest_first(const void *a, const void *b)
{
	const struct tree *x = a, *y = b;

	if (x->len != y->len)
		return x->len > y->len ? -1 : 1;
	return memcmp(x->path, y->path, x->len);
}

static int by_bytes(const void *a, const void *b)
{
	const struct tree *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return deepest_first(a, b);
}

static int judge(const struct model *m, struct findings *out, struct tree *trees, size_t max,
		 struct arena *scratch)
{
	size_t count = 0, found = 0;
	struct lookup ix;

	if (lookup_init(&ix, scratch, max))
		return -ENOMEM;
	for (size_t i = 0; i < m->shm_directory_count; i++)
		if (strchr(m->shm_directories[i].path, '/') &&
		    grow(&ix, trees, &count, max, &m->shm_directories[i]) < 0)
			return -ENOMEM;
	/* The deepest directories that are a finding of their own; of their ancestors nothing is
	 * said, since what those have besides is less. */
	if (count)
		qsort(trees, count, sizeof(*trees), deepest_first);
	for (size_t i = 0; i < count && found < MAX_FOUND; i++) {
		for (size_t k = 0; k < found && !trees[i].below_found; k++)
			trees[i].below_found = trees[k].len > trees[i].len &&
					       trees[k].path[trees[i].len] == '/' &&
					       !memcmp(trees[k].path, trees[i].path, trees[i].len);
		if (trees[i].below_found || !leaks(m, trees[i].files, trees[i].bytes))
			continue;
		/* The findings gather in front, among the rows that were looked at already. */
		struct tree t = trees[i];

		trees[i] = trees[found];
		trees[found++] = t;
	}
	if (found)
		qsort(trees, found, sizeof(*trees), by_bytes);
	for (size_t i = 0; i < found && i < MAX_PER_RULE; i++)
		report(m, out, &trees[i]);
	return 0;
}

int rule_shmem_small_files(const struct model *m, struct findings *out)
{
	struct arena *scratch = NULL;
	struct tree *trees;
	size_t max = 0;
	int r = -ENOMEM;

	for (size_t i = 0; i < m->shm_directory_count; i++) {
		const char *s = m->shm_directories[i].path;

		for (unsigned n = 0; *s && n < MAX_DEPTH; s++)
			if (*s == '/') {
				n++;
				max++;
			}
	}
	trees = calloc(max + 1, sizeof(*trees));
	if (trees && arena_create(&scratch, (max + 16) * 16 * sizeof(struct lookup_slot)) == 0)
		r = judge(m, out, trees, max, scratch);
	arena_destroy(scratch);
	free(trees);
	return r;
}
