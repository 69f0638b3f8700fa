/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which containers there are, and what people call them: ids from the groups that processes are
 * in, names from what the runtimes and kubelet keep on the disk.  No daemon is asked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gather.h"
#include "hierarchy.h"
#include "pids.h"
#include "runtime_state.h"

static void containers_probe(const struct capture_options *o, const struct sysroot *root,
			     struct probe_result *ret)
{
	*ret = (struct probe_result){.status = COLLECTOR_OK, .expected_bytes = 4 << 10};
}

/* The containers that run, whatever runs them: first, so that they are in the table even when the
 * disk knows thousands of dead ones. */
static int from_processes(struct runtimes *r, const struct collect *c)
{
	struct capture_options all = *c->options;
	struct pids pids = {0};
	struct err e = {0};
	int error;

	all.pid = 0;
	error = pids_list(&pids, &all, c->root, &e);
	if (error < 0) {
		gather_count(r->g, "proc", -error);
		return 0;
	}
	for (size_t i = 0; i < pids.count && !gather_expired(r->clock); i++) {
		struct container found;
		char path[48];

		snprintf(path, sizeof(path), "proc/%u/cgroup", pids.pid[i]);
		if (gather_read(c->root, path, r->g->chunk, GATHER_CHUNK, NULL) <= 0)
			continue;
		for (int v2 = 0; v2 < 2; v2++) {
			size_t len;
			const char *group = hierarchy_of_process(r->g->chunk, v2, &len);

			if (!group || !container_of_cgroup(group, len, &found))
				continue;
			container_add(r->containers, &found);
			break;
		}
	}
	pids_release(&pids);
	return 0;
}

static int containers_write(struct collect *c)
{
	struct container_table containers = {0}, pods = {0};
	struct gather_clock clock;
	struct gather g = {0};
	struct runtimes r = {.g = &g, .clock = &clock, .containers = &containers, .pods = &pods};
	int error = gather_init(&g, c);

	gather_clock_init(&clock, c);
	if (error >= 0)
		error = from_processes(&r, c);
	if (error >= 0) {
		runtime_containerd(&r);
		runtime_docker(&r);
		runtime_storage(&r);
		runtime_kubelet(&r);
		container_join_pods(&containers, &pods);
		g.delivered += containers.count > 0;
		error = container_table_emit(&containers, c->out);
	}
	if (error >= 0) {
		gather_report(&g, "root");
		if (!r.places && !g.denied)
			emit_note(c->out,
				  "no state of docker, containerd, CRI-O, podman or kubelet found");
		if (gather_expired(&clock))
			emit_status(c->out, COLLECTOR_PARTIAL, ETIME,
				    "time ran out while reading the state of container runtimes");
	}
	gather_deinit(&g);
	container_table_release(&containers);
	container_table_release(&pods);
	return error < 0 ? error : 0;
}

const struct collector collector_containers = {
	.name = "containers",
	.summary = "names, pods and images of containers, read offline",
	.needs = "root, for the state of docker, podman and CRI-O",
	.memory_share = 3,
	.memory_least_kib = 1024,
	.probe = containers_probe,
	.write = containers_write,
};
