/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An archive cut anywhere, or with a bit flipped anywhere, gives back what is still right. */
#include "bundle_testing.h"

#define MEMBERS 12
#define MEMBER_SIZE 9000

struct original {
	struct bytes file;
	size_t ends[MEMBERS + 3]; /* of the frames */
	unsigned frames;
};

static struct original original;

static int make_original(void **state)
{
	if (make_scratch(state) < 0)
		return -1;
	write_archive(in_scratch("original.tar.zst"), MEMBERS, MEMBER_SIZE);
	original.file = read_all(in_scratch("original.tar.zst"));
	for (size_t at = 0; at < original.file.len;) {
		at += ZSTD_findFrameCompressedSize(original.file.p + at, original.file.len - at);
		original.ends[original.frames++] = at;
	}
	assert_int_equal(original.frames, MEMBERS + 3);
	return 0;
}

static int drop_original(void **state)
{
	free(original.file.p);
	return remove_scratch(state);
}

/* Everything that is handed out is a member of the original, unchanged. */
static int is_original(void *ctx, const struct bundle_member *m, const void *data)
{
	static uint8_t content[MEMBER_SIZE];
	unsigned i;

	if (sscanf(m->name, "raw/part.%u", &i) != 1)
		return 0;
	member_content(content, sizeof(content), i);
	assert_int_equal(m->size, MEMBER_SIZE * (i + 1) / MEMBERS);
	assert_memory_equal(content, data, m->size);
	return 0;
}

static int read_bytes(const void *data, size_t len, struct bundle_outcome *o)
{
	struct err e = {0};

	write_all_bytes(in_scratch("x"), data, len);
	int fd = bundle_open(in_scratch("x"), &e);
	int r = bundle_read(fd, &bundle_default_limits, is_original, NULL, o, &e);

	assert_true(r == 0 || r == -EINVAL);
	assert_true(r == 0 || e.text[0]);
	close(fd);
	return r;
}

static unsigned whole_frames(size_t len)
{
	unsigned n = 0;

	while (n < original.frames && original.ends[n] <= len)
		n++;
	return n;
}

static void cut_at(size_t len)
{
	struct bundle_outcome o = {0};
	unsigned frames = whole_frames(len), members = frames;

	if (members > MEMBERS + 2)
		members = MEMBERS + 2;
	int r = read_bytes(original.file.p, len, &o);

	assert_int_equal(r, members ? 0 : -EINVAL);
	if (r < 0)
		return;
	assert_int_equal(o.members, members);
	assert_int_equal(o.cut, frames < original.frames);
	assert_int_equal(o.has_manifest, members == MEMBERS + 2);
	assert_int_equal(o.damaged, 0);
	assert_int_equal(o.refused, 0);
	assert_false(o.trailing);
	/* Between two members nothing is cut: so a writer that was killed leaves it. */
	if (o.cut)
		assert_non_null(strstr(o.damage, o.between ? "ends between two members, after byte"
							   : "cut after byte"));
	if (o.between)
		assert_true(!o.has_manifest && len == original.ends[frames - 1]);
	else if (o.cut && !o.has_manifest)
		assert_int_not_equal(len, original.ends[frames - 1]);
	assert_int_equal(verify_path(in_scratch("x")).whole, frames == original.frames);
}

static void cut_everywhere(void **state)
{
	for (size_t len = 0; len < original.file.len; len += 512)
		cut_at(len);
	for (unsigned i = 0; i < original.frames; i++) {
		for (int k = -6; k <= 6; k++) {
			size_t len = original.ends[i] + (size_t)k;

			if (len <= original.file.len)
				cut_at(len);
		}
	}
}

/* One frame of blocks of 4 KiB: noise is not decoded before its block is whole. */
static void small_blocks(struct bytes *out, const struct bytes *plain)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();

	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	bytes_room(out, 2 * plain->len);
	ZSTD_outBuffer o = {out->p, out->cap, 0};

	for (size_t at = 0; at < plain->len; at += 4096) {
		size_t n = plain->len - at < 4096 ? plain->len - at : 4096;
		ZSTD_inBuffer in = {plain->p + at, n, 0};

		assert_int_equal(
			ZSTD_compressStream2(z, &o, &in,
					     at + n == plain->len ? ZSTD_e_end : ZSTD_e_flush),
			0);
	}
	out->len = o.pos;
	ZSTD_freeCCtx(z);
}

