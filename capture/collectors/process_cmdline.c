/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command lines.  Reading one takes the mmap_lock of its process, and may wait for it for as long
 * as that process is stuck in the kernel: a helper process reads them, and can be left behind.
 */
#include <errno.h>
#include <stdlib.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../redact.h"
#include "process_pass.h"
#include "watch.h"

#define CMDLINE_CAP (32u << 10) /* read; the kernel's own bound is 128 KiB and more */
#define CMDLINE_OUT (48u << 10) /* after redaction, which may lengthen it */
#define PATIENCE_NS (500 * NSEC_PER_MSEC)
#define MAX_STUCK 8
#define MARK_CUT (1u << 31)

struct cmdlines {
	struct pass *p;
	struct process_list *list;
	uint32_t *todo; /* indexes into list */
	size_t count;
};

static ssize_t read_cmdline(void *ctx, size_t index, char *buf, size_t cap, uint32_t *ret_mark)
{
	struct cmdlines *l = ctx;
	const struct collect *c = l->p->c;
	_cleanup_fd_ int dir = process_open(c->root, l->list->p[l->todo[index]].pid);
	uint64_t count = 0;
	bool cut = false;
	ssize_t n;

	if (dir < 0)
		return dir;
	n = process_read(c->root, dir, "cmdline", buf, CMDLINE_CAP, &cut);
	if (n > 0 && c->redactor)
		n = (ssize_t)redact_cmdline(c->redactor, buf, (size_t)n, cap, &count);
	*ret_mark = (uint32_t)(count < MARK_CUT ? count : MARK_CUT - 1) | (cut ? MARK_CUT : 0);
	return n;
}

static int put_cmdline(void *ctx, size_t index, const char *data, size_t len, int no, uint32_t mark)
{
	struct cmdlines *l = ctx;
	struct pass *p = l->p;
	struct process *process = &l->list->p[l->todo[index]];

	if (gather_expired(&p->clock))
		return -ETIME;
	/* Also when it did not answer: asking again at the end would cost the same again. */
	process->has_cmdline = true;
	if (process_is_gone(no))
		return 0;
	if (no == ETIMEDOUT || no == ECHILD) {
		if (p->stuck_count < ARRAY_SIZE(p->stuck))
			p->stuck[p->stuck_count++] = process->pid;
	} else if (no) {
		p->cmdlines_refused++;
	}
	p->redacted += mark & ~MARK_CUT;
	return pack_data(p->c->out, process_entry(p, process->pid, "cmdline"), data, len,
			 no		   ? no
			 : mark & MARK_CUT ? EFBIG
					   : 0);
}

static long read_all(struct cmdlines *l)
{
	struct pass *p = l->p;
	struct watch_outcome o = {0};
	const struct watch w = {
		.read = read_cmdline,
		.sink = put_cmdline,
		.ctx = l,
		.count = l->count,
		.cap = CMDLINE_OUT,
		.patience_ns = PATIENCE_NS,
		.max_stuck = MAX_STUCK,
		.keep = &p->c->root->proc_fd,
		.keep_count = 1,
	};
	int r = gather_pack_open(p->c, "raw/processes");

	if (r < 0)
		return r;
	r = watch_each(&w, &o);
	if (o.abandoned)
		p->abandoned = o.abandoned;
	/* A helper that cannot be had costs the command lines, not the collector. */
	if (r < 0 && r != -ETIME)
		p->cmdline_error = r;
	r = member_close(p->c->out, o.done < l->count);
	return r < 0 ? r : (long)(l->count - o.done);
}

long pass_cmdlines(struct pass *p, struct process_list *list)
{
	struct cmdlines l = {.p = p, .list = list};
	long r = 0;

	l.todo = calloc(list->count + 1, sizeof(*l.todo));
	if (!l.todo)
		return -ENOMEM;
	for (size_t i = 0; i < list->count; i++)
		if (!list->p[i].has_cmdline && !list->p[i].kernel_thread)
			l.todo[l.count++] = (uint32_t)i;
	if (gather_expired(&p->clock))
		r = (long)l.count;
	else if (l.count)
		r = read_all(&l);
	free(l.todo);
	return r;
}
