/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to the kernel-objects collector: what its subjects share, one file each. */
#pragma once

#include "../kmem/rung.h"
#include "../kmem/scan.h"
#include "../kmem/tasks.h"
#include "object_table.h"

struct helper;

struct object_layout {
	struct {
		struct kmem_field head, tail, ring_size, bufs, tmp_page;
		struct kmem_field buf_page, buf_len, buf_ops;
		uint32_t size, buf_size;
	} pipe;
	struct {
		struct kmem_field sk, family, protocol, state, type, receive, write, qlen, rmem,
			memcg, wmem_queued, backlog_len, net, net_ino, sport, dport, saddr, daddr;
		uint32_t size;
	} sock;
	struct {
		struct kmem_field next, truesize, len, head, end, nr_frags, frag_list, frags,
			frag_page, frag_len;
		uint32_t size, frag_size, info_size;
	} skb;
	struct {
		struct kmem_field rx, tx, vec, vec_len, order;
		uint32_t size;
	} packet;
	struct {
		struct kmem_field map_id, prog_aux, aux_id, link_prog;
	} bpf;
	struct {
		struct kmem_field size_bytes, exporter, name, priv, udmabuf_pages;
	} dma_buf;
	struct {
		struct kmem_field sq_entries, cq_entries, flags;
	} uring;
	struct { /* in slab, behind a descriptor */
		struct kmem_field proto, obj_size;
		uint32_t file, socket, pipe;
	} slab;
};

/* What is not in these types stays absent, and its subject is left out. */
void object_layout_init(struct object_layout *l, const struct btf *btf);

/* What a file is, by its operations: each kind is asked for once, by the link in /proc. */
enum file_class {
	FILE_CLASS_NONE,
	FILE_CLASS_PIPE,
	FILE_CLASS_SOCKET,
	FILE_CLASS_BPF_MAP,
	FILE_CLASS_BPF_PROG,
	FILE_CLASS_BPF_LINK,
	FILE_CLASS_DMA_BUF,
	FILE_CLASS_IO_URING,
	FILE_CLASS_DRM,
};

#define MAX_OPS 512
#define GROUPS 1024u

struct object_walk {
	struct collect *c;
	struct kmem_source *s;
	struct kmem_layout *l;
	struct tasks_layout tasks;
	struct object_layout ol;
	struct object_table *t;
	struct {
		uint64_t op;
		enum file_class class;
	} ops[MAX_OPS];
	unsigned op_count;
	uint64_t anon_pipe_ops; /* of a pipe's buffer that holds a page of its own; 0: not known */
	uint64_t own_pipe;	/* inode number of the pipe that tells */
	uint64_t own_memfd;	/* the same of a memfd */
	uint64_t shmem_op;	/* operations of files of shared memory; 0: not known yet */
	struct {
		uint64_t memcg, dying; /* dying: its inode number, 0: it is online */
	} groups[GROUPS];
	uint64_t groups_beyond; /* sockets of groups without room */
	uint64_t skbs_left;	/* so many more are looked at */
	uint64_t skbs_skipped;	/* not looked at: their queues are told by the counters */
	uint64_t until_ns;
	uint64_t files, task_files, task_slab; /* of all processes; of this one so far */
	uint64_t direct_map;		       /* the kernel's address of page frame 0 */
	bool has_direct_map;
	uint32_t families; /* of the lower rung: sockets that this kernel tells of */
	uint64_t seed;	   /* so that an id made of an address does not tell it */
	bool no_time;
	struct { /* object_drm.c */
		struct helper *helper;
		uint64_t told, silent; /* descriptors */
		int error;
	} graphics;
};

/* Smaller ones are summed. */
#define OBJECT_LEAST (64u << 10)

void object_pipe(struct object_walk *w, const struct task_file *f, uint64_t ino);
void object_socket(struct object_walk *w, const struct task_file *f, uint64_t ino);
/* Where a struct page is counted: with the file it belongs to, in slab, or with its page pool. */
enum page_owner { PAGE_OF_NOBODY, PAGE_OF_FILE, PAGE_OF_SLAB, PAGE_OF_POOL };
enum page_owner object_page_owner(struct object_walk *w, uint64_t page);
/* object_heads.c: the same of the page a buffer's head lies in; slab where that is not known. */
void object_heads_init(struct object_walk *w);
enum page_owner object_head_owner(struct object_walk *w, uint64_t head);

/* object_buffers.c */
void object_dma_buf(struct object_walk *w, const struct task_file *f, uint64_t ino);
void object_io_uring(struct object_walk *w, const struct task_file *f);
/* After all files of a process: what lies in slab for them. */
void object_open_files(struct object_walk *w, uint32_t pid);

/* object_huge_pages.c: who has mapped huge pages that are reserved and not used. */
int object_huge_pages(struct object_walk *w, const struct tasks *tasks);

/* object_bpf.c: by system call, before the walk.  0, or why it could not be asked. */
int object_bpf_list(struct object_walk *w);
void object_bpf_hold(struct object_walk *w, const struct task_file *f, enum file_class class);
void object_bpf_hold_program(struct object_walk *w, uint32_t prog, uint32_t pid);

/* object_files.c.  A memfd of ours that tells what one is, or -1. */
int object_own_memfd(struct object_walk *w);
/* True: it is a file of shared memory. */
bool object_shmem(struct object_walk *w, const struct task_file *f);
/* A socket of that process refers to this mem_cgroup. */
void object_socket_group(struct object_walk *w, uint64_t memcg, uint32_t pid);

/* object_drm.c: a descriptor of a graphics device, by its fdinfo. */
void object_drm(struct object_walk *w, uint32_t pid, uint32_t fd);
/* After the last of them: says which did not answer. */
void object_drm_end(struct object_walk *w);
void object_drm_text(struct object_table *t, const char *fdinfo, uint32_t pid);

/* object_rdma.c, object_page_pool.c: by netlink, of all devices this network namespace has. */
void object_rdma(struct object_walk *w);
void object_page_pools(struct object_walk *w);
/* One message of the answers. */
int object_rdma_regions(struct object_table *t, uint32_t device, const char *device_name,
			const unsigned char *payload, size_t len);
void object_page_pool_message(struct object_table *t, const unsigned char *payload, size_t len);

/* object_low.c: what /proc and netlink tell where the kernel's memory is not to be read. */
int object_low(struct object_walk *w, struct err *e);
/* object_diag.c: every socket of the network namespace we are in.  What was refused, or 0. */
int object_diag(struct object_walk *w);
/* Which of them it may ask for without loading a module; the others, in words. */
void object_diag_families(struct object_walk *w);
void object_diag_missing(const struct object_walk *w, char *ret, size_t cap);
int object_diag_message(struct object_table *t, int family, int protocol,
			const unsigned char *payload, size_t len);

/* What a file is, by its link in /proc. */
enum file_class object_class_of_link(const char *link);
/* The same where it decides for all files of these operations: mode and device number (the kernel's
 * dev_t) of its inode go first, for a path is anybody's to choose. */
enum file_class object_class_of_file(const char *link, uint16_t mode, uint32_t rdev);