/* The same file as one frame, as it is after `zstd -d | zstd`: all members before the cut. */
static void cut_single_frame(void **state)
{
	size_t room = 1 << 20;
	struct bytes plain = {0};
	static struct forge f;
	uint8_t *p = original.file.p;
	unsigned most = 0;

	bytes_room(&plain, room);
	for (unsigned i = 0; i < original.frames; i++) {
		size_t n = original.ends[i] - (i ? original.ends[i - 1] : 0);

		plain.len += ZSTD_decompress(plain.p + plain.len, room - plain.len, p, n);
		p += n;
	}
	forge_init(&f);
	small_blocks(&f.file, &plain);
	for (size_t len = 0; len < f.file.len; len += 509) {
		struct bundle_outcome o = {0};

		if (read_bytes(f.file.p, len, &o) < 0)
			continue;
		assert_true(o.cut);
		assert_int_equal(o.damaged, 0);
		assert_true(o.members >= most);
		most = o.members;
	}
	assert_true(most > MEMBERS / 2);
	struct bundle_outcome o = {0};

	assert_int_equal(read_bytes(f.file.p, f.file.len, &o), 0);
	assert_int_equal(o.members, MEMBERS + 2);
	assert_false(o.cut);
	assert_true(verify_path(in_scratch("x")).whole);
	forge_deinit(&f);
	free(plain.p);
}

/* What is in a frame; -1: it does not decode. */
static long decode(unsigned frame, uint8_t *out, size_t room)
{
	size_t start = frame ? original.ends[frame - 1] : 0;
	size_t n =
		ZSTD_decompress(out, room, original.file.p + start, original.ends[frame] - start);

	return ZSTD_isError(n) ? -1 : (long)n;
}

/* A flipped bit costs the member it is in, at most; none, when it changes nothing: the format has
 * a bit without a meaning, and the same bytes may be copied from elsewhere in the window. */
static void flip(unsigned frame, size_t at, unsigned bit)
{
	static uint8_t before[4 * MEMBER_SIZE], after[4 * MEMBER_SIZE];
	struct bundle_outcome o = {0};
	long was = decode(frame, before, sizeof(before)), is;

	assert_true(was > 0);
	original.file.p[at] ^= 1u << bit;
	int r = read_bytes(original.file.p, original.file.len, &o);
	bool whole = verify_path(in_scratch("x")).whole;

	is = decode(frame, after, sizeof(after));
	original.file.p[at] ^= 1u << bit;
	assert_int_equal(r, 0);
	if (is == was && !memcmp(before, after, (size_t)was)) {
		assert_true(whole);
		return;
	}
	if (o.members < MEMBERS + 1 || whole)
		fail_msg("bit %u of byte %zu (frame %u): %u members, whole %d, %s", bit, at, frame,
			 o.members, whole, o.damage);
	assert_int_equal(o.refused, 0);
	assert_true(o.damaged || o.cut || o.trailing);
}

static void flip_bits(void **state)
{
	unsigned seed = 7;

	for (unsigned i = 0; i < original.frames; i++) {
		size_t start = i ? original.ends[i - 1] : 0, len = original.ends[i] - start;

		/* the frame's and the first block's header, and the checksum */
		for (size_t k = 0; k < 13; k++)
			flip(i, start + k, rand_r(&seed) % 8);
		for (size_t k = 1; k <= 4; k++)
			flip(i, start + len - k, rand_r(&seed) % 8);
		for (int k = 0; k < 10; k++)
			flip(i, start + (size_t)rand_r(&seed) % len, rand_r(&seed) % 8);
	}
}

/* Frames lost, doubled, in another order. */
static void frames_moved(void **state)
{
	struct bundle_outcome o;
	struct bytes b = {0};
	struct verified v;
	size_t *ends = original.ends;
	uint8_t *p = original.file.p;

	/* the third is gone */
	bytes_put(&b, p, ends[1]);
	bytes_put(&b, p + ends[2], ends[original.frames - 1] - ends[2]);
	assert_int_equal(read_bytes(b.p, b.len, &o), 0);
	assert_int_equal(o.members, MEMBERS + 1);
	assert_int_equal(o.damaged, 0);
	v = verify_path(in_scratch("x"));
	assert_int_equal(v.missing, 1);
	assert_false(v.whole);

	/* the second comes twice */
	b.len = 0;
	bytes_put(&b, p, ends[1]);
	bytes_put(&b, p + ends[0], ends[original.frames - 1] - ends[0]);
	assert_int_equal(read_bytes(b.p, b.len, &o), 0);
	assert_int_equal(o.members, MEMBERS + 2);
	assert_int_equal(o.refused, 1);
	assert_false(verify_path(in_scratch("x")).whole);

	/* garbage in between */
	b.len = 0;
	bytes_put(&b, p, ends[3]);
	bytes_noise(&b, 100000);
	bytes_put(&b, p + ends[3], ends[original.frames - 1] - ends[3]);
	assert_int_equal(read_bytes(b.p, b.len, &o), 0);
	assert_int_equal(o.members, MEMBERS + 2);
	assert_int_equal(o.damaged, 1);
	assert_false(o.cut);
	assert_false(verify_path(in_scratch("x")).whole);

	/* the beginning is gone */
	assert_int_equal(read_bytes(p + 100, original.file.len - 100, &o), 0);
	assert_int_equal(o.members, MEMBERS + 1);
	assert_int_equal(o.damaged, 1);
	free(b.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_everywhere),
		cmocka_unit_test(cut_single_frame),
		cmocka_unit_test(flip_bits),
		cmocka_unit_test(frames_moved),
	};

	return cmocka_run_group_tests(tests, make_original, drop_original);
}
