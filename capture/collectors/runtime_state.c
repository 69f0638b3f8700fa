/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "json_pick.h"

#define STATE_CAP (4u << 20) /* one state file */
#define LIST_CAP (16u << 20) /* containers.json of a machine with thousands */
#define ENTRIES_MAX 20000u   /* of one directory */

enum { ID, NAME, NAMES, NAMESPACE, POD, POD_UID, IMAGE, TYPE, METADATA, MANAGER, ELEMENT };

struct found {
	struct runtimes *r;
	struct container c;
	const char *source; /* containers.json: of all its elements */
	bool sandbox;
};

static void put_field(struct found *f, int what, const char *v, size_t len)
{
	struct container *c = &f->c;

	switch (what) {
	case ID:
		if (container_id_ok(v, len))
			container_field(c->id, sizeof(c->id), v, len);
		break;
	case NAME:
		/* docker writes "/name" */
		if (len && *v == '/') {
			v++;
			len--;
		}
		if (!container_of_k8s_name(v, len, c) && !c->name[0])
			container_field(c->name, sizeof(c->name), v, len);
		break;
	case NAMES:
		if (!c->name[0])
			put_field(f, NAME, v, len);
		break;
	case NAMESPACE:
		container_field(c->namespace, sizeof(c->namespace), v, len);
		break;
	case POD:
		container_field(c->pod, sizeof(c->pod), v, len);
		break;
	case POD_UID:
		container_field(c->pod_uid, sizeof(c->pod_uid), v, len);
		break;
	case IMAGE:
		container_field(c->image, sizeof(c->image), v, len);
		break;
	case TYPE:
		f->sandbox = len == 7 && !memcmp(v, "sandbox", 7);
		break;
	case MANAGER:
		if (len == 6 && !memcmp(v, "libpod", 6))
			memcpy(c->runtime, "podman", sizeof("podman"));
		break;
	default:
		break;
	}
}

static void on_field(void *ctx, int what, const char *v, size_t len)
{
	if (v)
		put_field(ctx, what, v, len);
}

static void set_runtime(struct container *c, const char *runtime)
{
	container_field(c->runtime, sizeof(c->runtime), runtime, strlen(runtime));
}

/* What the JSON file at path says, into f.  False when it says nothing. */
static bool pick_file(struct found *f, int dirfd, const char *file, const char *shown,
		      const struct json_want *wants, size_t count)
{
	struct gather *g = f->r->g;
	struct err e = {0};
	_cleanup_fd_ int fd = gather_openat(g->c->root, dirfd, file, O_NOFOLLOW);
	int r;

	if (fd < 0) {
		if (!gather_absent(-fd))
			gather_count(g, shown, -fd);
		return false;
	}
	r = json_pick_fd(fd, STATE_CAP, wants, count, on_field, f, &e);
	if (r < 0) {
		gather_count(g, shown, -r);
		return false;
	}
	g->delivered++;
	return true;
}

/*
 * Each subdirectory of path whose name can be a container's.  fn gets the directory's descriptor,
 * its name, and its path from the root.
 */
static void each_directory(struct runtimes *r, const char *path,
			   void (*fn)(struct runtimes *, int, const char *, const char *))
{
	_cleanup_dir_ DIR *dir = NULL;
	unsigned seen = 0;
	struct dirent *d;
	int fd = gather_open(r->g->c->root, path, O_DIRECTORY);

	if (fd < 0) {
		if (!gather_absent(-fd))
			gather_count(r->g, path, -fd);
		return;
	}
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	r->places++;
	while ((d = readdir(dir)) && !gather_expired(r->clock)) {
		char shown[512];
		int sub;

		if (d->d_name[0] == '.' || (d->d_type != DT_DIR && d->d_type != DT_UNKNOWN))
			continue;
		if (++seen > ENTRIES_MAX) {
			emit_loss(r->g->c->out, "directories beyond the bound", 1);
			continue;
		}
		if (snprintf(shown, sizeof(shown), "%s/%s", path, d->d_name) >= (int)sizeof(shown))
			continue;
		sub = gather_openat(r->g->c->root, dirfd(dir), d->d_name, O_DIRECTORY | O_NOFOLLOW);
		if (sub >= 0) {
			fn(r, sub, d->d_name, shown);
			close(sub);
		} else if (!gather_absent(-sub)) {
			gather_count(r->g, shown, -sub);
		}
	}
}

static void add_found(struct found *f, const char *source)
{
	if (f->sandbox && !f->c.name[0])
		memcpy(f->c.name, "POD", sizeof("POD")); /* as kubelet calls it */
	container_field(f->c.source, sizeof(f->c.source), source, strlen(source));
	if (f->c.id[0])
		container_add(f->r->containers, &f->c);
}

