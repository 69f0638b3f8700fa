/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs at malloc() and its like (bpf/stacks_alloc.h). */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/types.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "alloc_points.h"
#include "probe.h"
#include "probe_alloc.h"
#include "stacks.skel.h"

#define PENDING 4096 /* threads that allocate at a time */
#define EACH_MAX 30  /* links of one function: each takes some 30 ms to remove */

/* linux/bpf.h of 6.6 and newer; ours may be older than the kernel it meets. */
#define UPROBE_MULTI 48
#define UPROBE_MULTI_RETURN 1u
struct multi_attr {
	__u32 prog_fd, target_fd, attach_type, flags;
	__u64 path, offsets, ref_ctr_offsets, cookies;
	__u32 count, multi_flags, pid, reserved;
};

static struct bpf_program *program_of(const struct stacks_bpf *s, enum alloc_kind kind)
{
	struct bpf_program *const programs[ALLOC_KINDS] = {
		[ALLOC_FREE] = s->progs.stacks_free,
		[ALLOC_MALLOC] = s->progs.stacks_malloc,
		[ALLOC_CALLOC] = s->progs.stacks_calloc,
		[ALLOC_REALLOC] = s->progs.stacks_realloc,
		[ALLOC_MEMALIGN] = s->progs.stacks_memalign,
		[ALLOC_POSIX_MEMALIGN] = s->progs.stacks_posix_memalign,
	};

	return programs[kind];
}

void stacks_probe_allocs_load(struct stacks_bpf *s, uint32_t blocks)
{
	for (enum alloc_kind k = 0; k <= ALLOC_KINDS; k++) {
		struct bpf_program *program =
			k == ALLOC_KINDS ? s->progs.stacks_allocated : program_of(s, k);

		bpf_program__set_autoload(program, blocks > 0);
		/* Older kernels do not look at it. */
		bpf_program__set_expected_attach_type(program, UPROBE_MULTI);
	}
	bpf_map__set_max_entries(s->maps.live, blocks ? blocks : 1);
	bpf_map__set_max_entries(s->maps.pending, blocks ? PENDING : 1);
}

static int keep(struct stacks_probe *p, struct bpf_link *link, int fd)
{
	struct stacks_alloc_link *links =
		reallocarray(p->alloc_links, p->alloc_link_count + 1, sizeof(*links));

	if (!links) {
		bpf_link__destroy(link);
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	p->alloc_links = links;
	links[p->alloc_link_count++] = (struct stacks_alloc_link){link, fd};
	return 0;
}

static void drop_last(struct stacks_probe *p)
{
	struct stacks_alloc_link *l = &p->alloc_links[--p->alloc_link_count];

	bpf_link__destroy(l->link);
	if (l->fd >= 0)
		close(l->fd);
}

void stacks_probe_drop_after(struct stacks_probe *p, size_t count)
{
	while (p->alloc_link_count > count)
		drop_last(p);
}

static int multi_link_of_root(const struct stacks_probe *p, __u32 pid)
{
	const __u64 offset = 0;
	struct multi_attr a = {.prog_fd = (__u32)bpf_program__fd(p->skel->progs.stacks_malloc),
			       .attach_type = UPROBE_MULTI,
			       .path = (uintptr_t) "/",
			       .offsets = (uintptr_t)&offset,
			       .count = 1,
			       .pid = pid};
	int fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &a, sizeof(a));

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/*
 * Does this kernel know links of several functions, and keep them to a process?  Before 6.6 it does
 * not; before 6.10 it keeps them to a thread, and what others free would be called a leak.  The
 * directory is no file to probe: EBADF, if the link is known; the correction came with a check that
 * refuses this pid earlier.
 */
static bool knows_multi(const struct stacks_probe *p)
{
	return multi_link_of_root(p, 0) == -EBADF && multi_link_of_root(p, UINT32_MAX) == -EINVAL;
}

void stacks_probe_allocs_prepare(struct stacks_probe *p, int stop_fd)
{
	p->alloc_stop_fd = stop_fd;
	p->alloc_each = !knows_multi(p);
}

/* All points of one file in one link: removed at once. */
static int attach_many(struct stacks_probe *p, pid_t pid, const char *file, const __u64 *offsets,
		       unsigned n, const struct bpf_program *program, bool at_return)
{
	struct multi_attr a = {.prog_fd = (__u32)bpf_program__fd(program),
			       .attach_type = UPROBE_MULTI,
			       .path = (uintptr_t)file,
			       .offsets = (uintptr_t)offsets,
			       .count = n,
			       .multi_flags = at_return ? UPROBE_MULTI_RETURN : 0,
			       .pid = (__u32)pid};
	int fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &a, sizeof(a));

	return fd < 0 ? -errno : keep(p, NULL, fd);
}

