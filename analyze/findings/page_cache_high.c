/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page-cache.high: the page cache as a problem.  A large page cache is what Linux is meant to
 * have, and no finding.  It is one when it cannot be given back, when processes wait for it to be
 * given back, or when so much of it waits to be written that writers are about to be stopped.
 */
#include <stdlib.h>

#include "rules.h"

/* Less cache than this is not what memory goes to. */
#define LARGE 0.3
/* Cache counts as available; when this little is available although there is much cache, the cache
 * is locked, mapped or dirty. */
#define NOT_RECLAIMABLE_AVAILABLE 0.1
/* A burst of allocations may outrun kswapd now and then; this often it is the normal case. */
#define STALLS_PER_S 10
#define STALLS_MIN 50
/* Defaults: background writeback starts at 10 % of available memory, writers stop at 20 %. */
#define DIRTY 0.1
#define DIRTY_MIN (512 * MIB)

static bool top_files(const struct model *m, struct findings *out, struct file_words *ret)
{
	struct file_bytes *rows = calloc(m->file_count + 1, sizeof(*rows));
	size_t n = 0;
	bool any;

	if (!rows)
		return false;
	for (size_t i = 0; i < m->file_count; i++) /* largest first already */
		if (!m->files[i].shmem)
			rows[n++] =
				(struct file_bytes){&m->files[i], (double)m->files[i].cached_bytes};
	any = describe_files(out, rows, n, ret);
	free(rows);
	return any;
}

int rule_page_cache_high(const struct model *m, struct findings *out)
{
	double total = figure(m->memory_total), available = figure(m->memory_available);
	double cache = meminfo(m, "Cached") - meminfo(m, "Shmem") + meminfo(m, "Buffers");
	double dirty = meminfo(m, "Dirty") + meminfo(m, "Writeback");
	double stalls = direct_reclaims(m), window = window_s(m);
	bool large = cache >= LARGE * total;
	bool waits = large && stalls >= STALLS_MIN && stalls >= STALLS_PER_S * fmax(window, 1);
	bool stuck =
		large && available < NOT_RECLAIMABLE_AVAILABLE * total && available < cache / 3;
	bool unwritten = dirty >= fmax(DIRTY * total, DIRTY_MIN);
	struct file_words w;
	struct finding *f;
	const char *why;

	if (!(total > 0) || !(waits || stuck || unwritten))
		return 0;
	if (unwritten)
		why = arena_printf(out->arena, "%s of it wait to be written to disk",
				   size_words(out, dirty));
	else if (stuck)
		why = "most of it cannot be given back";
	else
		why = arena_printf(
			out->arena,
			"allocations had to wait for some of it to be freed %s times in %s",
			count_words(out, stalls), seconds_words(out, window));
	f = finding_add(out, "page-cache.high", SEVERITY_WARNING,
			stuck ? CONFIDENCE_MEDIUM : CONFIDENCE_HIGH,
			"The page cache holds %s of %s, and %s", size_words(out, cache),
			size_words(out, total), why);
	if (!f)
		return 0;
	f->weight = unwritten ? dirty : cache;
	finding_because(out, f, "#memory",
			"page cache and buffers are %s, %d%% of memory; %s are available",
			size_words(out, cache), percent(cache, total), size_words(out, available));
	if (unwritten)
		finding_because(out, f, "#memory",
				"%s are dirty or under writeback, %d%% of memory",
				size_words(out, dirty), percent(dirty, total));
	if (stalls > 0)
		finding_because(out, f, "#memory",
				"allocations had to reclaim memory themselves %s times in %s",
				count_words(out, stalls), seconds_words(out, window));
	if (meminfo(m, "Mlocked") >= 0.05 * total)
		finding_because(out, f, "#memory", "%s are locked in memory (mlock)",
				size_words(out, meminfo(m, "Mlocked")));
	if (m->scanned && top_files(m, out, &w))
		finding_because(out, f, "#files", "%s of it are %s; the largest: %s",
				size_words(out, w.bytes), w.phrase, w.largest);
	if (unwritten)
		finding_advice(
			out, f,
			"Find the writer and the slow disk; lower vm.dirty_background_bytes and "
			"vm.dirty_bytes so that writing starts before so much has gathered.");
	if (waits)
		finding_advice(
			out, f,
			"Raise vm.watermark_scale_factor (to 200, say), so that the kernel frees "
			"cache in the background before processes need it.");
	if (stuck)
		finding_advice(out, f,
			       "Look for programs that lock files in memory (mlock, vmtouch -l), "
			       "and at the files named here.");
	finding_advice(
		out, f,
		"Bound the group that reads or writes these files (memory.high), or delete files "
		"that are no longer needed.");
	if (stuck)
		finding_advice(out, f,
			       "Dropping caches would give little back: what is mapped, locked or "
			       "dirty stays.");
	else
		finding_advice(
			out, f,
			"sync; echo 1 > /proc/sys/vm/drop_caches frees clean cache once; it costs "
			"reads from disk afterwards and cures no cause.");
	f->wrong_if =
		"the window fell into a backup, a copy or another short burst of input and output";
	return 0;
}
