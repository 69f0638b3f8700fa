/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "format.h"
#include "frames.h"
#include "names.h"
#include "tarhead.h"

const struct bundle_limits bundle_default_limits = {
	.input = 2ULL << 30,
	.decompressed = 4ULL << 30,
	.ratio = 1000,
	.member = 64ULL << 20,
	.members = BUNDLE_MAX_MEMBERS,
	.window_log = 23,
	.path = BUNDLE_MAX_NAME,
};

struct reader {
	struct frames frames;
	const struct bundle_limits *limits;
	bundle_member_fn fn;
	void *ctx;
	struct err *err;
	struct bundle_outcome out;
	struct name_set names;
	const uint8_t *chunk; /* decoded, not yet used */
	size_t chunk_len;
	uint8_t block[TAR_BLOCK];
	uint32_t headers;
	uint32_t zeros;	 /* zero blocks right before */
	bool hunting;	 /* after damage: looking for the next header */
	bool skip_next;	 /* its name was given by a header that was refused */
	bool cut_frame;	 /* the file ended inside a frame, and nothing was found behind */
	uint64_t cut_at; /* where that frame starts */
	bool ended;	 /* the end of the tar was seen */
	char *data;	 /* of the member being read */
	size_t data_cap;
};

/* What one libarchive instance gets to read: one header, and the data behind it. */
struct feed {
	struct reader *r;
	uint64_t left; /* data and padding not yet taken */
	bool header_given;
	int error;
};

