/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pods.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sys.h"

static bool part(const char **at, char *out, size_t cap, bool last)
{
	size_t n = last ? strlen(*at) : strcspn(*at, "_");

	if (n == 0 || n >= cap || (!last && (*at)[n] != '_'))
		return false;
	memcpy(out, *at, n);
	out[n] = '\0';
	*at += n + !last;
	return true;
}

bool pods_split(const char *dir, char ns[128], char name[128], char uid[PODS_UID])
{
	return part(&dir, ns, 128, false) && part(&dir, name, 128, false) &&
	       part(&dir, uid, PODS_UID, true) && !strpbrk(uid, "_/");
}

bool pods_is_cgroup(const char *dir, const char *uid)
{
	const char *at = dir, *start = dir;
	size_t n = strlen(uid);

	while ((at = strstr(at, "pod"))) {
		size_t i = 0;

		if (at == start || at[-1] == '-') {
			while (i < n &&
			       (at[3 + i] == uid[i] || (uid[i] == '-' && at[3 + i] == '_')))
				i++;
			if (i == n && (at[3 + n] == '\0' || strcmp(at + 3 + n, ".slice") == 0))
				return true;
		}
		at += 3;
	}
	return false;
}

struct search {
	const char *uid;
	int dir;
	unsigned depth;
	char *path; /* 256 bytes, of dir */
	bool found;
};

static int look_in(void *ctx, const char *name);

static bool search_below(struct search *s)
{
	char buf[1024];

	each_name(s->dir, DT_DIR, buf, sizeof(buf), look_in, s);
	return s->found;
}

static int look_in(void *ctx, const char *name)
{
	struct search *s = ctx, below;
	size_t n = strlen(s->path);

	if (snprintf(s->path + n, 256 - n, "/%s", name) < (int)(256 - n)) {
		if (pods_is_cgroup(name, s->uid)) {
			s->found = true;
			return 1;
		}
		/* kubepods may itself lie below something (kind, minikube, a slice of a tenant) */
		if (s->depth < 5 && (s->depth > 0 ? strstr(s->path, "kube") != NULL : true)) {
			below = *s;
			below.depth++;
			below.dir = openat(s->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (below.dir >= 0) {
				s->found = search_below(&below);
				close(below.dir);
				if (s->found)
					return 1;
			}
		}
	}
	s->path[n] = '\0';
	return 0;
}

static bool cgroup_of(const struct hierarchy *h, const char *uid, char path[256])
{
	struct search s = {.uid = uid, .path = path, .dir = h->fd};

	path[0] = '\0';
	return search_below(&s);
}

struct listing {
	struct pods *pods;
	const struct hierarchy *h;
	const struct config *config;
};

static int one_dir(void *ctx, const char *dir)
{
	struct listing *l = ctx;
	char ns[128], name[128], uid[PODS_UID];

	if (!pods_split(dir, ns, name, uid))
		return 0;
	for (unsigned i = 0; i < l->config->n_policies; i++) {
		const struct policy *p = &l->config->policies[i];
		struct pod *pod = &l->pods->found[l->pods->n];

		if (p->kind != SCOPE_POD || strcmp(p->where, ns) != 0 ||
		    !pattern_match(&l->config->pool, p->pod, name, strlen(name)))
			continue;
		if (l->pods->n == PODS_MAX) {
			l->pods->overflow = true;
			return 1;
		}
		/* The kubelet leaves the directory of a pod that has gone for a while. */
		if (!cgroup_of(l->h, uid, pod->path))
			continue;
		pod->policy = i;
		snprintf(pod->name, sizeof(pod->name), "%.60s/%.64s", ns, name);
		l->pods->n++;
	}
	return 0;
}

void pods_find(struct pods *p, const struct sysroot *root, const struct hierarchy *h,
	       const struct config *c)
{
	struct listing l = {.pods = p, .h = h, .config = c};
	char buf[4096];
	int dir;

	p->n = 0;
	p->overflow = false;
	if (h->fd < 0)
		return;
	dir = openat(root->root_fd, "var/log/pods", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return;
	each_name(dir, DT_DIR, buf, sizeof(buf), one_dir, &l);
	close(dir);
}
