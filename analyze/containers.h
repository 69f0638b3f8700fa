/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which container and pod a cgroup belongs to, by its path.  The patterns are those of the
 * runtimes' cgroup drivers (cgroupfs and systemd).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CONTAINER_ID_MAX 128

struct container_path {
	char id[CONTAINER_ID_MAX];	/* "" when the path is no container's */
	char pod_uid[CONTAINER_ID_MAX]; /* with dashes, "" when there is none */
	const char
		*runtime; /* docker containerd cri-o podman lxc systemd-nspawn, NULL: not known */
	size_t container_len; /* of the path up to the container's own group, 0: none */
	size_t pod_len;	      /* of the path up to the pod's group, 0: none */
};

void container_parse(const char *cgroup, struct container_path *ret);