static void note_damage(struct reader *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void note_damage(struct reader *r, const char *fmt, ...)
{
	va_list ap;

	if (r->out.damage[0])
		return;
	va_start(ap, fmt);
	vsnprintf(r->out.damage, sizeof(r->out.damage), fmt, ap);
	va_end(ap);
}

/* 1: r->chunk has at least one byte; 0 at the end; negative as frames_read(). */
static int need_chunk(struct reader *r)
{
	if (r->chunk_len)
		return 1;
	return frames_read(&r->frames, &r->chunk, &r->chunk_len, r->err);
}

static size_t use(struct reader *r, size_t len)
{
	size_t n = len < r->chunk_len ? len : r->chunk_len;

	r->chunk += n;
	r->chunk_len -= n;
	return n;
}

/* Fill r->block. */
static int take_block(struct reader *r)
{
	size_t got = 0;

	while (got < TAR_BLOCK) {
		bool fresh = r->chunk_len == 0;
		int n = need_chunk(r);
		const uint8_t *p = r->chunk;

		if (n < 0)
			return n;
		if (n == 0) {
			if (got)
				note_damage(r, "the tar ends inside a block");
			return 0;
		}
		/* Frames of ours start with a header: whatever was before has lost its place. */
		if (r->hunting && fresh && r->frames.first_chunk)
			got = 0;
		size_t len = use(r, TAR_BLOCK - got);

		memcpy(r->block + got, p, len);
		got += len;
	}
	return 1;
}

static int skip(struct reader *r, uint64_t len)
{
	while (len) {
		int n = need_chunk(r);

		if (n <= 0)
			return n;
		len -= use(r, len < SIZE_MAX ? (size_t)len : SIZE_MAX);
	}
	return 1;
}

static la_ssize_t feed_read(struct archive *a, void *ctx, const void **ret)
{
	struct feed *feed = ctx;
	struct reader *r = feed->r;
	int n;

	if (!feed->header_given) {
		feed->header_given = true;
		*ret = r->block;
		return TAR_BLOCK;
	}
	if (!feed->left)
		return 0;
	n = need_chunk(r);
	if (n <= 0) {
		feed->error = n < 0 ? n : -ENODATA;
		archive_set_error(a, EIO, "the archive ends or is damaged");
		return -1;
	}
	*ret = r->chunk;
	size_t len = use(r, (size_t)feed->left);

	feed->left -= len;
	return (la_ssize_t)len;
}

static int grow_data(struct reader *r, size_t size)
{
	if (size <= r->data_cap && r->data)
		return 0;
	/* Not realloc(): there is nothing to keep. */
	free(r->data);
	r->data = malloc(size ? size : 1);
	r->data_cap = r->data ? size : 0;
	return r->data ? 0 : -ENOMEM;
}

/* 1: the whole member is in r->data and *ret; 0: refused, the name may be used no further;
 * negative: feed->error or -ENOMEM. */
static int extract(struct reader *r, struct archive *a, struct feed *feed, uint64_t size,
		   const char **ret_path)
{
	struct archive_entry *entry;
	size_t got = 0;

	/* libarchive has its own idea of what a header is, and may refuse this one. */
	archive_read_support_format_tar(a);
	if (archive_read_open(a, feed, NULL, feed_read, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(a, &entry) != ARCHIVE_OK)
		return feed->error;
	*ret_path = archive_entry_pathname(entry);
	if (!*ret_path || archive_entry_filetype(entry) != AE_IFREG ||
	    archive_entry_hardlink(entry) || archive_entry_symlink(entry) ||
	    archive_entry_sparse_count(entry) || archive_entry_size(entry) != (la_int64_t)size)
		return 0;
	if (grow_data(r, size) < 0)
		return -ENOMEM;
	while (got < size) {
		la_ssize_t n = archive_read_data(a, r->data + got, size - got);

		if (n <= 0)
			return feed->error;
		got += (size_t)n;
	}
	return 1;
}

/* The name relative to the top directory, or NULL when it is not acceptable. */
static const char *accept_path(struct reader *r, const char *path)
{
	size_t len = strlen(path);
	const char *slash = strchr(path, '/');
	size_t top_len = slash ? (size_t)(slash - path) : 0;

	if (len > r->limits->path || !slash || !bundle_name_ok(path, len))
		return NULL;
	if (len - top_len - 1 >= sizeof(((struct bundle_member *)0)->name) ||
	    top_len >= sizeof(r->out.top))
		return NULL;
	if (r->out.top[0] &&
	    (strlen(r->out.top) != top_len || memcmp(path, r->out.top, top_len) != 0))
		return NULL;
	if (!r->out.top[0]) {
		memcpy(r->out.top, path, top_len);
		r->out.top[top_len] = 0;
	}
	return slash + 1;
}

/* 0, or a negative errno that ends the walk. */
static int hand_over(struct reader *r, const char *path, size_t size)
{
	const char *name = accept_path(r, path);
	struct bundle_member m = {.size = size};
	struct sha256_ctx sha;
	int n;

	if (!name) {
		r->out.refused++;
		return 0;
	}
	n = name_set_add(&r->names, name);
	if (n < 0)
		return err_errno(r->err, n, "archive");
	if (n == 0) {
		r->out.refused++;
		return 0;
	}
	memcpy(m.name, name, strlen(name) + 1);
	sha256_init(&sha);
	sha256_update(&sha, size, (const uint8_t *)r->data);
	sha256_digest(&sha, sizeof(m.sha256), m.sha256);
	r->out.members++;
	r->out.has_manifest = strcmp(name, BUNDLE_MANIFEST) == 0;
	return r->fn ? r->fn(r->ctx, &m, r->data) : 0;
}

/* The header is in r->block.  1: go on; else as need_chunk(). */
static int read_member(struct reader *r, uint64_t size)
{
	uint64_t padded = (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
	struct feed feed = {.r = r, .left = padded};
	struct archive *a = archive_read_new();
	const char *path = NULL;
	int n, m;

	if (!a)
		return err_errno(r->err, ENOMEM, "archive");
	n = extract(r, a, &feed, size, &path);
	if (n == -ENOMEM)
		err_errno(r->err, ENOMEM, "archive");
	m = n >= 0 ? skip(r, feed.left) : n;
	if (m > 0 && n > 0) {
		n = hand_over(r, path, size);
		m = n < 0 ? n : 1;
	} else if (m > 0) {
		r->out.refused++;
	}
	archive_read_free(a);
	return m == 0 ? -ENODATA : m;
}

/* The frame did not decode.  1: go on hunting behind it; 0: nothing is there; negative: stop. */
static int recover(struct reader *r, int why)
{
	int n;

	if (why == -EBADMSG) {
		/* A region of damage counts once, however many false starts are in it. */
		if (!r->hunting || !r->out.damaged)
			r->out.damaged++;
		note_damage(r, "%s", r->frames.why);
	} else {
		r->cut_frame = true;
		r->cut_at = r->frames.frame_start;
	}
	r->hunting = true;
	r->skip_next = false;
	r->zeros = 0;
	r->chunk_len = 0;
	n = frames_resync(&r->frames, r->err);
	if (n == 0 && r->frames.gave_up)
		note_damage(r, "too much damage to go on");
	return n;
}

/* Behind the end of the tar only zeros are nothing. */
static int drain(struct reader *r)
{
	for (;;) {
		int n = need_chunk(r);

		if (n == 0)
			return 0;
		if (n == -EBADMSG || n == -ENODATA) {
			r->out.trailing = true;
			return 0;
		}
		if (n < 0)
			return n;
		for (size_t i = 0; i < r->chunk_len && !r->out.trailing; i++)
			r->out.trailing = r->chunk[i] != 0;
		r->chunk_len = 0;
	}
}

/* A header that is no header. */
static void lost(struct reader *r)
{
	if (!r->hunting) {
		r->out.damaged++;
		note_damage(r, "frame at byte %llu: no tar header where one should be",
			    (unsigned long long)r->frames.frame_start);
	}
	r->hunting = true;
	r->zeros = 0;
}

/* One block at a place where a header is expected.  1: go on; 0: the end of the tar. */
static int one_block(struct reader *r)
{
	struct tarhead head;
	bool skipped = r->skip_next;

	if (tar_block_is_zero(r->block)) {
		r->zeros++;
		return r->hunting || r->zeros < 2;
	}
	if (tarhead_parse(r->block, &head) < 0 ||
	    (r->hunting && r->out.top[0] && !tarhead_under(r->block, r->out.top))) {
		lost(r);
		return 1;
	}
	if (r->zeros && !r->hunting)
		note_damage(r, "a zero block amid the members");
	if (r->cut_frame) {
		/* The file goes on, so that the frame was damaged, not cut. */
		r->cut_frame = false;
		r->out.damaged++;
		note_damage(r, "frame at byte %llu: claims more than the file has",
			    (unsigned long long)r->cut_at);
	}
	r->hunting = false;
	r->zeros = 0;
	r->skip_next = head.renames_next;
	if (++r->headers > r->limits->members)
		return err_set(r->err, E2BIG, "archive: more than %u members", r->limits->members);
	if (head.regular && !skipped) {
		if (head.size > r->limits->member)
			return err_set(r->err, E2BIG,
				       "archive: a member of %llu bytes, the limit is %llu",
				       (unsigned long long)head.size,
				       (unsigned long long)r->limits->member);
		return read_member(r, head.size);
	}
	r->out.refused++;
	if (head.size > r->limits->decompressed)
		return err_set(r->err, E2BIG, "archive: a header that claims %llu bytes",
			       (unsigned long long)head.size);
	int n = skip(r, (head.size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK);

	return n == 0 ? -ENODATA : n;
}

static int walk(struct reader *r)
{
	for (;;) {
		int n = take_block(r);

		if (n == 0) {
			r->ended = r->zeros >= 2;
			return 0;
		}
		if (n > 0)
			n = one_block(r);
		if (n == 0) {
			r->ended = true;
			return drain(r);
		}
		if (n == -EBADMSG || n == -ENODATA) {
			n = recover(r, n);
			if (n == 0)
				return 0;
		}
		if (n < 0)
			return n;
	}
}

static int conclude(struct reader *r, struct bundle_outcome *ret)
{
	struct bundle_outcome *o = &r->out;

	if (!o->members && r->frames.window_refused)
		return err_set(r->err, E2BIG, "archive: needs a window larger than %llu bytes",
			       1ULL << r->limits->window_log);
	if (!o->members && r->frames.farthest == 0 && r->frames.in_len == 0 && !o->damaged)
		return err_set(r->err, EINVAL, "archive: is empty");
	if (!o->members)
		return err_set(r->err, EINVAL, "archive: not an ossnap archive%s%s",
			       r->frames.decompressed ? " (zstd, but no member could be read)"
						      : " (not zstd)",
			       o->refused ? ", only members that are refused" : "");
	o->cut = r->cut_frame || !r->ended || !o->has_manifest;
	o->between = !r->cut_frame && !r->ended && !o->damaged && !o->has_manifest;
	if (o->between)
		note_damage(r, "ends between two members, after byte %llu",
			    (unsigned long long)r->frames.farthest);
	else if (r->cut_frame || !r->ended)
		note_damage(r, "cut after byte %llu", (unsigned long long)r->frames.farthest);
	else if (!o->has_manifest)
		note_damage(r, "%s is missing", BUNDLE_MANIFEST);
	o->decompressed = r->frames.decompressed;
	*ret = *o;
	return 0;
}

int bundle_read(int fd, const struct bundle_limits *limits, bundle_member_fn fn, void *ctx,
		struct bundle_outcome *ret, struct err *e)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct err unused;
	int n;

	if (!r)
		return err_errno(e, ENOMEM, "archive");
	r->limits = limits;
	r->fn = fn;
	r->ctx = ctx;
	r->err = e ? e : &unused;
	n = frames_init(&r->frames, fd, limits);
	if (n < 0)
		err_errno(e, n, "archive");
	else
		n = walk(r);
	if (n == 0)
		n = conclude(r, ret);
	frames_deinit(&r->frames);
	name_set_deinit(&r->names);
	free(r->data);
	free(r);
	return n;
}

int bundle_open(const char *path, struct err *e)
{
	/* A FIFO must not hang the open, nor a terminal become ours. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return err_errno(e, errno, path);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return err_set(e, EINVAL, "%s: %s", path,
		       S_ISDIR(st.st_mode) ? "is a directory; give the .tar.zst itself"
					   : "not a regular file");
}

static la_ssize_t warm_read(struct archive *a, void *ctx, const void **ret)
{
	uint8_t **block = ctx;
	const uint8_t *p = *block;

	*ret = p;
	*block = NULL;
	return p ? TAR_BLOCK : 0;
}

void bundle_warm_up(void)
{
	uint8_t block[TAR_BLOCK], *p = block;
	struct archive *a = archive_read_new();
	struct archive_entry *entry;

	/* The C library opens conversion tables and message catalogues at their first use. */
	tarhead_make(block, "warm/up", 0);
	if (a) {
		archive_read_support_format_tar(a);
		if (archive_read_open(a, &p, NULL, warm_read, NULL) == ARCHIVE_OK &&
		    archive_read_next_header(a, &entry) == ARCHIVE_OK)
			(void)archive_entry_pathname_w(entry);
		archive_read_free(a);
	}
	(void)strerror(EBADMSG);
}
