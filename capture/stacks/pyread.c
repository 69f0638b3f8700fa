/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pyread.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../heap/regions.h"

#define FILES_MAX 4096u /* mapped by one process */

/* ------------------------------------------------------------------ the helper */

/* "55d0c8a00000-55d0c8a02000 r--p 00000000 fe:00 1234    /usr/bin/x": where a file begins. */
static bool take_line(const char *line, struct region *ret)
{
	uint64_t start, end, offset;
	const char *name;
	char *p;
	bool readable;

	start = strtoull(line, &p, 16);
	if (*p != '-')
		return false;
	end = strtoull(p + 1, &p, 16);
	if (strnlen(p, 6) < 6)
		return false;
	readable = p[1] == 'r';
	offset = strtoull(p + 6, &p, 16);
	name = strrchr(p, '/');
	if (offset || !name)
		return false;
	*ret = (struct region){
		.start = start, .end = end, .kind = REGION_FILE, .readable = readable};
	snprintf(ret->name, sizeof(ret->name), "%.*s", REGION_NAME - 1, name + 1);
	return true;
}

/* Where each file that pid maps begins, into rows.  How many, or a negative errno. */
static int read_files(int proc_fd, pid_t pid, struct region *rows)
{
	char path[32], line[4096 + 256];
	_cleanup_file_ FILE *f = NULL;
	int fd, n = 0;

	snprintf(path, sizeof(path), "%d/maps", (int)pid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	while (n < (int)FILES_MAX && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		n += take_line(line, &rows[n]);
	}
	return n;
}

static int find_build(int proc_fd, struct pyread *q)
{
	struct remote r = {.pid = q->pids[0], .pagemap_fd = -1};
	struct regions regions = {.rows = calloc(FILES_MAX, sizeof(*regions.rows))};
	int n;

	if (!regions.rows)
		return -ENOMEM;
	n = read_files(proc_fd, q->pids[0], regions.rows);
	if (n > 0) {
		regions.count = (size_t)n;
		n = python_build_find(&q->build, &r, &regions, q->reason, sizeof(q->reason));
	}
	free(regions.rows);
	return n;
}

static void read_places(struct pyread *q)
{
	struct python_place *place = malloc(sizeof(*place));
	uint32_t used = 0;

	for (uint32_t i = 0; i < q->count && i < PYREAD_PLACES; i++) {
		struct pyread_place *p = &q->places[i];
		size_t name, file;

		*p = (struct pyread_place){.no = -ENOMEM};
		for (unsigned k = 0; place && p->no && k < PYREAD_WITNESSES && q->pids[k]; k++) {
			struct remote r = {.pid = q->pids[k], .pagemap_fd = -1};

			p->no = python_place_read(place, &q->build, &r, q->words[2 * i],
						  q->words[2 * i + 1]);
		}
		if (p->no)
			continue;
		name = strnlen(place->name, sizeof(place->name) - 1) + 1;
		file = strnlen(place->file, sizeof(place->file) - 1) + 1;
		if (name + file > PYREAD_TEXT - used) {
			p->no = -ENOBUFS;
			continue;
		}
		place->name[name - 1] = place->file[file - 1] = 0;
		memcpy(q->text + used, place->name, name);
		memcpy(q->text + used + name, place->file, file);
		p->name = used;
		p->file = used + (uint32_t)name;
		used += (uint32_t)(name + file);
		p->first_line = place->first_line;
		p->line = place->line;
	}
	free(place);
}

/* By the name of the file that runs: most others need not be looked into. */
static int list(int proc_fd, struct pyread *q)
{
	int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	uint32_t n = 0;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	while ((e = readdir(d)) && (n + 1) * sizeof(n) <= sizeof(q->text)) {
		uint32_t pid = (uint32_t)strtoul(e->d_name, NULL, 10);
		char path[32], exe[4096];
		const char *name;
		ssize_t len;

		if (!pid)
			continue;
		snprintf(path, sizeof(path), "%u/exe", pid);
		len = readlinkat(proc_fd, path, exe, sizeof(exe) - 1);
		if (len <= 0)
			continue;
		exe[len] = 0;
		name = strrchr(exe, '/');
		if (!name || !strstr(name, "python"))
			continue;
		memcpy(q->text + n++ * sizeof(pid), &pid, sizeof(pid));
	}
	return (int)n;
}

static void serve(int proc_fd, void *shared)
{
	struct pyread *q = shared;

	q->reason[0] = 0;
	if (q->what == PYREAD_BUILD)
		q->no = find_build(proc_fd, q);
	else if (q->what == PYREAD_LIST)
		q->no = list(proc_fd, q);
	else
		read_places(q);
}

/* ------------------------------------------------------------------ the asker */

int pyread_create(struct helper **ret, const struct sysroot *root)
{
	return helper_create(ret, root, sizeof(struct pyread), serve);
}

int pyread_list(struct helper *h, uint32_t *ret, uint32_t room)
{
	struct pyread *q = helper_shared(h);
	int r;

	q->what = PYREAD_LIST;
	r = helper_ask(h);
	if (r < 0 || q->no < 0)
		return r < 0 ? r : q->no;
	if ((uint32_t)q->no > sizeof(q->text) / sizeof(*ret))
		return -EPROTO;
	room = (uint32_t)q->no < room ? (uint32_t)q->no : room;
	memcpy(ret, q->text, room * sizeof(*ret));
	return (int)room;
}

int pyread_build(struct helper *h, uint32_t pid, struct python_build *ret, char *reason, size_t cap)
{
	struct pyread *q = helper_shared(h);
	int r;

	q->what = PYREAD_BUILD;
	q->pids[0] = (int32_t)pid;
	r = helper_ask(h);
	if (r < 0)
		return r;
	q->reason[sizeof(q->reason) - 1] = 0;
	snprintf(reason, cap, "%s", q->reason);
	if (q->no == 1)
		*ret = q->build;
	return q->no;
}

int pyread_places(struct helper *h, uint32_t pid, uint32_t witness, const struct python_build *b,
		  const uint64_t *words, uint32_t count, const struct pyread **ret)
{
	struct pyread *q = helper_shared(h);
	int r;

	if (count > PYREAD_PLACES)
		return -E2BIG;
	q->what = PYREAD_PLACE;
	q->pids[0] = (int32_t)pid;
	q->pids[1] = (int32_t)witness;
	q->build = *b;
	q->count = count;
	memcpy(q->words, words, 2 * sizeof(*words) * count);
	r = helper_ask(h);
	if (r < 0)
		return r;
	/* It looked into hostile memory: what it says is checked. */
	q->text[sizeof(q->text) - 1] = 0;
	for (uint32_t i = 0; i < count; i++)
		if (!q->places[i].no &&
		    (q->places[i].name >= PYREAD_TEXT || q->places[i].file >= PYREAD_TEXT))
			return -EPROTO;
	*ret = q;
	return 0;
}
