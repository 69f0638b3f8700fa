/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System calls: how often and how long, by process and number; and of files below /proc, which of
 * them are opened and read.  A file is told by its super block, not by its name, so that one opened
 * relative to a directory, or kept open, is seen as well.
 */
#include "delay.bpf.h"
#include "syscalls.h"

char LICENSE[] SEC("license") = "GPL";

#define PROC_SUPER_MAGIC 0x9fa0

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct super_block {
	unsigned long s_magic;
};

struct inode {
	struct super_block *i_sb;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long di;
	unsigned long orig_ax;
};
#else
struct pt_regs {
	__u64 orig_x0;
	__s32 syscallno;
};
#endif

#pragma clang attribute pop

#if defined(__TARGET_ARCH_x86)
enum {
	NR_READ = 0,
	NR_OPEN = 2,
	NR_PREAD64 = 17,
	NR_READV = 19,
	NR_GETDENTS64 = 217,
	NR_OPENAT = 257,
	NR_OPENAT2 = 437
};
#define FIRST_ARG(regs) BPF_CORE_READ(regs, di)
#define NUMBER(regs) ((__u32)BPF_CORE_READ(regs, orig_ax))
/* thread_info.status: TS_COMPAT */
#define IS_COMPAT(task) (BPF_CORE_READ(task, thread_info.status) & 2)
#else
enum {
	NR_READ = 63,
	NR_OPEN = -2,
	NR_PREAD64 = 67,
	NR_READV = 65,
	NR_GETDENTS64 = 61,
	NR_OPENAT = 56,
	NR_OPENAT2 = 437
};
#define FIRST_ARG(regs) BPF_CORE_READ(regs, orig_x0)
#define NUMBER(regs) ((__u32)BPF_CORE_READ(regs, syscallno))
/* thread_info.flags: TIF_32BIT */
#define IS_COMPAT(task) (BPF_CORE_READ(task, thread_info.flags) >> 22 & 1)
#endif

/* By tid.  Entries stay, so that a thread's next call costs one look-up; the least recently used
 * make room for new threads. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct syscall_begun);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, struct proc_file_key);
	__type(value, struct delay_value);
} proc_files SEC(".maps");

SEC("raw_tp/sys_enter")
int syscall_enter(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = time_in_window();
	struct pt_regs *regs = (void *)ctx->args[0];
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tid = id;
	struct syscall_begun *call;

	if (!now)
		return 0;
	call = bpf_map_lookup_elem(&threads, &tid);
	if (call) {
		call->start_ns = now;
		call->tgid = id >> 32; /* the number of a thread that is gone may come again */
		call->number = ctx->args[1];
		call->fd = FIRST_ARG(regs);
	} else {
		struct syscall_begun first = {.start_ns = now,
					      .number = ctx->args[1],
					      .fd = FIRST_ARG(regs),
					      .tgid = id >> 32};

		bpf_map_update_elem(&threads, &tid, &first, BPF_ANY);
	}
	return 0;
}

static __always_inline struct file *file_of(struct task_struct *task, __u32 fd)
{
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file **slot, *file = 0;

	if (!fdt || fd >= BPF_CORE_READ(fdt, max_fds))
		return 0;
	slot = BPF_CORE_READ(fdt, fd);
	bpf_probe_read_kernel(&file, sizeof(file), slot + fd);
	return file;
}

static __always_inline void name_of(struct file *file, struct proc_file_key *key)
{
	struct dentry *d = BPF_CORE_READ(file, f_path.dentry);

#pragma unroll
	for (int i = 0; i < PROC_PARTS; i++) {
		struct dentry *parent = BPF_CORE_READ(d, d_parent);

		if (!parent || parent == d)
			break;
		bpf_probe_read_kernel_str(key->name[i], PROC_PART, BPF_CORE_READ(d, d_name.name));
		if (key->name[i][0] >= '0' && key->name[i][0] <= '9') {
			__builtin_memset(key->name[i], 0, PROC_PART);
			key->name[i][0] = '*';
		}
		d = parent;
	}
}

/* What is looked at, in one argument: a function takes five. */
struct file_access {
	__u64 ns, bytes;
	__u32 tgid, fd, op;
};

static __noinline int look_at_file(struct task_struct *task, const struct file_access *a)
{
	struct proc_file_key key = {};
	struct delay_counts *c;
	struct delay_value *v;
	struct file *file;

	if (!a)
		return 0;
	key.tgid = a->tgid;
	key.op = a->op;
	file = file_of(task, a->fd);
	if (!file || BPF_CORE_READ(file, f_inode, i_sb, s_magic) != PROC_SUPER_MAGIC)
		return 0;
	name_of(file, &key);
	v = delay_row(&proc_files, &key, task);
	if (v)
		delay_add(v, a->ns, a->bytes);
	else if ((c = counted()))
		c->lost++;
	return 0;
}

SEC("raw_tp/sys_exit")
int syscall_exit(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = time_in_window(), id = bpf_get_current_pid_tgid();
	struct pt_regs *regs = (void *)ctx->args[0];
	long ret = ctx->args[1];
	struct task_struct *task;
	struct delay_counts *c;
	struct delay_value *v;
	struct syscall_begun *call;
	__u32 tid = id, fd = 0;
	__u64 ns;
	int whole;

	if (!now)
		return 0;
	c = counted();
	if (!c)
		return 0;
	c->events++;
	struct delay_key key = {.tgid = id >> 32};

	call = bpf_map_lookup_elem(&threads, &tid);
	whole = call && call->start_ns >= window.start_ns;
	if (whole) {
		key.kind = call->number;
		fd = call->fd;
		ns = now - call->start_ns;
		call->start_ns = 0;
	} else {
		key.kind = NUMBER(regs);
		ns = now - window.start_ns;
		if (call)
			call->start_ns = 0;
	}
	task = (void *)bpf_get_current_task();
	v = bpf_map_lookup_elem(&delays, &key);
	if (!v) {
		v = delay_row(&delays, &key, task);
		if (!v) {
			c->lost++;
			return 0;
		}
		if (IS_COMPAT(task))
			v->flags |= DELAY_COMPAT;
	}
	if (whole)
		delay_add(v, ns, 0);
	else
		delay_add_cut(v, ns, 0);

	if (!whole || ret < 0 || v->flags & DELAY_COMPAT)
		return 0;
	struct file_access a = {.ns = ns, .tgid = key.tgid, .op = PROC_READ, .fd = fd};

	switch (key.kind) {
	case NR_OPEN:
	case NR_OPENAT:
	case NR_OPENAT2:
		a.op = PROC_OPEN;
		a.fd = ret;
		break;
	case NR_READ:
	case NR_PREAD64:
	case NR_READV:
	case NR_GETDENTS64:
		a.bytes = ret;
		break;
	default:
		return 0;
	}
	look_at_file(task, &a);
	return 0;
}
