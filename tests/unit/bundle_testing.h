/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the archive share: scratch directories, children, and forged content. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../capture/bundle/verify.h"
#include "../../fixtures/forge.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static char scratch[64];

static inline int make_scratch(void **state)
{
	strcpy(scratch, "/tmp/ossnap-bundle-XXXXXX");
	return mkdtemp(scratch) ? 0 : -1;
}

static inline int remove_scratch(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", scratch);
	return system(command);
}

static inline char *in_scratch(const char *name)
{
	static char paths[4][256];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
	return path;
}

static inline struct bytes read_all(const char *path)
{
	struct bytes b = {0};
	char buf[65536];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		bytes_put(&b, buf, (size_t)n);
	close(fd);
	return b;
}

static inline void write_all_bytes(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
}

/* Bytes that depend on the number and do not compress. */
static inline void member_content(uint8_t *data, size_t size, uint64_t number)
{
	uint64_t x = number * 0x9e3779b97f4a7c15ULL + 1;

	for (size_t i = 0; i < size; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		data[i] = (uint8_t)x;
	}
}

/* The manifest of what w has, as bundle_finish() wants it. */
static inline struct bytes manifest_of(const struct bundle_writer *w)
{
	static struct forge f;
	struct bytes b = {0};
	struct json j;
	size_t count;
	const struct bundle_member *m = bundle_members(w, &count);

	forge_init(&f);
	json_init(&j, bytes_json, &b);
	capture_manifest_write(&j, &f.manifest, m, count);
	assert_int_equal(json_end(&j), 0);
	return b;
}

static inline int add_head(struct bundle_writer *w, struct err *e)
{
	static struct forge f;

	forge_init(&f);
	struct bytes b = head_json(&f);
	int r = bundle_add(w, BUNDLE_HEAD, b.p, b.len, false, e);

	free(b.p);
	return r;
}

/* head, `count` members of up to `size` bytes, manifest */
static inline void write_archive(const char *path, unsigned count, size_t size)
{
	struct bundle_writer *w = NULL;
	uint8_t *data = malloc(size + 1);
	const char *final = NULL;
	struct err e = {0};
	char name[64];

	assert_int_equal(bundle_create(&w, path, FORGE_TOP, 0, &e), 0);
	assert_int_equal(add_head(w, &e), 0);
	for (unsigned i = 0; i < count; i++) {
		size_t n = size * (i + 1) / count;

		member_content(data, n, i);
		snprintf(name, sizeof(name), "raw/part.%u", i);
		assert_int_equal(bundle_add(w, name, data, n, i == 1, &e), 0);
	}
	struct bytes b = manifest_of(w);

	assert_int_equal(bundle_finish(w, b.p, b.len, &final, &e), 0);
	assert_string_equal(final, path);
	free(b.p);
	free(data);
	bundle_destroy(w);
}

struct verified {
	int r;
	bool whole;
	struct bundle_outcome outcome;
	uint32_t missing, mismatched, unlisted;
	char text[512];
};

static inline struct verified verify_path(const char *path)
{
	struct bundle_verdict *v = calloc(1, sizeof(*v));
	struct verified out = {0};
	struct err e = {0};
	int fd = bundle_open(path, &e);

	assert_true(fd >= 0);
	out.r = bundle_verify(fd, &bundle_default_limits, v, &e);
	close(fd);
	if (out.r == 0) {
		out.whole = bundle_verdict_whole(v);
		out.outcome = v->outcome;
		out.missing = v->missing;
		out.mismatched = v->mismatched;
		out.unlisted = v->unlisted;
		snprintf(out.text, sizeof(out.text), "%s", v->first_problem);
		bundle_verdict_deinit(v);
	} else {
		snprintf(out.text, sizeof(out.text), "%s", e.text);
	}
	free(v);
	return out;
}

/* Fill in the exit status; fails the test when the child did not end well. */
static inline struct rusage wait_child(pid_t pid)
{
	struct rusage usage;
	int status;

	assert_int_equal(wait4(pid, &status, 0, &usage), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the child ended with status %#x", status);
	return usage;
}