static int attach_each(struct stacks_probe *p, pid_t pid, const char *file, const __u64 *offsets,
		       unsigned n, const struct bpf_program *program, bool at_return)
{
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = at_return);
	int r = 0;

	for (unsigned i = 0; i < n && !r; i++) {
		struct pollfd stop = {.fd = p->alloc_stop_fd, .events = POLLIN};
		struct bpf_link *link;

		if (poll(&stop, 1, 0) > 0)
			return -ECANCELED;
		link = bpf_program__attach_uprobe_opts(program, pid, file, offsets[i], &opts);
		r = link ? keep(p, link, -1) : -errno;
	}
	return r;
}

int stacks_probe_attach_file(struct stacks_probe *p, pid_t pid, const struct alloc_point *points,
			     size_t n, size_t first, enum alloc_kind kind, bool at_return,
			     struct err *e)
{
	const struct bpf_program *program =
		at_return ? p->skel->progs.stacks_allocated : program_of(p->skel, kind);
	__u64 offsets[ALLOC_POINTS_MAX];
	unsigned count = 0;
	int r;

	for (size_t i = first; i < n; i++)
		if (!strcmp(points[i].file, points[first].file) &&
		    (at_return ? points[i].kind != ALLOC_FREE : points[i].kind == kind))
			offsets[count++] = points[i].offset;
	if (!count)
		return 0;
	r = (p->alloc_each ? attach_each : attach_many)(p, pid, points[first].file, offsets, count,
							program, at_return);
	return r < 0 ? err_set(e, -r, "uprobes at %s of pid %d: %s", points[first].name, (int)pid,
			       strerror(-r))
		     : 0;
}

static bool is_first_of_file(const struct alloc_point *points, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!strcmp(points[k].file, points[i].file))
			return false;
	return true;
}

int stacks_probe_allocs_start(struct stacks_probe *p, pid_t pid, const struct alloc_point *points,
			      size_t n, struct err *e)
{
	struct stacks_allocs none = {0};
	uint32_t key = (uint32_t)pid;
	size_t before = p->alloc_link_count, links = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		links += points[i].kind == ALLOC_FREE ? 1 : 2;
	if (p->alloc_each && before + links > EACH_MAX)
		return err_set(
			e, E2BIG,
			"uprobes in pid %d: this kernel is slow to remove them, and it would "
			"be %zu of them: no more than %d at a time",
			(int)pid, before + links, EACH_MAX);
	r = bpf_map_update_elem(bpf_map__fd(p->skel->maps.allocs), &key, &none, BPF_ANY);
	if (r < 0)
		return err_set(e, -r, "uprobes in pid %d: %s", (int)pid, strerror(-r));
	/* Who frees first, then who returns, then who allocates: nothing is seen to come and not to
	 * go. */
	for (size_t i = 0; i < n && !r; i++)
		if (is_first_of_file(points, i))
			r = stacks_probe_attach_file(p, pid, points, n, i, ALLOC_FREE, false, e);
	for (size_t i = 0; i < n && !r; i++)
		if (is_first_of_file(points, i))
			r = stacks_probe_attach_file(p, pid, points, n, i, ALLOC_FREE, true, e);
	for (size_t i = 0; i < n && !r; i++)
		for (enum alloc_kind k = ALLOC_MALLOC;
		     is_first_of_file(points, i) && k < ALLOC_KINDS && !r; k++)
			r = stacks_probe_attach_file(p, pid, points, n, i, k, false, e);
	/* Nobody would look at what they cost. */
	if (r < 0)
		stacks_probe_drop_after(p, before);
	return r;
}

void stacks_probe_allocs_stop(struct stacks_probe *p)
{
	stacks_probe_drop_after(p, 0);
	free(p->alloc_links);
	p->alloc_links = NULL;
}

int stacks_probe_allocs(const struct stacks_probe *p, uint32_t pid, struct stacks_allocs *ret)
{
	return bpf_map_lookup_elem(bpf_map__fd(p->skel->maps.allocs), &pid, ret);
}

bool stacks_probe_is_live(const struct stacks_probe *p, uint32_t pid, uint64_t address,
			  uint64_t time)
{
	struct stacks_block b = {.address = address, .pid = pid};
	struct stacks_live l;

	return !bpf_map_lookup_elem(bpf_map__fd(p->skel->maps.live), &b, &l) && l.time == time;
}
