/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int flush(struct output *o)
{
	size_t done = 0;

	while (done < o->len) {
		ssize_t n = write(o->fd, o->buf + done, o->len - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	o->len = 0;
	return 0;
}

int output_write(void *ctx, const void *data, size_t len)
{
	struct output *o = ctx;
	int r;

	while (len) {
		size_t n = sizeof(o->buf) - o->len;

		if (n > len)
			n = len;
		memcpy(o->buf + o->len, data, n);
		o->len += n;
		data = (const char *)data + n;
		len -= n;
		if (o->len == sizeof(o->buf)) {
			r = flush(o);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* A file of its own name beside the place.  The report has the archive's command lines and paths:
 * like the archive, it is for nobody else. */
static int open_temporary(struct output *o)
{
	mode_t mask = umask(0);

	umask(mask);
	if (asprintf(&o->temporary, "%s.XXXXXX", o->path) < 0) {
		o->temporary = NULL;
		return -ENOMEM;
	}
	o->fd = mkostemp(o->temporary, O_CLOEXEC);
	if (o->fd < 0) {
		int r = -errno;

		free(o->temporary);
		o->temporary = NULL;
		return r;
	}
	return fchmod(o->fd, 0600 & ~mask) < 0 ? -errno : 0;
}

static int open_place(struct output *o, const char *path)
{
	struct stat st;

	/* Through a link to the file it means; what does not exist yet is taken by its name. */
	o->path = realpath(path, NULL);
	if (!o->path && errno == ENOENT)
		o->path = strdup(path);
	if (!o->path)
		return -errno;
	if (stat(o->path, &st) < 0)
		return errno == ENOENT ? open_temporary(o) : -errno;
	if (S_ISREG(st.st_mode))
		return open_temporary(o);
	/* Never rename over /dev/null. */
	o->fd = open(o->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return o->fd < 0 ? -errno : 0;
}

int output_open(struct output **ret, const char *path, struct err *e)
{
	struct output *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return err_errno(e, ENOMEM, path);
	o->fd = -1;
	if (!strcmp(path, "-")) {
		o->fd = dup(STDOUT_FILENO);
		r = o->fd < 0 ? -errno : 0;
	} else {
		r = open_place(o, path);
	}
	if (r < 0) {
		output_destroy(o);
		return err_errno(e, r, strcmp(path, "-") ? path : "standard output");
	}
	*ret = o;
	return 0;
}

int output_finish(struct output *o, struct err *e)
{
	int r = flush(o);

	/* A quota or NFS may speak up only here. */
	if (close(o->fd) < 0 && r == 0)
		r = -errno;
	o->fd = -1;
	if (r == 0 && o->temporary && rename(o->temporary, o->path) < 0)
		r = -errno;
	if (r < 0)
		return err_errno(e, r, o->path ? o->path : "standard output");
	free(o->temporary);
	o->temporary = NULL;
	return 0;
}

void output_destroy(struct output *o)
{
	if (!o)
		return;
	if (o->fd >= 0)
		close(o->fd);
	if (o->temporary)
		unlink(o->temporary);
	free(o->temporary);
	free(o->path);
	free(o);
}

char *output_default_path(const char *archive, bool fleet)
{
	static const char *const ends[] = {".tar.zst", ".tar.zst.partial", ".zst"};
	size_t len = strlen(archive);
	char *path = NULL;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t end = strlen(ends[i]);

		if (len <= end || strcmp(archive + len - end, ends[i]) != 0 ||
		    archive[len - end - 1] == '/')
			continue;
		len -= end;
		break;
	}
	if (asprintf(&path, "%.*s%s.html", (int)len, archive, fleet ? "-fleet" : "") < 0)
		return NULL;
	return path;
}

bool output_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}
