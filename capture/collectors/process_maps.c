/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who maps shared memory: of the largest processes the lines of maps that are shared mappings of
 * files without a block device behind them (tmpfs, memfd, System V), as the kernel has them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "process_pass.h"
#include "watch.h"

#define MAPS_CAP (48u << 10)
#define PATIENCE_NS (500 * NSEC_PER_MSEC)
#define MAX_STUCK 3

struct maps {
	struct pass *p;
	const struct process *of;
	size_t count;
	unsigned cut;
};

/* "START-END PERMS OFFSET MAJOR:MINOR INODE PATH": shared, and of device 0:x. */
static bool is_shared_memory(const char *line)
{
	const char *perms = strchr(line, ' '), *offset = perms ? strchr(perms + 1, ' ') : NULL;
	const char *dev = offset ? strchr(offset + 1, ' ') : NULL;

	return dev && offset - perms == 5 && perms[4] == 's' && !strncmp(dev + 1, "00:", 3);
}

static ssize_t read_maps(void *ctx, size_t index, char *buf, size_t cap, uint32_t *ret_mark)
{
	const struct maps *m = ctx;
	_cleanup_fd_ int dir = process_open(m->p->c->root, m->of[index].pid);
	_cleanup_file_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	size_t room = 0, len = 0;
	ssize_t n;
	int fd;

	*ret_mark = 0;
	if (dir < 0)
		return dir;
	fd = gather_openat(m->p->c->root, dir, "maps", O_NOFOLLOW);
	if (fd < 0)
		return fd;
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	while ((n = getline(&line, &room, file)) > 0) {
		if (!is_shared_memory(line))
			continue;
		if ((size_t)n > cap - len) {
			*ret_mark = 1;
			break;
		}
		memcpy(buf + len, line, (size_t)n);
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static int put_maps(void *ctx, size_t index, const char *data, size_t len, int no, uint32_t mark)
{
	struct maps *m = ctx;
	struct pass *p = m->p;

	if (gather_expired(&p->clock))
		return -ETIME;
	m->cut += mark;
	if (process_is_gone(no) || (!no && !len))
		return 0;
	return pack_data(p->c->out, process_entry(p, m->of[index].pid, "maps"), data, len,
			 no	? no
			 : mark ? EFBIG
				: 0);
}

int pass_maps(struct pass *p, const struct process *of, size_t count)
{
	struct maps m = {.p = p, .of = of, .count = count};
	struct watch_outcome o = {0};
	const struct watch w = {
		.read = read_maps,
		.sink = put_maps,
		.ctx = &m,
		.count = count,
		.cap = MAPS_CAP,
		.patience_ns = PATIENCE_NS,
		.max_stuck = MAX_STUCK,
		.keep = &p->c->root->proc_fd,
		.keep_count = 1,
	};
	int r;

	if (gather_expired(&p->clock))
		return 0;
	r = gather_pack_open(p->c, "raw/shm_maps");
	if (r < 0)
		return r;
	r = watch_each(&w, &o);
	if (r < 0 && r != -ETIME)
		emit_note(p->c->out, "maps could not be read: %s", strerror(-r));
	if (o.abandoned)
		p->abandoned = o.abandoned;
	if (m.cut)
		emit_note(p->c->out, "shared mappings of %u processes are not all there", m.cut);
	return member_close(p->c->out, false);
}