/* ------------------------------------------------------------------ docker */

static void docker_container(struct runtimes *r, int dirfd, const char *name, const char *shown)
{
	static const struct json_want wants[] = {
		{"ID", ID},
		{"Name", NAME},
		{"Config\nImage", IMAGE},
		{"Config\nLabels\nio.kubernetes.container.name", NAMES},
		{"Config\nLabels\nio.kubernetes.pod.name", POD},
		{"Config\nLabels\nio.kubernetes.pod.namespace", NAMESPACE},
		{"Config\nLabels\nio.kubernetes.pod.uid", POD_UID},
	};
	struct found f = {.r = r};
	char file[600];

	snprintf(file, sizeof(file), "%s/config.v2.json", shown);
	if (!pick_file(&f, dirfd, "config.v2.json", file, wants, ARRAY_SIZE(wants)))
		return;
	if (!f.c.id[0] && container_id_ok(name, strlen(name)))
		container_field(f.c.id, sizeof(f.c.id), name, strlen(name));
	set_runtime(&f.c, "docker");
	add_found(&f, file);
}

struct data_root {
	char path[256];
};

static void on_data_root(void *ctx, int what, const char *v, size_t len)
{
	struct data_root *d = ctx;

	if (v && len > 1 && len < sizeof(d->path) && *v == '/')
		container_field(d->path, sizeof(d->path), v + 1, len - 1);
}

void runtime_docker(struct runtimes *r)
{
	static const struct json_want wants[] = {{"data-root", 0}, {"graph", 0}};
	_cleanup_fd_ int fd = gather_open(r->g->c->root, "etc/docker/daemon.json", 0);
	struct data_root d = {"var/lib/docker"};
	char path[300];

	if (fd >= 0)
		json_pick_fd(fd, 64 << 10, wants, ARRAY_SIZE(wants), on_data_root, &d, NULL);
	snprintf(path, sizeof(path), "%s/containers", d.path);
	each_directory(r, path, docker_container);
}

/* ------------------------------------------------------------------ containerd */

static void containerd_task(struct runtimes *r, int dirfd, const char *name, const char *shown)
{
	static const struct json_want wants[] = {
		{"annotations\nio.kubernetes.cri.container-type", TYPE},
		{"annotations\nio.kubernetes.cri.container-name", NAME},
		{"annotations\nio.kubernetes.cri.sandbox-name", POD},
		{"annotations\nio.kubernetes.cri.sandbox-namespace", NAMESPACE},
		{"annotations\nio.kubernetes.cri.sandbox-uid", POD_UID},
		{"annotations\nio.kubernetes.cri.image-name", IMAGE},
		{"annotations\nnerdctl/name", NAMES},
	};
	struct found f = {.r = r};
	char file[600];

	if (!container_id_ok(name, strlen(name)))
		return;
	container_field(f.c.id, sizeof(f.c.id), name, strlen(name));
	snprintf(file, sizeof(file), "%s/config.json", shown);
	if (!pick_file(&f, dirfd, "config.json", file, wants, ARRAY_SIZE(wants)))
		return;
	/* Docker's containers run under containerd in a namespace of that name. */
	set_runtime(&f.c, strstr(shown, "/moby/") ? "docker" : "containerd");
	add_found(&f, file);
}

static void containerd_namespace(struct runtimes *r, int dirfd, const char *name, const char *shown)
{
	each_directory(r, shown, containerd_task);
}

void runtime_containerd(struct runtimes *r)
{
	static const char *const states[] = {
		"run/containerd/io.containerd.runtime.v2.task",
		"run/containerd/io.containerd.runtime.v1.linux",
		"run/k3s/containerd/io.containerd.runtime.v2.task",
	};

	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		each_directory(r, states[i], containerd_namespace);
}

/* ------------------------------------------------------------------ podman and CRI-O */

/* containers.json: an array of containers, whose "metadata" is JSON in a string. */
static void on_stored(void *ctx, int what, const char *v, size_t len)
{
	static const struct json_want metadata[] = {
		{"name", NAMES},
		{"image-name", IMAGE},
	};
	struct found *f = ctx;
	struct found inner = {.r = f->r};

	if (what == ELEMENT && !v) {
		/* podman's pods have an infra container like CRI-O's, but kubelet's names are k8s_.
		 */
		set_runtime(&f->c, f->c.pod[0] ? "cri-o" : "podman");
		add_found(f, f->source);
		*f = (struct found){.r = f->r, .source = f->source};
		return;
	}
	if (!v)
		return;
	if (what != METADATA) {
		put_field(f, what, v, len);
		return;
	}
	if (json_pick_text(v, len, metadata, ARRAY_SIZE(metadata), on_field, &inner, NULL) < 0)
		return;
	if (inner.c.pod[0] || !f->c.name[0])
		put_field(f, NAME, inner.c.name, strlen(inner.c.name));
	put_field(f, IMAGE, inner.c.image, strlen(inner.c.image));
}

