/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BPF maps: all there are, by their ids, with what fdinfo says they take (memlock: before 5.11 what
 * was charged, since 6.4 what the map says of itself, between them a footprint by its sizes) and
 * where it lies, which follows from the type.  Who holds one holds it by a descriptor of the map,
 * or of a program or a link that uses it; or it is pinned, or a program that is attached keeps it.
 * Source: kernel/bpf/syscall.c, bpf_map_show_fdinfo()
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "object_walk.h"

#define MAX_PROG_MAPS 64u
#define PIN_DEPTH 6
#define PIN_MAX 20000u
#define BPFFS "sys/fs/bpf"

/* include/uapi/linux/bpf.h, for those that our own headers may be too old to name. */
enum {
	TYPE_PERCPU_HASH = 5,
	TYPE_PERCPU_ARRAY = 6,
	TYPE_LRU_PERCPU_HASH = 10,
	TYPE_LPM_TRIE = 11,
	TYPE_PERCPU_CGROUP_STORAGE = 21,
	TYPE_RINGBUF = 27,
	TYPE_USER_RINGBUF = 31,
	TYPE_ARENA = 33,
};

static const char *const type_names[] = {
	"unspec",
	"hash",
	"array",
	"prog_array",
	"perf_event_array",
	"percpu_hash",
	"percpu_array",
	"stack_trace",
	"cgroup_array",
	"lru_hash",
	"lru_percpu_hash",
	"lpm_trie",
	"array_of_maps",
	"hash_of_maps",
	"devmap",
	"sockmap",
	"cpumap",
	"xskmap",
	"sockhash",
	"cgroup_storage",
	"reuseport_sockarray",
	"percpu_cgroup_storage",
	"queue",
	"stack",
	"sk_storage",
	"devmap_hash",
	"struct_ops",
	"ringbuf",
	"inode_storage",
	"task_storage",
	"bloom_filter",
	"user_ringbuf",
	"cgrp_storage",
	"arena",
};

static long bpf(int cmd, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : r;
}

static long next_id(int cmd, uint32_t *id)
{
	union bpf_attr attr = {.start_id = *id};
	long r = bpf(cmd, &attr);

	if (r == 0)
		*id = attr.next_id;
	return r;
}

static int open_id(int cmd, uint32_t id)
{
	union bpf_attr attr = {.map_id = id}; /* the same place as prog_id */

	if (cmd == BPF_MAP_GET_FD_BY_ID)
		attr.open_flags = BPF_F_RDONLY;
	return (int)bpf(cmd, &attr);
}

