/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names that runtimes and kubelet give: cgroup paths, container names, log files.
 * Sources: kubernetes pkg/kubelet/dockershim/naming.go and pkg/kubelet/kuberuntime/legacy.go,
 * containerd's and CRI-O's cgroup path formats, podman's libpod.
 */
#include <string.h>

#include "../base/cleanup.h"
#include "container_table.h"

static bool is_hex_id(const char *s, size_t len)
{
	if (len != 64 && len != 32)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	return true;
}

static bool begins(const char *s, size_t len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && !memcmp(s, with, n);
}

static bool ends(const char *s, size_t len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && !memcmp(s + len - n, with, n);
}

/* "podUID" or "kubepods-burstable-podUID.slice".  A static pod's UID is 32 digits without dashes.
 */
static bool pod_uid_of(const char *s, size_t len, char *out, size_t cap)
{
	const char *at = NULL;

	if (begins(s, len, "pod")) {
		at = s + 3;
	} else if (begins(s, len, "kubepods-") && ends(s, len, ".slice")) {
		at = memmem(s, len, "-pod", 4);
		if (!at)
			return false;
		at += 4;
		len -= 6;
	} else {
		return false;
	}
	len -= (size_t)(at - s);
	if ((len != 36 && len != 32) || len >= cap)
		return false;
	for (size_t i = 0; i < len; i++)
		out[i] = at[i] == '_' ? '-' : at[i];
	out[len] = 0;
	return true;
}

bool container_of_cgroup(const char *path, size_t len, struct container *ret)
{
	static const struct {
		const char *prefix, *runtime;
	} scopes[] = {
		{"docker-", "docker"},
		{"cri-containerd-", "containerd"},
		{"crio-", "cri-o"},
		{"libpod-", "podman"},
		{"containerd-", "containerd"},
		{"nerdctl-", "containerd"},
	};
	struct container c = {0};
	const char *end = path + len, *before = "";
	size_t before_len = 0;

	for (const char *s = path; s < end;) {
		const char *slash = memchr(s, '/', (size_t)(end - s));
		size_t n = (size_t)((slash ? slash : end) - s);
		size_t bare = ends(s, n, ".scope") ? n - 6 : n;

		pod_uid_of(s, n, c.pod_uid, sizeof(c.pod_uid));
		for (size_t i = 0; i < ARRAY_SIZE(scopes); i++) {
			size_t p = strlen(scopes[i].prefix);

			if (begins(s, bare, scopes[i].prefix) && is_hex_id(s + p, bare - p)) {
				container_field(c.id, sizeof(c.id), s + p, bare - p);
				container_field(c.runtime, sizeof(c.runtime), scopes[i].runtime,
						strlen(scopes[i].runtime));
			}
		}
		/* The cgroupfs driver: the id alone, below "docker", "default" or a pod. */
		if (is_hex_id(s, n) && n == 64) {
			container_field(c.id, sizeof(c.id), s, n);
			c.runtime[0] = 0;
			if (before_len == 6 && !memcmp(before, "docker", 6))
				memcpy(c.runtime, "docker", sizeof("docker"));
		}
		before = s;
		before_len = n;
		s += n + 1;
	}
	if (!c.id[0])
		return false;
	memcpy(c.source, "cgroup", sizeof("cgroup"));
	*ret = c;
	return true;
}

/* Fields of name between '_'; the last one takes the rest.  How many there are. */
static size_t split(const char *name, size_t len, const char **at, size_t *n, size_t max)
{
	size_t count = 0;

	while (count < max) {
		const char *sep = count + 1 < max ? memchr(name, '_', len) : NULL;

		at[count] = name;
		n[count] = sep ? (size_t)(sep - name) : len;
		count++;
		if (!sep)
			break;
		len -= (size_t)(sep - name) + 1;
		name = sep + 1;
	}
	return count;
}

bool container_of_k8s_name(const char *name, size_t len, struct container *ret)
{
	const char *at[6];
	size_t n[6];

	/* None of a container's, pod's or namespace's name may hold '_'. */
	if (split(name, len, at, n, 6) != 6 || n[0] != 3 || memcmp(at[0], "k8s", 3) != 0)
		return false;
	container_field(ret->name, sizeof(ret->name), at[1], n[1]);
	container_field(ret->pod, sizeof(ret->pod), at[2], n[2]);
	container_field(ret->namespace, sizeof(ret->namespace), at[3], n[3]);
	container_field(ret->pod_uid, sizeof(ret->pod_uid), at[4], n[4]);
	return true;
}

bool container_of_log_name(const char *name, struct container *ret)
{
	size_t len = strlen(name), n[3];
	const char *at[3], *dash;

	if (!ends(name, len, ".log") || split(name, len - 4, at, n, 3) != 3)
		return false;
	dash = memrchr(at[2], '-', n[2]);
	if (!dash)
		return false;
	/* kubelet cuts names that are too long for a file: then the id is short. */
	n[2] -= (size_t)(dash - at[2]) + 1;
	if (n[2] < CONTAINER_ID_MIN || !container_id_ok(dash + 1, n[2]))
		return false;
	container_field(ret->id, sizeof(ret->id), dash + 1, n[2]);
	container_field(ret->pod, sizeof(ret->pod), at[0], n[0]);
	container_field(ret->namespace, sizeof(ret->namespace), at[1], n[1]);
	container_field(ret->name, sizeof(ret->name), at[2], (size_t)(dash - at[2]));
	return true;
}

bool container_of_pod_directory(const char *name, size_t len, struct container *ret)
{
	const char *at[3];
	size_t n[3];

	if (split(name, len, at, n, 3) != 3 || !n[0] || !n[1] || !n[2])
		return false;
	container_field(ret->namespace, sizeof(ret->namespace), at[0], n[0]);
	container_field(ret->pod, sizeof(ret->pod), at[1], n[1]);
	container_field(ret->pod_uid, sizeof(ret->pod_uid), at[2], n[2]);
	return true;
}
