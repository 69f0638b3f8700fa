/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The containers found so far; what several places say of one is put together. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "../collect.h"

#define CONTAINERS_MAX 2048 /* 1.5 KiB each */
#define CONTAINER_ID_MIN 12 /* docker's short form; shorter ones are not taken for an id */

struct container {
	char id[72];
	char runtime[16]; /* docker containerd cri-o podman, or "" */
	char name[256];
	char namespace[72];
	char pod[256];
	char pod_uid[48];
	char image[512];
	char source[256]; /* where its name was found, from the root */
};

struct container_table {
	struct container *rows;
	size_t count, cap;
	uint64_t beyond; /* did not fit */
};

/* Up to 64 digits, letters and -_. inside: hexadecimal as a rule, but containerd takes any word. */
bool container_id_ok(const char *id, size_t len);

/*
 * Put c in.  A row of the same id (or one of which one is the beginning of the other) is
 * completed: what it already says is kept, and the longer id.  Fields of c are copied cut to size.
 */
void container_add(struct container_table *t, const struct container *c);

/* Rows that know only their pod's UID learn its name and namespace from a row that has both, there
 * or in pods. */
void container_join_pods(struct container_table *t, const struct container_table *pods);

int container_table_emit(struct container_table *t, struct emit *out);
void container_table_release(struct container_table *t);

/* Copy at most cap - 1 bytes, ending on a character of UTF-8. */
void container_field(char *out, size_t cap, const char *text, size_t len);

/*
 * The container that a cgroup path is of: "/docker/ID", ".../docker-ID.scope",
 * "/kubepods/burstable/podUID/ID", ".../kubepods-podUID.slice/cri-containerd-ID.scope",
 * ".../crio-ID.scope", "/libpod_parent/libpod-ID", "/machine.slice/libpod-ID.scope".
 * The innermost one is taken.  False when it is none.
 */
bool container_of_cgroup(const char *path, size_t len, struct container *ret);

/*
 * kubelet's names: "k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT" (docker and CRI-O containers),
 * "POD_NAMESPACE_CONTAINER-ID.log" (/var/log/containers), "NAMESPACE_POD_UID" (/var/log/pods).
 */
bool container_of_k8s_name(const char *name, size_t len, struct container *ret);
bool container_of_log_name(const char *name, struct container *ret);
bool container_of_pod_directory(const char *name, size_t len, struct container *ret);
