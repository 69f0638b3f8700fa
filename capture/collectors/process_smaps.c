/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smaps_rollup of the largest processes, or of the one that --pid names: what of their memory is
 * huge pages, and what they share.  The kernel walks all page tables of the process for it, under
 * its mmap_lock (which it drops when somebody waits, since 5.9), so it is read of few, and not of
 * the very large ones unless asked for by name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "process_pass.h"
#include "watch.h"

#define MOST_PROCESSES 16
#define LEAST_BYTES (16ULL << 20)
/* 8 million page table entries, some 0.1 s of a CPU. */
#define LARGEST_BYTES (32ULL << 30)
#define SMAPS_CAP (8u << 10)
#define PATIENCE_NS (1000 * NSEC_PER_MSEC)
#define MAX_STUCK 3

struct smaps {
	struct pass *p;
	struct process of[MOST_PROCESSES]; /* largest first */
	size_t count;
	unsigned too_large, stuck, refused;
};

static ssize_t read_smaps(void *ctx, size_t index, char *buf, size_t cap, uint32_t *ret_mark)
{
	const struct smaps *s = ctx;
	const struct sysroot *root = s->p->c->root;
	int dir = process_open(root, s->of[index].pid);
	bool cut = false;
	ssize_t n;

	*ret_mark = 0;
	if (dir < 0)
		return dir;
	n = process_read(root, dir, "smaps_rollup", buf, cap, &cut);
	close(dir);
	return n;
}

static int put_smaps(void *ctx, size_t index, const char *data, size_t len, int no, uint32_t mark)
{
	struct smaps *s = ctx;
	struct pass *p = s->p;

	(void)mark;
	if (gather_expired(&p->clock))
		return -ETIME;
	if (process_is_gone(no)) /* or a kernel before 4.14, which has no such file */
		return 0;
	s->stuck += no == ETIMEDOUT || no == ECHILD;
	s->refused += no == EACCES || no == EPERM;
	return pack_data(p->c->out, process_entry(p, s->of[index].pid, "smaps_rollup"), data, len,
			 no);
}

static void choose(struct smaps *s, const struct process_list *list)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	bool named = s->p->c->options->pid > 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct process *process = &list->p[i];
		size_t at = s->count;

		if (process->kernel_thread || (!named && process->rss_pages < LEAST_BYTES / page))
			continue;
		if (!named && process->rss_pages > LARGEST_BYTES / page) {
			s->too_large++;
			continue;
		}
		while (at && s->of[at - 1].rss_pages < process->rss_pages)
			at--;
		if (at == MOST_PROCESSES)
			continue;
		if (s->count < MOST_PROCESSES)
			s->count++;
		for (size_t k = s->count - 1; k > at; k--)
			s->of[k] = s->of[k - 1];
		s->of[at] = *process;
	}
}

int pass_smaps(struct pass *p, const struct process_list *list)
{
	struct smaps s = {.p = p};
	struct watch_outcome o = {0};
	struct watch w = {
		.read = read_smaps,
		.sink = put_smaps,
		.ctx = &s,
		.cap = SMAPS_CAP,
		.patience_ns = PATIENCE_NS,
		.max_stuck = MAX_STUCK,
		.keep = &p->c->root->proc_fd,
		.keep_count = 1,
	};
	int r;

	choose(&s, list);
	w.count = s.count;
	if (!s.count || gather_expired(&p->clock))
		return 0;
	r = gather_pack_open(p->c, "raw/processes");
	if (r < 0)
		return r;
	r = watch_each(&w, &o);
	if (r < 0 && r != -ETIME)
		emit_note(p->c->out, "smaps_rollup could not be read: %s", strerror(-r));
	if (o.abandoned)
		p->abandoned = o.abandoned;
	if (s.stuck)
		emit_note(p->c->out, "smaps_rollup of %u processes gave no answer", s.stuck);
	if (s.refused)
		emit_note(p->c->out, "smaps_rollup of %u processes could not be read (needs root)",
			  s.refused);
	if (s.too_large)
		emit_note(p->c->out,
			  "smaps_rollup of %u processes above 32 GiB was not read; --pid reads it",
			  s.too_large);
	r = member_close(p->c->out, false);
	return r < 0 ? r : pass_maps(p, s.of, s.count);
}