static void storage_list(struct runtimes *r, const char *file)
{
	static const struct json_want wants[] = {
		{"*\nid", ID},
		{"*\nnames\n*", NAMES},
		{"*\nmetadata", METADATA},
		{"*", ELEMENT},
	};
	struct found f = {.r = r, .source = file};
	_cleanup_fd_ int fd = gather_open(r->g->c->root, file, O_NOFOLLOW);
	int error = fd < 0 ? fd : 0;

	if (fd >= 0) {
		r->g->delivered++;
		error = json_pick_fd(fd, LIST_CAP, wants, ARRAY_SIZE(wants), on_stored, &f, NULL);
	}
	if (error < 0 && !gather_absent(-error))
		gather_count(r->g, file, -error);
}

static void storage_container(struct runtimes *r, int dirfd, const char *name, const char *shown)
{
	static const struct json_want wants[] = {
		{"annotations\nio.kubernetes.cri-o.ContainerType", TYPE},
		{"annotations\nio.kubernetes.container.name", NAME},
		{"annotations\nio.kubernetes.pod.name", POD},
		{"annotations\nio.kubernetes.pod.namespace", NAMESPACE},
		{"annotations\nio.kubernetes.pod.uid", POD_UID},
		{"annotations\nio.kubernetes.cri-o.ImageName", IMAGE},
		{"annotations\nio.container.manager", MANAGER},
	};
	struct found f = {.r = r};
	char file[600];

	if (!container_id_ok(name, strlen(name)))
		return;
	container_field(f.c.id, sizeof(f.c.id), name, strlen(name));
	snprintf(file, sizeof(file), "%s/userdata/config.json", shown);
	if (!pick_file(&f, dirfd, "userdata/config.json", file, wants, ARRAY_SIZE(wants)))
		return;
	if (f.c.pod[0])
		set_runtime(&f.c, "cri-o");
	add_found(&f, file);
}

void runtime_storage(struct runtimes *r)
{
	static const char *const roots[] = {
		"run/containers/storage/overlay-containers",
		"var/lib/containers/storage/overlay-containers",
	};
	static const char *const lists[] = {
		"var/lib/containers/storage/overlay-containers/containers.json",
		"var/lib/containers/storage/overlay-containers/volatile-containers.json",
		"run/containers/storage/overlay-containers/volatile-containers.json",
	};

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
		each_directory(r, roots[i], storage_container);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		storage_list(r, lists[i]);
}

/* ------------------------------------------------------------------ kubelet */

static void kubelet_pod(struct runtimes *r, int dirfd, const char *name, const char *shown)
{
	struct container pod = {0};

	if (container_of_pod_directory(name, strlen(name), &pod))
		container_add(r->pods, &pod);
}

/* Links that name the container; they are read, never followed. */
static void kubelet_logs(struct runtimes *r)
{
	static const char path[] = "var/log/containers";
	_cleanup_dir_ DIR *dir = NULL;
	unsigned seen = 0;
	struct dirent *d;
	int fd = gather_open(r->g->c->root, path, O_DIRECTORY);

	if (fd < 0) {
		if (!gather_absent(-fd))
			gather_count(r->g, path, -fd);
		return;
	}
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	r->places++;
	while ((d = readdir(dir)) && !gather_expired(r->clock)) {
		struct container c = {0};
		char target[512];
		const char *pod;
		ssize_t n;

		if (!container_of_log_name(d->d_name, &c))
			continue;
		if (++seen > ENTRIES_MAX) {
			emit_loss(r->g->c->out, "links beyond the bound", 1);
			continue;
		}
		/* …/NAMESPACE_POD_UID/CONTAINER/0.log */
		n = readlinkat(dirfd(dir), d->d_name, target, sizeof(target) - 1);
		if (n > 0) {
			struct container of = {0};

			target[n] = 0;
			pod = strstr(target, "/pods/");
			if (pod && container_of_pod_directory(pod + 6, strcspn(pod + 6, "/"), &of))
				memcpy(c.pod_uid, of.pod_uid, sizeof(c.pod_uid));
		}
		memcpy(c.source, path, sizeof(path));
		container_add(r->containers, &c);
	}
}

void runtime_kubelet(struct runtimes *r)
{
	kubelet_logs(r);
	each_directory(r, "var/log/pods", kubelet_pod);
}