static long info(int fd, void *ret, uint32_t size)
{
	union bpf_attr attr = {.info = {.bpf_fd = (uint32_t)fd,
					.info_len = size,
					.info = (uint64_t)(uintptr_t)ret}};

	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

/* A number of fdinfo, of a descriptor of ours. */
static uint64_t fdinfo(const struct object_walk *w, int fd, const char *key)
{
	unsigned long long v;
	char path[64], text[2048];

	snprintf(path, sizeof(path), "self/fdinfo/%d", fd);
	if (read_file_at(w->c->root->proc_fd, path, text, sizeof(text)) < 0 ||
	    find_key_u64(text, key, &v) < 0)
		return OBJECT_NONE;
	return v;
}

static enum object_memory where(uint32_t type, uint64_t flags, uint64_t bytes)
{
	switch (type) {
	case TYPE_PERCPU_HASH:
	case TYPE_PERCPU_ARRAY:
	case TYPE_LRU_PERCPU_HASH:
	case TYPE_PERCPU_CGROUP_STORAGE:
		return MEMORY_PERCPU;
	case TYPE_RINGBUF:
	case TYPE_USER_RINGBUF:
	case TYPE_ARENA:
		return MEMORY_PAGES;
	case TYPE_LPM_TRIE:
		return MEMORY_SLAB;
	default:
		/* bpf_map_area_alloc() (kernel/bpf/syscall.c) takes up to eight pages from slab. */
		return flags & BPF_F_NO_PREALLOC || bytes <= 8 * 4096 ? MEMORY_SLAB
								      : MEMORY_VMALLOC;
	}
}

static void one_map(struct object_walk *w, uint32_t id)
{
	struct bpf_map_info m = {0};
	_cleanup_fd_ int fd = open_id(BPF_MAP_GET_FD_BY_ID, id);
	struct object o = {.kind = OBJECT_BPF_MAP,
			   .id = id,
			   .capacity = OBJECT_NONE,
			   .waiting = OBJECT_NONE,
			   .count = 1};
	uint64_t charged;

	if (fd < 0 || info(fd, &m, sizeof(m)) < 0)
		return;
	charged = fdinfo(w, fd, "memlock");
	o.bytes = charged == OBJECT_NONE ? 0 : charged;
	/* Between 5.11 and 6.3 the footprint of a ring is none. */
	if ((m.type == TYPE_RINGBUF || m.type == TYPE_USER_RINGBUF) && o.bytes < m.max_entries)
		o.bytes = m.max_entries;
	o.memory = where(m.type, m.map_flags, o.bytes);
	o.page_bytes = o.memory == MEMORY_PAGES ? o.bytes : 0;
	snprintf(o.name, sizeof(o.name), "%.*s", (int)sizeof(m.name), m.name);
	snprintf(o.detail, sizeof(o.detail), "%s, %u entries of %u + %u bytes",
		 m.type < ARRAY_SIZE(type_names) ? type_names[m.type] : "of a newer type",
		 m.max_entries, m.key_size, m.value_size);
	object_add(w->t, &o);
}

/* ------------------------------------------------------------------ what keeps them */

static void add_detail(struct object *o, const char *what, const char *name)
{
	size_t len = strlen(o->detail);

	if (!strstr(o->detail, what))
		snprintf(o->detail + len, sizeof(o->detail) - len, "; %s %s", what, name);
}

static void one_program(struct object_walk *w, uint32_t id)
{
	uint32_t maps[MAX_PROG_MAPS] = {0};
	struct bpf_prog_info p = {.nr_map_ids = MAX_PROG_MAPS,
				  .map_ids = (uint64_t)(uintptr_t)maps};
	_cleanup_fd_ int fd = open_id(BPF_PROG_GET_FD_BY_ID, id);

	if (fd < 0 || info(fd, &p, sizeof(p)) < 0)
		return;
	for (uint32_t i = 0; i < p.nr_map_ids && i < MAX_PROG_MAPS; i++) {
		struct object *o = object_find(w->t, OBJECT_BPF_MAP, maps[i]);
		char name[32];

		if (!o)
			continue;
		snprintf(name, sizeof(name), "%u (%.*s)", id, (int)sizeof(p.name), p.name);
		add_detail(o, "used by program", name);
	}
}

static void pins(struct object_walk *w, int dir, const char *prefix, int depth, unsigned *left)
{
	_cleanup_dir_ DIR *d = fdopendir(dir);
	struct dirent *entry;

	if (!d) {
		close(dir);
		return;
	}
	while (*left && (entry = readdir(d))) {
		char path[512], object[560];
		union bpf_attr attr = {.file_flags = BPF_F_RDONLY};
		struct object *o;
		uint64_t id;
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		(*left)--;
		snprintf(path, sizeof(path), "%s/%s", prefix, entry->d_name);
		if (entry->d_type == DT_DIR && depth < PIN_DEPTH) {
			fd = openat(dirfd(d), entry->d_name,
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (fd >= 0)
				pins(w, fd, path, depth + 1, left);
			continue;
		}
		if (entry->d_type != DT_REG)
			continue;
		snprintf(object, sizeof(object), "/%s", path);
		attr.pathname = (uint64_t)(uintptr_t)object;
		fd = (int)bpf(BPF_OBJ_GET, &attr);
		if (fd < 0)
			continue;
		/* A program's has none. */
		id = fdinfo(w, fd, "map_id");
		o = id < UINT32_MAX ? object_find(w->t, OBJECT_BPF_MAP, id) : NULL;
		if (o)
			add_detail(o, "pinned as", object);
		close(fd);
	}
}

int object_bpf_list(struct object_walk *w)
{
	unsigned left = PIN_MAX;
	uint32_t id = 0;
	long r;
	int dir;

	while ((r = next_id(BPF_MAP_GET_NEXT_ID, &id)) == 0 && !collect_stopping(w->c))
		one_map(w, id);
	if (r != -ENOENT && r != 0)
		return (int)r;
	for (id = 0; next_id(BPF_PROG_GET_NEXT_ID, &id) == 0 && !collect_stopping(w->c);)
		one_program(w, id);
	dir = openat(w->c->root->sys_fd, "fs/bpf", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		pins(w, dir, BPFFS, 0, &left);
	return 0;
}

/* ------------------------------------------------------------------ who holds them */

static uint32_t read_id(struct object_walk *w, uint64_t addr, struct kmem_field f)
{
	uint32_t id = 0;

	if (!field_present(f) || kmem_read(w->s, addr + f.offset, &id, sizeof(id)) < 0)
		return 0;
	return id;
}

static uint64_t read_pointer(struct object_walk *w, uint64_t addr, struct kmem_field f)
{
	uint64_t p = 0;

	if (!field_present(f) || kmem_read(w->s, addr + f.offset, &p, sizeof(p)) < 0)
		return 0;
	return p;
}

void object_bpf_hold_program(struct object_walk *w, uint32_t prog, uint32_t pid)
{
	uint32_t maps[MAX_PROG_MAPS] = {0};
	struct bpf_prog_info p = {.nr_map_ids = MAX_PROG_MAPS,
				  .map_ids = (uint64_t)(uintptr_t)maps};
	_cleanup_fd_ int fd = prog ? open_id(BPF_PROG_GET_FD_BY_ID, prog) : -1;

	if (fd < 0 || info(fd, &p, sizeof(p)) < 0)
		return;
	for (uint32_t i = 0; i < p.nr_map_ids && i < MAX_PROG_MAPS; i++)
		object_hold(w->t, OBJECT_BPF_MAP, maps[i], pid);
}

void object_bpf_hold(struct object_walk *w, const struct task_file *f, enum file_class class)
{
	uint64_t prog = f->private_data;

	if (class == FILE_CLASS_BPF_MAP) {
		object_hold(w->t, OBJECT_BPF_MAP, read_id(w, f->private_data, w->ol.bpf.map_id),
			    f->pid);
		return;
	}
	if (class == FILE_CLASS_BPF_LINK)
		prog = read_pointer(w, f->private_data, w->ol.bpf.link_prog);
	if (prog)
		object_bpf_hold_program(
			w, read_id(w, read_pointer(w, prog, w->ol.bpf.prog_aux), w->ol.bpf.aux_id),
			f->pid);
}
