/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs that see anonymous memory grow (bpf/stacks_growth.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../base/cleanup.h"
#include "probe.h"
#include "stacks.skel.h"

void stacks_probe_growth_stop(struct stacks_probe *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(p->growth_links); i++) {
		bpf_link__destroy(p->growth_links[i]);
		p->growth_links[i] = NULL;
	}
}

/* What there is without it is worth having. */
void stacks_probe_growth_start(struct stacks_probe *p)
{
	const struct bpf_program *programs[] = {p->skel->progs.stacks_grow,
						p->skel->progs.stacks_fault_user,
						p->skel->progs.stacks_fault_kernel};
	static const char *const points[] = {"rss_stat", "page_fault_user", "page_fault_kernel"};

	for (size_t i = 0; p->space_count && i < ARRAY_SIZE(points); i++) {
		p->growth_links[i] = bpf_program__attach_raw_tracepoint(programs[i], points[i]);
		if (p->growth_links[i])
			continue;
		/* Without the others only the address is missing: whether it is still there. */
		snprintf(p->growth, sizeof(p->growth), "raw tracepoint %s: %s", points[i],
			 strerror(errno));
		if (!i)
			return;
	}
	p->growth_on = p->space_count > 0;
}

int stacks_probe_spaces(const struct stacks_probe *p,
			void (*fn)(void *ctx, const struct stacks_space *space), void *ctx)
{
	int fd = bpf_map__fd(p->skel->maps.spaces);
	struct stacks_space space;
	uint64_t key, last;
	const void *from = NULL;

	/* It is an LRU map and may lose entries meanwhile, which starts the walk anew: bounded. */
	for (uint32_t i = 0; p->growth_on && i < p->space_count; i++) {
		if (bpf_map_get_next_key(fd, from, &key) < 0)
			return errno == ENOENT ? 0 : -errno;
		if (!bpf_map_lookup_elem(fd, &key, &space) && space.grown_pages)
			fn(ctx, &space);
		last = key;
		from = &last;
	}
	return 0;
}

uint64_t stacks_probe_growth_faults(const struct stacks_probe *p)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct stacks_growth_cpu *all =
		cpus > 0 ? calloc((size_t)cpus, sizeof(*all)) : NULL;
	uint32_t zero = 0;
	uint64_t sum = 0;

	if (!all || bpf_map_lookup_elem(bpf_map__fd(p->skel->maps.growth_cpu), &zero, all))
		return 0;
	for (int i = 0; i < cpus; i++)
		sum += all[i].faults;
	return sum;
}
