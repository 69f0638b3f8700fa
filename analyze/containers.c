/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <string.h>

#include "../capture/base/cleanup.h"
#include "containers.h"

/* Scopes of the systemd driver (PREFIX-ID.scope), and of podman and CRI-O with cgroupfs
 * (PREFIX-ID). */
static const struct {
	const char *prefix, *runtime;
} scopes[] = {
	{"docker-", "docker"},
	{"cri-containerd-", "containerd"},
	{"containerd-", "containerd"},
	{"nerdctl-", "containerd"},
	{"crio-", "cri-o"},
	{"libpod-", "podman"},
};

/* Parent directories of the cgroupfs driver (/PARENT/ID). */
static const struct {
	const char *parent, *runtime;
} parents[] = {
	{"docker", "docker"},
	{"libpod_parent", "podman"},
	{"k8s.io", "containerd"},
	{"default", "containerd"},
};

/* Ids of docker, containerd, CRI-O and podman are 64 hexadecimal digits. */
static bool is_id(const char *s, size_t len)
{
	if (len != 64)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isxdigit((unsigned char)s[i]) || isupper((unsigned char)s[i]))
			return false;
	return true;
}

static void keep(char *out, const char *s, size_t len)
{
	if (len >= CONTAINER_ID_MAX)
		len = CONTAINER_ID_MAX - 1;
	memcpy(out, s, len);
	out[len] = '\0';
}

static bool starts(const char *s, size_t len, const char *prefix)
{
	size_t n = strlen(prefix);

	return len > n && !memcmp(s, prefix, n);
}

/* pod<uid> (cgroupfs) or kubepods-burstable-pod<uid with _ for ->.slice (systemd). */
static bool parse_pod(const char *s, size_t len, struct container_path *c)
{
	if (len > 6 && !memcmp(s + len - 6, ".slice", 6)) {
		len -= 6;
		if (!starts(s, len, "kubepods"))
			return false;
		const char *p = NULL;

		for (size_t i = 0; i + 4 < len; i++)
			if (!memcmp(s + i, "-pod", 4))
				p = s + i + 4;
		if (!p)
			return false;
		len -= (size_t)(p - s);
		s = p;
	} else if (starts(s, len, "pod")) {
		s += 3;
		len -= 3;
		/* A group that merely starts with "pod" is no pod: ids have digits and dashes, or
		 * 32 hexadecimal digits (static pods). */
		for (size_t i = 0; i < len; i++)
			if (!isxdigit((unsigned char)s[i]) && s[i] != '-' && s[i] != '_')
				return false;
		if (len < 32)
			return false;
	} else {
		return false;
	}
	keep(c->pod_uid, s, len);
	for (char *u = c->pod_uid; *u; u++)
		if (*u == '_')
			*u = '-';
	return true;
}

static bool parse_container(const char *s, size_t len, const char *parent, size_t parent_len,
			    struct container_path *c)
{
	size_t n = len > 6 && !memcmp(s + len - 6, ".scope", 6) ? len - 6 : len;

	for (size_t i = 0; i < ARRAY_SIZE(scopes); i++) {
		size_t prefix = strlen(scopes[i].prefix);

		/* crio-conmon-ID and libpod-conmon-ID hold the monitor, not the container. */
		if (starts(s, n, scopes[i].prefix) && is_id(s + prefix, n - prefix)) {
			keep(c->id, s + prefix, n - prefix);
			c->runtime = scopes[i].runtime;
			return true;
		}
	}
	if (is_id(s, len)) {
		keep(c->id, s, len);
		for (size_t i = 0; i < ARRAY_SIZE(parents); i++)
			if (strlen(parents[i].parent) == parent_len &&
			    !memcmp(parents[i].parent, parent, parent_len))
				c->runtime = parents[i].runtime;
		return true;
	}
	/* runc given a systemd path with the cgroupfs driver: "SLICE:cri-containerd:ID". */
	for (size_t i = len; i-- > 0;)
		if (s[i] == ':' && is_id(s + i + 1, len - i - 1)) {
			keep(c->id, s + i + 1, len - i - 1);
			c->runtime = i >= 15 && !memcmp(s + i - 15, ":cri-containerd", 15)
					     ? "containerd"
					     : NULL;
			size_t slice = 0;

			while (slice < i && s[slice] != ':')
				slice++;
			parse_pod(s, slice, c);
			return true;
		}
	if (starts(s, len, "lxc.payload.")) {
		keep(c->id, s + 12, len - 12);
		c->runtime = "lxc";
		return true;
	}
	if (parent_len == 3 && !memcmp(parent, "lxc", 3)) {
		keep(c->id, s, len);
		c->runtime = "lxc";
		return true;
	}
	if (n != len && starts(s, n, "machine-")) {
		keep(c->id, s + 8, n - 8);
		c->runtime = "systemd-nspawn";
		return true;
	}
	return false;
}

void container_parse(const char *cgroup, struct container_path *ret)
{
	const char *parent = "", *s = cgroup;
	size_t parent_len = 0;

	*ret = (struct container_path){0};
	while (*s) {
		size_t len = strcspn(s, "/");

		if (len) {
			if (parse_pod(s, len, ret))
				ret->pod_len = (size_t)(s - cgroup) + len;
			/* The innermost wins: docker in a pod's container is docker's. */
			if (parse_container(s, len, parent, parent_len, ret))
				ret->container_len = (size_t)(s - cgroup) + len;
			parent = s;
			parent_len = len;
		}
		s += len;
		s += *s == '/';
	}
}
