/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zstd.h>

#include "../base/cleanup.h"
#include "../base/units.h"
#include "format.h"
#include "names.h"
#include "output.h"
#include "writer.h"

#define TAR_BLOCK 512
/* header, data and padding of the largest member */
#define TAR_MAX (TAR_BLOCK + BUNDLE_PART_SIZE + TAR_BLOCK)
/* A budget below this has no room for the two JSON members of even an empty capture. */
#define MIN_SIZE (64u << 10)

struct bundle_writer {
	struct output out;
	char top[BUNDLE_MAX_TOP + 1];
	struct archive *tar;
	struct archive_entry *entry;
	ZSTD_CCtx *zstd;
	char *frame; /* the frame being made */
	size_t frame_len, frame_cap;
	struct bundle_member *members;
	size_t member_count, member_cap;
	struct name_set names;
	uint64_t max_size;
	bool manifest_written, finished;
	bool closing; /* what libarchive still writes is nobody's */
};

static int compress_into_frame(struct bundle_writer *w, const void *data, size_t len,
			       ZSTD_EndDirective how)
{
	ZSTD_inBuffer in = {.src = data, .size = len};
	ZSTD_outBuffer out = {.dst = w->frame, .size = w->frame_cap, .pos = w->frame_len};
	size_t left;

	do {
		left = ZSTD_compressStream2(w->zstd, &out, &in, how);
		w->frame_len = out.pos;
		if (ZSTD_isError(left))
			return -EIO;
		if (out.pos == out.size && (left || in.pos < in.size))
			return -EOVERFLOW;
	} while (how == ZSTD_e_end ? left != 0 : in.pos < in.size);
	return 0;
}

/* libarchive's way out.  It was told not to gather blocks, so that what it has written when
 * archive_write_finish_entry() returns is exactly one member. */
static la_ssize_t tar_write(struct archive *a, void *ctx, const void *data, size_t len)
{
	struct bundle_writer *w = ctx;
	int r = w->closing ? 0 : compress_into_frame(w, data, len, ZSTD_e_continue);

	if (r < 0) {
		archive_set_error(a, -r, "zstd: %s", strerror(-r));
		return -1;
	}
	return (la_ssize_t)len;
}

static int begin_frame(struct bundle_writer *w, uint64_t size)
{
	w->frame_len = 0;
	ZSTD_CCtx_reset(w->zstd, ZSTD_reset_session_only);
	return ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(w->zstd, size)) ? -EINVAL : 0;
}

static int tar_error(struct bundle_writer *w, const char *name, struct err *e)
{
	int no = archive_errno(w->tar);
	const char *text = archive_error_string(w->tar);

	return err_set(e, no > 0 && no < 4096 ? no : EIO, "%s: %s", name, text ? text : "tar");
}

/* Make the frame of one member in memory. */
static int make_member(struct bundle_writer *w, const char *name, const void *data, size_t size,
		       struct err *e)
{
	char path[BUNDLE_MAX_TOP + 1 + sizeof(w->members->name)];
	uint64_t padded = (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
	size_t top_len = strlen(w->top);
	int r;

	memcpy(path, w->top, top_len);
	path[top_len] = '/';
	memcpy(path + top_len + 1, name, strlen(name) + 1);

	archive_entry_clear(w->entry);
	archive_entry_set_pathname(w->entry, path);
	archive_entry_set_filetype(w->entry, AE_IFREG);
	archive_entry_set_perm(w->entry, 0600);
	archive_entry_set_size(w->entry, (la_int64_t)size);
	archive_entry_set_mtime(w->entry, time(NULL), 0);

	r = begin_frame(w, TAR_BLOCK + padded);
	if (r < 0)
		return err_errno(e, r, name);
	r = archive_write_header(w->tar, w->entry);
	if (r != ARCHIVE_OK)
		return tar_error(w, name, e);
	while (size) {
		la_ssize_t n = archive_write_data(w->tar, data, size);

		if (n <= 0)
			return tar_error(w, name, e);
		data = (const char *)data + n;
		size -= (size_t)n;
	}
	r = archive_write_finish_entry(w->tar);
	if (r != ARCHIVE_OK)
		return tar_error(w, name, e);
	r = compress_into_frame(w, NULL, 0, ZSTD_e_end);
	return r < 0 ? err_errno(e, r, name) : 0;
}

/* What the manifest and the end of the tar will need, compressed: a hash does not compress. */
static uint64_t manifest_room(const struct bundle_writer *w)
{
	return (16u << 10) + 96u * (w->member_count + 1);
}

static int check_member(struct bundle_writer *w, const char *name, size_t size, bool manifest,
			struct err *e)
{
	size_t len = strlen(name);

