/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hierarchy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/proc.h"
#include "gather.h"

#define MOUNTINFO_CAP (4u << 20)

/* A word of a comma-separated list. */
static bool has_word(const char *list, size_t len, const char *word)
{
	size_t n = strlen(word);

	while (len) {
		const char *comma = memchr(list, ',', len);
		size_t item = comma ? (size_t)(comma - list) : len;

		if (item == n && !memcmp(list, word, n))
			return true;
		if (!comma)
			return false;
		len -= item + 1;
		list = comma + 1;
	}
	return false;
}

/* The mount of the whole hierarchy is better than one of a subtree; then the first one is. */
static bool better(const struct hierarchy *old, const char *prefix)
{
	return !old->name || strlen(prefix) < strlen(old->prefix);
}

static void consider(struct hierarchy *h, bool v2, const struct mountinfo *m)
{
	const char *prefix = strcmp(m->root, "/") ? m->root : "";
	const char *mount = m->mountpoint + strspn(m->mountpoint, "/");

	if (!better(h, prefix) || strlen(mount) >= sizeof(h->mount) ||
	    strlen(prefix) >= sizeof(h->prefix))
		return;
	*h = (struct hierarchy){.name = v2 ? "unified" : "memory", .v2 = v2};
	memcpy(h->mount, mount, strlen(mount) + 1);
	memcpy(h->prefix, prefix, strlen(prefix) + 1);
}

static void from_mountinfo(char *text, struct hierarchy *v1, struct hierarchy *v2)
{
	char *pos = text, *line;

	while ((line = next_line(&pos))) {
		struct mountinfo m;

		if (parse_mountinfo_line(line, &m) < 0)
			continue;
		if (!strcmp(m.fstype, "cgroup2"))
			consider(v2, true, &m);
		else if (!strcmp(m.fstype, "cgroup") &&
			 has_word(m.super_options, strlen(m.super_options), "memory"))
			consider(v1, false, &m);
	}
}

static void from_usual_place(const struct sysroot *r, struct hierarchy *h, bool v2,
			     const char *mount, const char *proof)
{
	char path[600];
	int fd;

	if (h->name)
		return;
	snprintf(path, sizeof(path), "%s/%s", mount, proof);
	fd = gather_open(r, path, 0);
	if (fd < 0)
		return;
	close(fd);
	*h = (struct hierarchy){.name = v2 ? "unified" : "memory", .v2 = v2};
	snprintf(h->mount, sizeof(h->mount), "%s", mount);
}

size_t hierarchies_find(const struct sysroot *r, struct hierarchy out[HIERARCHIES_MAX])
{
	static const char *const sources[] = {"proc/self/mountinfo", "proc/1/mountinfo"};
	_cleanup_free_ char *text = malloc(MOUNTINFO_CAP);
	struct hierarchy v1 = {0}, v2 = {0};
	size_t count = 0;

	/* In a recording "self" was whoever recorded; the live one is us. */
	for (size_t i = 0; text && i < ARRAY_SIZE(sources) && !v1.name && !v2.name; i++)
		if (gather_read(r, sources[i], text, MOUNTINFO_CAP, NULL) > 0)
			from_mountinfo(text, &v1, &v2);
	if (!v1.name && !v2.name) {
		from_usual_place(r, &v1, false, "sys/fs/cgroup/memory", "memory.usage_in_bytes");
		from_usual_place(r, &v2, true, "sys/fs/cgroup", "cgroup.controllers");
		from_usual_place(r, &v2, true, "sys/fs/cgroup/unified", "cgroup.controllers");
	}
	if (v1.name)
		out[count++] = v1;
	if (v2.name)
		out[count++] = v2;
	return count;
}

int hierarchy_path(const struct hierarchy *h, size_t count, const char *arg, char *out, size_t cap)
{
	const char *prefix = "";
	struct sbuf b = {.p = out, .cap = cap};

	for (size_t i = 0; i < count && *arg == '/'; i++) {
		size_t n = strlen(h[i].mount);
		const char *rest = arg + 1 + n;

		if (!strncmp(arg + 1, h[i].mount, n) && (!*rest || *rest == '/')) {
			prefix = h[i].prefix;
			arg = rest;
			break;
		}
	}
	sbuf_reset(&b);
	sbuf_puts(&b, prefix);
	while (*arg) {
		size_t n = strcspn(arg, "/");

		if (n == 2 && !memcmp(arg, "..", 2))
			return -EINVAL;
		if (n && !(n == 1 && *arg == '.')) {
			sbuf_putc(&b, '/');
			sbuf_put(&b, arg, n);
		}
		arg += n + (arg[n] == '/');
	}
	if (!b.len)
		sbuf_putc(&b, '/');
	return b.truncated ? -ENAMETOOLONG : 0;
}

bool hierarchy_below(const char *path, const char *group)
{
	size_t n = strlen(group);

	if (!strcmp(group, "/"))
		return true;
	return !strncmp(path, group, n) && (!path[n] || path[n] == '/');
}

const char *hierarchy_of_process(const char *text, bool v2, size_t *ret_len)
{
	while (*text) {
		const char *end = strchrnul(text, '\n');
		const char *list = memchr(text, ':', (size_t)(end - text));
		const char *path = list ? memchr(list + 1, ':', (size_t)(end - list - 1)) : NULL;

		if (path) {
			size_t len = (size_t)(path - list - 1);

			if (v2 ? !len : has_word(list + 1, len, "memory")) {
				*ret_len = (size_t)(end - path - 1);
				return path + 1;
			}
		}
		text = *end ? end + 1 : end;
	}
	return NULL;
}
