/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Block I/O latency by device and operation. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/types.h>

#include "bpf_probe.h"
#include "delay_run.h"
#include "block_io.skel.h"

struct block_io_state {
	struct delay_run run; /* the first member */
	struct block_io_bpf *skel;
};

static void block_io_probe(const struct capture_options *o, const struct sysroot *root,
			   struct probe_result *ret)
{
	bpf_probe_ask(o, root, ret);
}

static struct bpf_object_skeleton *open_skeleton(void *run, const struct bpf_object_open_opts *opts)
{
	struct block_io_state *s = run;

	s->skel = block_io_bpf__open_opts(opts);
	return s->skel ? s->skel->skeleton : NULL;
}

static int loaded(struct delay_run *r, struct err *e)
{
	r->window = &((struct block_io_state *)r)->skel->bss->window;
	return 0;
}

static int block_io_start(struct collect *c)
{
	static const struct delay_probe probe = {
		.name = "block_io",
		.state_size = sizeof(struct block_io_state),
		.cost = {.event = 400, .idle = 60},
		.open = open_skeleton,
		.loaded = loaded,
	};

	return delay_run_start(c, &probe);
}

/* include/linux/blk_types.h, enum req_op; the driver's own ones have moved. */
static const char *operation(uint32_t op)
{
	switch (op) {
	case 0:
		return "read";
	case 1:
		return "write";
	case 2:
		return "flush";
	case 3:
		return "discard";
	default:
		return "other";
	}
}

static void block_words(const struct delay_run *r, const void *key, struct delay_words *ret)
{
	const struct delay_key *k = key;

	snprintf(ret->kind, sizeof(ret->kind), "%s", operation(k->kind));
	if (k->scope)
		snprintf(ret->object, sizeof(ret->object), "%u:%u", (unsigned)(k->scope >> 32),
			 (unsigned)k->scope);
}

static int block_io_write(struct collect *c)
{
	return delay_write(c->state, block_words);
}

const struct collector collector_block_io = {
	.name = "block-io",
	.summary = "how long requests to disks take, by device and operation",
	.needs = "CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN; kernel BTF",
	.timed = true,
	.memory_share = 3,
	.memory_least_kib = 1792,
	.loads_types = true,
	.probe = block_io_probe,
	.start = block_io_start,
	.write = block_io_write,
};