	if (w->manifest_written)
		return err_set(e, EINVAL, "%s: the manifest is written, nothing follows it", name);
	if (!bundle_name_ok(name, len) || (!manifest && strcmp(name, BUNDLE_MANIFEST) == 0))
		return err_set(e, EINVAL, "%s: not a name for a member", name);
	/* ustar: at most 100 bytes of name, or a prefix that ends at a slash. */
	if (len > 100 || strlen(w->top) + 1 + len > BUNDLE_MAX_NAME)
		return err_set(e, EINVAL, "%s: too long a name for a member", name);
	if (size > BUNDLE_PART_SIZE)
		return err_set(e, EFBIG, "%s: %zu bytes, a member has at most %u", name, size,
			       BUNDLE_PART_SIZE);
	if (w->member_count + !manifest >= BUNDLE_MAX_MEMBERS)
		return err_set(e, EMFILE, "%s: the archive has %u members already", name,
			       BUNDLE_MAX_MEMBERS);
	return 0;
}

static int grow_members(struct bundle_writer *w)
{
	size_t cap = w->member_cap ? w->member_cap * 2 : 64;
	struct bundle_member *m;

	if (w->member_count < w->member_cap)
		return 0;
	m = realloc(w->members, cap * sizeof(*m));
	if (!m)
		return -ENOMEM;
	w->members = m;
	w->member_cap = cap;
	return 0;
}

int bundle_add(struct bundle_writer *w, const char *name, const void *data, size_t size,
	       bool truncated, struct err *e)
{
	struct bundle_member *m;
	struct sha256_ctx sha;
	char room[16];
	int r;

	r = check_member(w, name, size, false, e);
	if (r < 0)
		return r;
	if (grow_members(w) < 0)
		return err_errno(e, ENOMEM, name);
	r = make_member(w, name, data, size, e);
	if (r < 0)
		return r;
	if (w->max_size && w->out.end + w->frame_len + manifest_room(w) > w->max_size)
		return err_set(e, EFBIG, "%s: does not fit in --max-size %s", name,
			       format_size(w->max_size, room));
	r = name_set_add(&w->names, name);
	if (r <= 0)
		return err_set(e, r < 0 ? ENOMEM : EEXIST, "%s: %s", name,
			       r < 0 ? strerror(ENOMEM) : "is in the archive already");
	r = output_append(&w->out, w->frame, w->frame_len, false, e);
	if (r < 0) {
		name_set_remove_last(&w->names, name);
		return r;
	}
	m = &w->members[w->member_count++];
	*m = (struct bundle_member){.size = size, .truncated = truncated};
	memcpy(m->name, name, strlen(name) + 1);
	sha256_init(&sha);
	if (size)
		sha256_update(&sha, size, data);
	sha256_digest(&sha, sizeof(m->sha256), m->sha256);
	return 0;
}

int bundle_finish(struct bundle_writer *w, const void *manifest, size_t size, const char **ret_path,
		  struct err *e)
{
	int r;

