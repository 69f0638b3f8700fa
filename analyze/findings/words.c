/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "../../capture/base/cleanup.h"
#include "../../capture/base/units.h"
#include "rules.h"

double vmstat_delta(const struct model *m, const char *key)
{
	uint64_t first = facts_counter_first(m->facts, "vmstat", key);
	uint64_t last = facts_counter(m->facts, "vmstat", key);

	if (first == FACT_NONE || last == FACT_NONE || last < first)
		return FACT_NONE_F;
	return (double)(last - first);
}

/* One counter until 4.9, one for each zone since (mm/vmscan.c, ALLOCSTALL). */
double direct_reclaims(const struct model *m)
{
	static const char *const keys[] = {
		"allocstall",	   "allocstall_dma",	 "allocstall_dma32", "allocstall_normal",
		"allocstall_high", "allocstall_movable", "allocstall_device"};
	double sum = FACT_NONE_F;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		double d = vmstat_delta(m, keys[i]);

		if (!isnan(d))
			sum = isnan(sum) ? d : sum + d;
	}
	return sum;
}

double room_left(const struct model *m)
{
	double arc = figure(facts_counter(m->facts, "arcstats", "size"));
	double least = figure(facts_counter(m->facts, "arcstats", "c_min"));
	bool more = arc > least && arc <= figure(m->memory_total);

	return figure(m->memory_available) + (more ? arc - least : 0);
}

double window_s(const struct model *m)
{
	return m->facts->archive.count ? m->facts->archive.rows[0].window_s : FACT_NONE_F;
}

const char *size_words(struct findings *out, double bytes)
{
	char text[16];

	if (isnan(bytes))
		return "an unknown amount";
	if (bytes < 0)
		bytes = 0;
	if (bytes >= 18e18)
		bytes = 18e18;
	return arena_printf(out->arena, "%s", format_size((uint64_t)bytes, text));
}

const char *seconds_words(struct findings *out, double s)
{
	char text[24];

	if (!(s >= 0))
		return "the window";
	return arena_printf(out->arena, "%s",
			    format_duration((uint64_t)(fmin(s, 1e9) * 1e9), text));
}

/* With commas, as people write large numbers in English. */
const char *count_words(struct findings *out, double n)
{
	char digits[32], text[48];
	size_t len, at = 0;

	snprintf(digits, sizeof(digits), "%.0f", fmin(fmax(n, 0), 1e18));
	len = strlen(digits);
	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = digits[i];
	}
	return arena_strndup(out->arena, text, at);
}

int percent(double bytes, double total)
{
	if (!(total > 0) || !(bytes > 0))
		return 0;
	return (int)fmin(bytes / total * 100 + 0.5, 9999);
}

const char *cgroup_words(struct findings *out, const struct model_cgroup *g)
{
	return arena_printf(out->arena, "%s %s",
			    g->container ? "container"
			    : g->pod	 ? "pod"
					 : "cgroup",
			    g->name);
}

void scope_cgroup(struct findings *out, struct finding *f, const struct model_cgroup *g)
{
	finding_scope(out, f, g->pod && !g->container ? "pod" : "cgroup", g->path);
}

const char *shell_word(struct findings *out, const char *path, const char *placeholder)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/@:+-";
	size_t quotes = 0, len = strlen(path), at = 0;
	char *text;

	if (path[0] != '/')
		return placeholder;
	if (path[strspn(path, plain)] == '\0')
		return path;
	for (size_t i = 0; i < len; i++) {
		if (path[i] < ' ' || path[i] > '~')
			return placeholder;
		quotes += path[i] == '\'';
	}
	text = arena_alloc(out->arena, len + quotes * 3 + 3);
	if (!text)
		return placeholder;
	text[at++] = '\'';
	for (size_t i = 0; i < len; i++) {
		/* Close, an escaped one, open again. */
		for (const char *q = path[i] == '\'' ? "'\\'" : ""; *q; q++)
			text[at++] = *q;
		text[at++] = path[i];
	}
	text[at] = '\'';
	return text;
}

bool path_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	while (len && dir[len - 1] == '/')
		len--;
	return !strncmp(path, dir, len) && (path[len] == '/' || path[len] == '\0');
}

/* ------------------------------------------------------------------ files */

/* These few files are meant: the largest that together make up this share of the list … */
#define MEANT_SHARE 0.8
/* … but no more than this many are looked at for their common directory. */
#define MEANT_MAX 1000
#define LARGEST_SHOWN 3

static const char *shown(const struct model_file *file, bool inside)
{
	return inside ? file->container_path : file->path;
}

static size_t common_directory(const char *a, size_t len, const char *b)
{
	size_t same = 0, n = 0;

	while (n < len && a[n] == b[n]) {
		n++;
		if (a[n - 1] == '/')
			same = n - 1;
	}
	if (n == len && (b[n] == '/' || b[n] == '\0'))
		same = n;
	return same;
}

static bool is_log(const char *path)
{
	const char *base = strrchr(path, '/'), *dot = base ? strstr(base, ".log") : NULL;

	return (dot && (dot[4] == '\0' || dot[4] == '.' || dot[4] == '-')) ||
	       strstr(path, "/log/") || strstr(path, "/logs/");
}

