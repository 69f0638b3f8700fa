/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Block I/O: from the making of a request to its completion.  The request carries when it was made
 * and when it was given to the device, so that completions alone have to be watched.
 */
#include "delay.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct gendisk {
	int major;
	int first_minor;
};

struct request_queue {
	struct gendisk *disk; /* since 5.15 */
};

struct request {
	struct request_queue *q;
	unsigned int cmd_flags;
	unsigned int __data_len;
	__u64 start_time_ns;
	__u64 io_start_time_ns;
};

/* Until 5.16. */
struct request___disk {
	struct gendisk *rq_disk;
};

#pragma clang attribute pop

#define OP_MASK 0xff /* REQ_OP_MASK */

SEC("raw_tp/block_rq_complete")
int rq_complete(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = time_in_window(), start, issued, data;
	struct request *rq = (void *)ctx->args[0];
	__u32 bytes = ctx->args[2];
	struct gendisk *disk = 0;
	struct delay_key key = {};
	struct delay_counts *c;
	struct delay_value *v;

	if (!now)
		return 0;
	c = counted();
	if (!c)
		return 0;
	/* A request may be completed in parts: the last one counts. */
	data = BPF_CORE_READ(rq, __data_len);
	if (bytes < data)
		return 0;
	c->events++;
	start = BPF_CORE_READ(rq, start_time_ns);
	/* Without accounting (queue/iostats 0) there is none; those are passed through. */
	if (!start || start > now) {
		c->skipped++;
		return 0;
	}
	if (bpf_core_field_exists(((struct request___disk *)0)->rq_disk))
		disk = BPF_CORE_READ((struct request___disk *)rq, rq_disk);
	else if (bpf_core_field_exists(((struct request_queue *)0)->disk))
		disk = BPF_CORE_READ(rq, q, disk);
	if (disk) {
		key.scope = (__u64)BPF_CORE_READ(disk, major) << 32;
		key.scope |= (__u32)BPF_CORE_READ(disk, first_minor);
	}
	key.kind = BPF_CORE_READ(rq, cmd_flags) & OP_MASK;
	v = delay_row(&delays, &key, 0);
	if (!v) {
		c->lost++;
		return 0;
	}
	delay_add(v, now - start, data);
	issued = BPF_CORE_READ(rq, io_start_time_ns);
	if (issued && issued <= now) {
		__sync_fetch_and_add(&v->inner_ns, now - issued);
		__sync_fetch_and_add(&v->inner, 1);
	}
	return 0;
}
