/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pods by namespace and name.  The kubelet leaves /var/log/pods/NAMESPACE_NAME_UID for every pod;
 * its cgroup has the UID in its name: kubepods/burstable/podUID, or in systemd's way
 * kubepods-burstable-podU_I_D.slice.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "config.h"
#include "scope.h"

#define PODS_MAX 24
#define PODS_UID 64

struct pod {
	unsigned policy;
	char name[128]; /* NAMESPACE/NAME */
	char path[256]; /* its cgroup */
};

struct pods {
	struct pod found[PODS_MAX];
	unsigned n;
	bool overflow;
	_Atomic int ready; /* 1: the list is the guard's to read, 0: the finder's to write */
};

/* Find the pods of every pod policy.  root: for /var/log/pods.  May wait for a disk. */
void pods_find(struct pods *p, const struct sysroot *root, const struct hierarchy *h,
	       const struct config *c);
/* NAMESPACE_NAME_UID in its parts; false: it is something else.  Namespaces and names have no
 * underscore. */
bool pods_split(const char *dir, char ns[128], char name[128], char uid[PODS_UID]);
/* Is this directory the cgroup of the pod? */
bool pods_is_cgroup(const char *dir, const char *uid);
