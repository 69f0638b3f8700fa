/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reclaim: allocations that stop to free memory themselves (direct), or to get their memory cgroup
 * below its limit, and the time kswapd is at it.
 */
#include "delay.bpf.h"
#include "reclaim.h"

char LICENSE[] SEC("license") = "GPL";

enum cgroup_subsys_id { memory_cgrp_id = 4 };

/* By tid: since when, of those that are at it now. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct reclaim_begun);
} begun SEC(".maps");

static __always_inline __u64 memory_cgroup(struct task_struct *task)
{
	struct cgroup_subsys_state *css = 0;
	struct css_set *set;
	char *first;

	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return 0;
	set = BPF_CORE_READ(task, cgroups);
	first = (char *)set + bpf_core_field_offset(struct css_set, subsys);
	first += bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id) * sizeof(void *);
	if (bpf_probe_read_kernel(&css, sizeof(css), first))
		return 0;
	return BPF_CORE_READ(css, cgroup, kn, id);
}

static __always_inline int begin(__u32 kind, __u64 scope)
{
	__u64 now = time_in_window(), id = bpf_get_current_pid_tgid();
	struct task_struct *task = (void *)bpf_get_current_task();
	struct reclaim_begun b = {.start_ns = now, .kind = kind, .tgid = id >> 32};
	struct delay_counts *c;
	__u32 tid = id;

	if (!now)
		return 0;
	b.scope = kind == RECLAIM_KSWAPD ? scope : memory_cgroup(task);
	if (bpf_map_update_elem(&begun, &tid, &b, kind == RECLAIM_KSWAPD ? BPF_NOEXIST : BPF_ANY) &&
	    kind != RECLAIM_KSWAPD && (c = counted()))
		c->lost++;
	return 0;
}

static __always_inline int end(__u32 kind, __u64 scope, __u64 pages)
{
	__u64 now = time_in_window(), id = bpf_get_current_pid_tgid(), since;
	struct task_struct *task = (void *)bpf_get_current_task();
	struct delay_key key = {.tgid = id >> 32, .kind = kind};
	struct delay_counts *c = counted();
	struct reclaim_begun *b;
	struct delay_value *v;
	__u32 tid = id;
	int whole;

	if (!c || !now)
		return 0;
	c->events++;
	b = bpf_map_lookup_elem(&begun, &tid);
	whole = b && b->kind == kind;
	since = whole ? b->start_ns : window.start_ns;
	if (kind == RECLAIM_KSWAPD)
		key.scope = scope;
	else
		key.scope = whole ? b->scope : memory_cgroup(task);
	bpf_map_delete_elem(&begun, &tid);
	v = delay_row(&delays, &key, task);
	if (!v)
		c->lost++;
	else if (whole)
		delay_add(v, now - since, pages);
	else
		delay_add_cut(v, now - since, pages);
	return 0;
}

SEC("raw_tp/mm_vmscan_direct_reclaim_begin")
int direct_begin(void *ctx)
{
	(void)ctx;
	return begin(RECLAIM_DIRECT, 0);
}

/* The first argument is the number of pages reclaimed. */
SEC("raw_tp/mm_vmscan_direct_reclaim_end")
int direct_end(struct bpf_raw_tracepoint_args *ctx)
{
	return end(RECLAIM_DIRECT, 0, ctx->args[0]);
}

SEC("raw_tp/mm_vmscan_memcg_reclaim_begin")
int memcg_begin(void *ctx)
{
	(void)ctx;
	return begin(RECLAIM_MEMCG, 0);
}

SEC("raw_tp/mm_vmscan_memcg_reclaim_end")
int memcg_end(struct bpf_raw_tracepoint_args *ctx)
{
	return end(RECLAIM_MEMCG, 0, ctx->args[0]);
}

/* The first argument is the node. */
SEC("raw_tp/mm_vmscan_kswapd_wake")
int kswapd_wake(struct bpf_raw_tracepoint_args *ctx)
{
	return begin(RECLAIM_KSWAPD, (__u32)ctx->args[0]);
}

SEC("raw_tp/mm_vmscan_kswapd_sleep")
int kswapd_sleep(struct bpf_raw_tracepoint_args *ctx)
{
	return end(RECLAIM_KSWAPD, (__u32)ctx->args[0], 0);
}
