/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of collectors: a fake root in a temporary directory, one run of a collector against
 * the real emit API, and what came out of it.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../capture/base/cleanup.h"
#include "../../capture/base/clock.h"
#include "../../capture/bundle/reader.h"
#include "../../capture/collect.h"
#include "../../capture/child/emit.h"
#include "../../capture/child/frame.h"
#include "../../capture/redact.h"

/* ------------------------------------------------------------------ the tree */

static char tree[64];

static inline void tree_create(void)
{
	snprintf(tree, sizeof(tree), "/tmp/ossnap-tree.XXXXXX");
	assert_non_null(mkdtemp(tree));
	assert_int_equal(chmod(tree, 0755), 0);
}

static inline int tree_remove_one(const char *path, const struct stat *st, int flag,
				  struct FTW *ftw)
{
	return remove(path);
}

static inline void tree_remove(void)
{
	nftw(tree, tree_remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

/* The full path of a place in the tree, with the directories above it made. */
static inline const char *tree_path(const char *path)
{
	static char full[8192];

	snprintf(full, sizeof(full), "%s/%s", tree, path);
	for (char *p = full + strlen(tree) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		if (mkdir(full, 0755) && errno != EEXIST)
			fail_msg("mkdir %s: %s", full, strerror(errno));
		*p = '/';
	}
	return full;
}

static inline void tree_data(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(tree_path(path), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static inline void tree_put(const char *path, const char *text)
{
	tree_data(path, text, strlen(text));
}

static inline void tree_link(const char *path, const char *target)
{
	assert_int_equal(symlink(target, tree_path(path)), 0);
}

static inline void tree_fifo(const char *path)
{
	assert_int_equal(mkfifo(tree_path(path), 0644), 0);
}

static inline void tree_mode(const char *path, mode_t mode)
{
	assert_int_equal(chmod(tree_path(path), mode), 0);
}

/* ------------------------------------------------------------------ what came out */

struct out_member {
	char *name, *data;
	size_t len;
	bool truncated;
};

static struct {
	struct out_member members[512];
	size_t member_count;
	enum collector_status status;
	int no;
	char reason[FRAME_TEXT_MAX + 1];
	char notes[4096];
	uint64_t lost, redacted;
	int result;
} out;

static inline void out_clear(void)
{
	for (size_t i = 0; i < out.member_count; i++) {
		free(out.members[i].name);
		free(out.members[i].data);
	}
	memset(&out, 0, sizeof(out));
}

static inline char *out_take(int fd, size_t len)
{
	char *p = calloc(1, len + 1);

	assert_non_null(p);
	for (size_t got = 0; got < len;) {
		ssize_t n = read(fd, p + got, len - got);

		assert_true(n > 0);
		got += (size_t)n;
	}
	return p;
}

static inline void out_read(int fd)
{
	struct frame_header h;

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	while (read(fd, &h, sizeof(h)) == sizeof(h)) {
		assert_int_equal(h.magic, FRAME_MAGIC);
		char *name = out_take(fd, h.name_len), *data = out_take(fd, h.data_len);

		switch (h.type) {
		case FRAME_MEMBER:
			assert_true(out.member_count < 512);
			for (size_t i = 0; i < out.member_count; i++)
				assert_string_not_equal(out.members[i].name, name);
			out.members[out.member_count++] =
				(struct out_member){name, data, h.data_len, h.value};
			name = data = NULL;
			break;
		case FRAME_STATUS:
			out.status = h.value;
			out.no = h.no;
			snprintf(out.reason, sizeof(out.reason), "%s", data);
			break;
		case FRAME_LOSS:
			out.lost += h.count;
			break;
		case FRAME_NOTE:
			strncat(out.notes, data, sizeof(out.notes) - strlen(out.notes) - 2);
			strcat(out.notes, "\n");
			break;
		case FRAME_REDACTED:
			out.redacted += h.count;
			break;
		default:
			fail_msg("frame %u", h.type);
		}
		free(name);
		free(data);
	}
}

/* stop_fd: as in struct collect.  Deadline: after_ms from now. */
static inline void run_collector_for(const struct collector *t, const struct capture_options *o,
				     const char *root_dir, int stop_fd, unsigned after_ms)
{
	const struct capture_options none = {.redact = REDACT_DEFAULT};
	const struct redactor redactor = {.level = o ? o->redact : REDACT_DEFAULT};
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct sysroot root;
	struct err e = {0};
	FILE *file = tmpfile();
	struct collect c = {.options = o ? o : &none,
			    .root = &root,
			    .redactor = &redactor,
			    .window_start_ns = now,
			    .window_end_ns = now,
			    .deadline_ns = now + after_ms * NSEC_PER_MSEC,
			    .memory_limit = 16 << 20,
			    .stop_fd = stop_fd};

	assert_non_null(file);
	if (sysroot_open(&root, root_dir, &e) < 0)
		fail_msg("%s", e.text);
	c.out = emit_create(fileno(file), 0);
	assert_non_null(c.out);
	out_clear();
	if (t->start)
		out.result = t->start(&c);
	if (!out.result && t->write)
		out.result = t->write(&c);
	assert_int_equal(emit_finish(c.out), 0);
	emit_destroy(c.out);
	out_read(fileno(file));
	fclose(file);
	sysroot_close(&root);
}

static inline void run_collector(const struct collector *t, const struct capture_options *o)
{
	run_collector_for(t, o, tree, -1, 20000);
}

/* The n-th member whose name is prefix or begins with "prefix.".  NULL when there is none. */
static inline const struct out_member *out_member(const char *prefix, size_t n)
{
	size_t len = strlen(prefix);

	for (size_t i = 0; i < out.member_count; i++) {
		const char *name = out.members[i].name;

		if (!strncmp(name, prefix, len) && (!name[len] || name[len] == '.') && !n--)
			return &out.members[i];
	}
	return NULL;
}

/* An entry of a pack as a string (it may hold NUL: see *len), or NULL.  Static. */
static inline const char *out_entry(const struct out_member *m, const char *name, size_t *ret_len,
				    int *ret_no)
{
	static char text[1 << 20];
	struct pack_entry e;
	size_t pos = 0;
	int r;

	assert_non_null(m);
	while ((r = pack_next(m->data, m->len, &pos, &e)) > 0) {
		if (e.name_len != strlen(name) || memcmp(e.name, name, e.name_len) != 0)
			continue;
		assert_true(e.data_len < sizeof(text));
		memcpy(text, e.data, e.data_len);
		text[e.data_len] = 0;
		if (ret_len)
			*ret_len = e.data_len;
		if (ret_no)
			*ret_no = e.no;
		return text;
	}
	assert_int_equal(r, 0);
	return NULL;
}

/* The last entry of that name in any pack of that name. */
static inline const char *out_find(const char *prefix, const char *name, size_t *ret_len,
				   int *ret_no)
{
	const struct out_member *m, *last = NULL;

	for (size_t n = 0; (m = out_member(prefix, n)); n++)
		if (out_entry(m, name, NULL, NULL))
			last = m;
	return last ? out_entry(last, name, ret_len, ret_no) : NULL;
}

static inline size_t out_entries(const struct out_member *m)
{
	struct pack_entry e;
	size_t pos = 0, count = 0;

	assert_non_null(m);
	while (pack_next(m->data, m->len, &pos, &e) > 0)
		count++;
	return count;
}

static inline int with_tree(void **state)
{
	tree_create();
	tree_put("proc/meminfo", "MemTotal:       16384 kB\n");
	mkdir(tree_path("sys"), 0755);
	return 0;
}

static inline int without_tree(void **state)
{
	out_clear();
	tree_remove();
	return 0;
}

#define TREE_TEST(f) cmocka_unit_test_setup_teardown(f, with_tree, without_tree)