	if (!w->manifest_written) {
		r = check_member(w, BUNDLE_MANIFEST, size, true, e);
		if (r < 0)
			return r;
		r = make_member(w, BUNDLE_MANIFEST, manifest, size, e);
		if (r < 0)
			return r;
		r = output_append(&w->out, w->frame, w->frame_len, true, e);
		if (r < 0)
			return r;
		w->manifest_written = true;
		r = begin_frame(w, 2 * (uint64_t)TAR_BLOCK);
		if (r == 0 && archive_write_close(w->tar) != ARCHIVE_OK)
			return tar_error(w, "the end of the tar", e);
		if (r == 0)
			r = compress_into_frame(w, NULL, 0, ZSTD_e_end);
		if (r < 0)
			return err_errno(e, r, "the end of the tar");
	}
	if (!w->finished) {
		r = output_append(&w->out, w->frame, w->frame_len, true, e);
		if (r < 0)
			return r;
		w->finished = true;
	}
	r = output_finish(&w->out, e);
	if (r < 0)
		return r;
	*ret_path = w->out.path;
	return 0;
}

static int init_codecs(struct bundle_writer *w)
{
	w->zstd = ZSTD_createCCtx();
	w->tar = archive_write_new();
	w->entry = archive_entry_new();
	w->frame_cap = ZSTD_compressBound(TAR_MAX);
	w->frame = malloc(w->frame_cap);
	if (!w->zstd || !w->tar || !w->entry || !w->frame)
		return -ENOMEM;
	ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, BUNDLE_LEVEL);
	ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_windowLog, BUNDLE_WINDOW_LOG);
	ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1);
	archive_write_set_format_ustar(w->tar);
	archive_write_set_bytes_per_block(w->tar, 0);
	archive_write_set_bytes_in_last_block(w->tar, 1);
	return archive_write_open(w->tar, w, NULL, tar_write, NULL) == ARCHIVE_OK ? 0 : -ENOMEM;
}

int bundle_create(struct bundle_writer **ret, const char *output, const char *name,
		  uint64_t max_size, struct err *e)
{
	size_t len = strlen(name);
	struct bundle_writer *w;
	int r;

	if (!bundle_name_ok(name, len) || strchr(name, '/'))
		return err_set(e, EINVAL, "%s: not a name for an archive", name);
	if (len > BUNDLE_MAX_TOP)
		return err_set(e, ENAMETOOLONG, "%s: longer than %d bytes", name, BUNDLE_MAX_TOP);
	if (max_size && max_size < MIN_SIZE)
		return err_set(e, EINVAL, "archive size: %llu bytes are too few, at least %u",
			       (unsigned long long)max_size, MIN_SIZE);
	w = calloc(1, sizeof(*w));
	if (!w)
		return err_errno(e, ENOMEM, "archive writer");
	w->max_size = max_size;
	memcpy(w->top, name, len + 1);
	r = output_open(&w->out, output, name, e);
	if (r == 0) {
		r = init_codecs(w);
		if (r < 0)
			err_errno(e, r, "archive writer");
	}
	if (r < 0) {
		bundle_destroy(w);
		return r;
	}
	*ret = w;
	return 0;
}

void bundle_hurry(struct bundle_writer *w)
{
	w->out.urgent = true;
}

const struct bundle_member *bundle_members(const struct bundle_writer *w, size_t *ret_count)
{
	*ret_count = w->member_count;
	return w->members;
}

uint64_t bundle_bytes_written(const struct bundle_writer *w)
{
	return w->out.end;
}

const char *bundle_remark(const struct bundle_writer *w)
{
	if (w->out.dir_fd >= 0 && w->out.no_reserve)
		return "the file system cannot reserve space: on a disk that fills up meanwhile "
		       "the archive ends without its manifest";
	return NULL;
}

void bundle_destroy(struct bundle_writer *w)
{
	if (!w)
		return;
	w->closing = true;
	archive_write_free(w->tar);
	archive_entry_free(w->entry);
	ZSTD_freeCCtx(w->zstd);
	free(w->frame);
	free(w->members);
	name_set_deinit(&w->names);
	output_close(&w->out);
	free(w);
}
