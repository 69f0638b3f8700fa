/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reclaim stalls by process and memory cgroup, and how long kswapd was at it.  These are few and
 * long beside what counting them costs: they are watched all the time.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/types.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../bpf/reclaim.h"
#include "../base/cleanup.h"
#include "bpf_probe.h"
#include "delay_run.h"
#include "gather.h"
#include "hierarchy.h"
#include "reclaim.skel.h"

/* include/linux/exportfs.h; a handle of a cgroup is its 64-bit id (fs/kernfs/mount.c). */
#define FILEID_KERNFS 0xfe

struct reclaim_state {
	struct delay_run run; /* the first member */
	struct reclaim_bpf *skel;
	struct hierarchy hierarchies[HIERARCHIES_MAX];
	size_t hierarchy_count;
};

static void reclaim_probe(const struct capture_options *o, const struct sysroot *root,
			  struct probe_result *ret)
{
	bpf_probe_ask(o, root, ret);
}

/* Stalls that go on when the window ends: perhaps the very reason it was captured for. */
static void unfinished(struct delay_run *r, uint64_t start_ns, uint64_t end_ns)
{
	struct bpf_map *map = bpf_object__find_map_by_name(r->object, "begun");
	uint32_t key, next, *at = NULL;

	while (bpf_map_get_next_key(bpf_map__fd(map), at, &next) == 0) {
		struct reclaim_begun b;

		key = next;
		at = &key;
		if (bpf_map_lookup_elem(bpf_map__fd(map), &key, &b) < 0 || b.start_ns < start_ns ||
		    b.start_ns >= end_ns)
			continue;
		struct delay_key k = {.tgid = b.tgid, .kind = b.kind, .scope = b.scope};
		struct delay_value v = {.count = 1, .cut = 1, .ns = end_ns - b.start_ns};
		char path[48];

		v.max_ns = v.ns;
		snprintf(path, sizeof(path), "proc/%u/comm", b.tgid);
		if (gather_read(r->c->root, path, (char *)v.comm, sizeof(v.comm), NULL) > 0)
			v.comm[strcspn((char *)v.comm, "\n")] = '\0';
		else
			v.comm[0] = '\0';
		delay_sums_add(&r->maps[0].sums, &k, &v,
			       &(struct delay_slice){.stratum_ns = 1, .slice_ns = 1});
	}
}

static struct bpf_object_skeleton *open_skeleton(void *run, const struct bpf_object_open_opts *opts)
{
	struct reclaim_state *s = run;

	s->skel = reclaim_bpf__open_opts(opts);
	return s->skel ? s->skel->skeleton : NULL;
}

static int loaded(struct delay_run *r, struct err *e)
{
	struct reclaim_state *s = (struct reclaim_state *)r;

	r->window = &s->skel->bss->window;
	s->hierarchy_count = hierarchies_find(r->c->root, s->hierarchies);
	return 0;
}

static int reclaim_start(struct collect *c)
{
	static const struct delay_probe probe = {
		.name = "reclaim",
		.state_size = sizeof(struct reclaim_state),
		.open = open_skeleton,
		.loaded = loaded,
		.unfinished = unfinished,
	};

	return delay_run_start(c, &probe);
}

/* The path of a group by its id: below h's mount, as the kernel has it.  false: it is gone, or it
 * is not of this hierarchy. */
static bool group_path(const struct collect *c, const struct hierarchy *h, uint64_t id, char *out,
		       size_t cap)
{
	struct {
		struct file_handle handle;
		uint64_t id;
	} f = {.handle = {.handle_bytes = 8, .handle_type = FILEID_KERNFS}, .id = id};
	char link[64], path[PATH_MAX], mount[sizeof(h->mount) + 1];
	_cleanup_fd_ int dir = gather_open(c->root, h->mount, O_DIRECTORY);
	_cleanup_fd_ int fd = -1;
	size_t skip;
	ssize_t n;

	if (dir < 0)
		return false;
	memcpy(f.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(dir, &f.handle, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return false;
	snprintf(link, sizeof(link), "self/fd/%d", fd);
	n = readlinkat(c->root->proc_fd, link, path, sizeof(path) - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	skip = (size_t)snprintf(mount, sizeof(mount), "/%s", h->mount);
	if (strncmp(path, mount, skip) != 0 || (path[skip] && path[skip] != '/'))
		return false;
	if (n > 10 && !strcmp(path + n - 10, " (deleted)"))
		path[n - 10] = '\0';
	struct sbuf b = {.p = out, .cap = cap};

	sbuf_reset(&b);
	sbuf_puts(&b, h->prefix);
	sbuf_puts(&b, path[skip] ? path + skip : h->prefix[0] ? "" : "/");
	if (b.truncated)
		out[0] = '\0';
	return !b.truncated;
}

static void reclaim_words(const struct delay_run *r, const void *key, struct delay_words *ret)
{
	static const char *const kinds[] = {"direct", "memcg", "kswapd"};
	const struct reclaim_state *s = (const struct reclaim_state *)r;
	const struct delay_key *k = key;

	snprintf(ret->kind, sizeof(ret->kind), "%s", k->kind < 3 ? kinds[k->kind] : "other");
	if (k->kind == RECLAIM_KSWAPD) {
		snprintf(ret->object, sizeof(ret->object), "node%llu",
			 (unsigned long long)k->scope);
		return;
	}
	for (size_t i = 0; i < s->hierarchy_count && k->scope; i++)
		if (group_path(r->c, &s->hierarchies[i], k->scope, ret->object,
			       sizeof(ret->object)))
			return;
}

static int reclaim_write(struct collect *c)
{
	return delay_write(c->state, reclaim_words);
}

const struct collector collector_reclaim = {
	.name = "reclaim",
	.summary = "who stops to free memory, how often and how long; kswapd",
	.needs = "CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN; kernel BTF",
	.timed = true,
	.memory_share = 4,
	.memory_least_kib = 2304,
	.loads_types = true,
	.probe = reclaim_probe,
	.start = reclaim_start,
	.write = reclaim_write,
};