static const char *number_words(struct findings *out, size_t n)
{
	static const char *const words[] = {"no",  "one",   "two",   "three", "four", "five",
					    "six", "seven", "eight", "nine",  "ten"};

	return n < ARRAY_SIZE(words) ? words[n] : count_words(out, (double)n);
}

bool describe_files(struct findings *out, const struct file_bytes *rows, size_t count,
		    struct file_words *ret)
{
	struct file_words w = {.logs = true, .largest = ""};
	double all = 0;
	bool inside = true;
	size_t dir;

	for (size_t i = 0; i < count; i++)
		all += rows[i].bytes;
	if (!(all > 0))
		return false;
	while (w.files < count && w.files < MEANT_MAX && w.bytes < MEANT_SHARE * all) {
		w.bytes += rows[w.files].bytes;
		w.logs = w.logs && is_log(rows[w.files].file->path);
		inside = inside && rows[w.files].file->container_path;
		w.files++;
	}
	const char *first = shown(rows[0].file, inside), *slash = strrchr(first, '/');

	dir = slash ? (size_t)(slash - first) : 0;
	for (size_t i = 1; i < w.files && dir; i++)
		dir = common_directory(first, dir, shown(rows[i].file, inside));
	/* "[mnt:4026532000]" alone is no directory. */
	if (dir && !memchr(first, '/', dir))
		dir = 0;
	if (dir)
		w.directory = arena_strndup(out->arena, first, dir);
	if (w.files == 1)
		w.phrase = arena_printf(out->arena, "the %sfile %s", w.logs ? "log " : "", first);
	else
		w.phrase = arena_printf(out->arena, "%s %sfiles%s%s", number_words(out, w.files),
					w.logs ? "log " : "", dir ? " under " : "",
					dir ? w.directory : "");
	for (size_t i = 0; i < w.files && i < LARGEST_SHOWN; i++)
		w.largest = arena_printf(out->arena, "%s%s%s (%s)", w.largest, i ? ", " : "",
					 rows[i].file->path, size_words(out, rows[i].bytes));
	*ret = w;
	return true;
}

static int by_file(const void *a, const void *b)
{
	const struct file_bytes *x = a, *y = b;

	return (x->file > y->file) - (x->file < y->file);
}

static int largest_first(const void *a, const void *b)
{
	const struct file_bytes *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return by_file(a, b);
}

static int tree_files(const struct model *m, const struct model_cgroup *g, bool active,
		      struct file_bytes **ret, size_t *ret_count)
{
	struct file_bytes *rows;
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < m->cgroup_count; i++)
		if (&m->cgroups[i] == g ||
		    (!m->cgroups[i].dying && path_below(m->cgroups[i].path, g->path)))
			n += m->cgroups[i].file_count;
	rows = calloc(n + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < m->cgroup_count; i++) {
		const struct model_cgroup *c = &m->cgroups[i];

		if (c != g && (c->dying || !path_below(c->path, g->path)))
			continue;
		for (size_t k = 0; k < c->file_count; k++) {
			double bytes = active ? c->files[k].active : c->files[k].bytes.bytes;

			if (!c->files[k].file->shmem && bytes > 0)
				rows[n++] = (struct file_bytes){c->files[k].file, bytes};
		}
	}
	if (n)
		qsort(rows, n, sizeof(*rows), by_file);
	for (size_t i = 0; i < n; i++) {
		if (kept && rows[kept - 1].file == rows[i].file)
			rows[kept - 1].bytes += rows[i].bytes;
		else
			rows[kept++] = rows[i];
	}
	if (kept)
		qsort(rows, kept, sizeof(*rows), largest_first);
	*ret = rows;
	*ret_count = kept;
	return 0;
}

int files_of_tree(const struct model *m, const struct model_cgroup *g, struct file_bytes **ret,
		  size_t *ret_count)
{
	return tree_files(m, g, false, ret, ret_count);
}

int active_files_of_tree(const struct model *m, const struct model_cgroup *g,
			 struct file_bytes **ret, size_t *ret_count)
{
	return tree_files(m, g, true, ret, ret_count);
}

/* ------------------------------------------------------------------ groups */

double group_fixed(const struct fact_cgroup *c)
{
	double shmem = figure(c->shmem_bytes), slab = figure(c->slab_reclaimable_bytes);

	return figure(c->usage_bytes) - (figure(c->file_bytes) - (isnan(shmem) ? 0 : shmem)) -
	       (isnan(slab) ? 0 : slab);
}

double group_delta(uint64_t first, uint64_t last)
{
	if (first == FACT_NONE || last == FACT_NONE || last < first)
		return FACT_NONE_F;
	return (double)(last - first);
}

void group_in_kubernetes(const struct model *m, struct findings *out, struct finding *f,
			 const struct model_cgroup *g)
{
	if (!g->qos)
		return;
	finding_because(
		out, f, "#cgroups",
		"Kubernetes: QoS class %s%s%s; at the limit the kernel kills inside the container "
		"and the kubelet restarts it (OOMKilled), it does not evict for that; it evicts "
		"when memory.available of the node, now %s, falls below its threshold (100 MiB "
		"unless configured)",
		g->qos, g->request_bytes != FACT_NONE ? ", request about " : "",
		g->request_bytes != FACT_NONE ? size_words(out, (double)g->request_bytes) : "",
		size_words(out, m->kubelet_available));
}
