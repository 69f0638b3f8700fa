/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What container runtimes leave on the disk about their containers.  Each function adds what it
 * finds to the table; a place that is not there is no error, one that refuses is counted in g.
 *
 * Taken are names, namespaces, pods, images.  Environment and arguments are never looked at.
 */
#pragma once

#include "container_table.h"
#include "gather.h"

struct runtimes {
	struct gather *g;
	struct gather_clock *clock;
	struct container_table *containers;
	struct container_table *pods; /* rows without an id: which pod a UID is */
	unsigned places;	      /* directories of a runtime or of kubelet that were there */
};

void runtime_docker(struct runtimes *r);     /* /var/lib/docker/containers, or its data-root */
void runtime_containerd(struct runtimes *r); /* /run/containerd, k3s's too */
void runtime_storage(struct runtimes *r);    /* /var/lib/containers/storage: podman, CRI-O */
void runtime_kubelet(struct runtimes *r);    /* /var/log/containers, /var/log/pods */
