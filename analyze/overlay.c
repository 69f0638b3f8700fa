/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "../capture/base/cleanup.h"
#include "overlay.h"

/*
 * mountinfo writes a comma inside a path as \054, but by the time it is a fact the escapes are
 * gone.  So a value ends not at the next comma but at the next comma before a word that overlayfs
 * or the VFS puts into super options.
 */
static const char *const words[] = {
	"rw",
	"ro",
	"lowerdir",
	"lowerdir+",
	"datadir+",
	"upperdir",
	"workdir",
	"index",
	"nfs_export",
	"xino",
	"metacopy",
	"redirect_dir",
	"userxattr",
	"volatile",
	"uuid",
	"verity",
	"fsync",
	"default_permissions",
	"override_creds",
	"nooverride_creds",
	"seclabel",
	"context",
	"fscontext",
	"defcontext",
	"rootcontext",
	"lazytime",
	"sync",
	"dirsync",
	"mand",
};

static bool option_starts(const char *s)
{
	size_t len = strcspn(s, "=,");

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strlen(words[i]) == len && !memcmp(words[i], s, len))
			return true;
	return false;
}

static const char *option_end(const char *s)
{
	for (const char *p = s; (p = strchr(p, ',')) != NULL; p++)
		if (option_starts(p + 1))
			return p;
	return s + strlen(s);
}

struct layers {
	struct arena *arena;
	struct overlay_layer *out;
	size_t count, max;
	const char *base; /* of relative lower directories, NULL: not known */
	size_t base_len;
};

/* One directory, with "\:" and "\\" still in it. */
static void add(struct layers *l, const char *s, size_t len, bool upper)
{
	if (len == 0 || l->count == l->max)
		return;
	char *path;

	if (*s == '/') {
		path = arena_strndup(l->arena, s, len);
	} else {
		if (!l->base)
			return;
		path = arena_printf(l->arena, "%.*s/%.*s", (int)l->base_len, l->base, (int)len, s);
	}
	size_t n = 0;

	for (const char *p = path; *p; p++) {
		if (*p == '\\' && (p[1] == ':' || p[1] == '\\' || p[1] == ','))
			p++;
		path[n++] = *p;
	}
	while (n > 1 && path[n - 1] == '/')
		n--;
	path[n] = '\0';
	if (n > 1)
		l->out[l->count++] = (struct overlay_layer){path, upper};
}

/* containerd changes into a directory and mounts with lowerdir=12/fs:11/fs when the options would
 * not fit a page; the upper directory beside them, always absolute, says which directory it was. */
static void relative_base(struct layers *l, const char *upper, size_t upper_len, const char *lower,
			  size_t lower_len)
{
	size_t up = 1;

	l->base = NULL;
	if (!upper || lower_len == 0 || *lower == '/')
		return;
	for (size_t i = 0; i < lower_len; i++)
		up += lower[i] == '/';
	while (up && upper_len) {
		if (upper[--upper_len] == '/')
			up--;
	}
	if (up || upper_len == 0)
		return;
	l->base = upper;
	l->base_len = upper_len;
}

static size_t lower_length(const char *s, size_t avail)
{
	size_t n = 0;

	while (n < avail && s[n] != ':')
		n += s[n] == '\\' && n + 1 < avail ? 2 : 1;
	return n;
}

size_t overlay_layers(struct arena *a, const char *super_options, struct overlay_layer *out,
		      size_t max)
{
	struct layers l = {.arena = a, .out = out, .max = max};
	const char *upper = NULL, *s, *end;
	size_t upper_len = 0;

	for (s = super_options; s && *s; s = *end ? end + 1 : end) {
		end = option_end(s);
		if (!strncmp(s, "upperdir=", 9)) {
			upper = s + 9;
			upper_len = (size_t)(end - upper);
			add(&l, upper, upper_len, true);
		}
	}
	for (s = super_options; s && *s; s = *end ? end + 1 : end) {
		const char *p;

		end = option_end(s);
		if (!strncmp(s, "lowerdir+=", 10) || !strncmp(s, "datadir+=", 9)) {
			p = strchr(s, '=') + 1; /* one directory, colons and all */
			add(&l, p, (size_t)(end - p), false);
		} else if (!strncmp(s, "lowerdir=", 9)) {
			for (p = s + 9; p < end;) {
				size_t len = lower_length(p, (size_t)(end - p));

				relative_base(&l, upper, upper_len, p, len);
				add(&l, p, len, false);
				p += len < (size_t)(end - p) ? len + 1 : len;
			}
		}
	}
	return l.count;
}
