/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The archive's own layers.  The first byte says what the rest is: 't' a tar as it is inside the
 * frames (checksums of headers are put right, or mutation would never get past them), 'z' the file
 * itself, 'm' a manifest, 'h' a head, 'p' a pack.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../capture/bundle/names.h"
#include "../../capture/bundle/tarhead.h"
#include "../../capture/bundle/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAW_BLOCK 60000u

#define must(holds)                                                                                \
	do {                                                                                       \
		if (!(holds)) {                                                                    \
			fprintf(stderr, "line %d: %s\n", __LINE__, #holds);                        \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static int check_member(void *ctx, const struct bundle_member *m, const void *data)
{
	const uint8_t *p = data;
	uint64_t *sum = ctx;

	must(bundle_name_ok(m->name, strlen(m->name)));
	for (uint64_t i = 0; i < m->size; i++)
		*sum += p[i];
	return 0;
}

static void read_file(int fd)
{
	static struct bundle_verdict v;
	struct bundle_limits limits = bundle_default_limits;
	struct bundle_outcome o = {0};
	struct err e = {0};
	uint64_t sum = 0;

	limits.decompressed = 16u << 20;
	limits.member = 4u << 20;
	limits.members = 64;
	int r = bundle_read(fd, &limits, check_member, &sum, &o, &e);

	must(r == 0 || ((r == -EINVAL || r == -E2BIG) && e.no == -r && e.text[0]));
	must(r < 0 || o.members);
	must(r < 0 || !o.damaged || o.damage[0]);
	r = bundle_verify(fd, &limits, &v, &e);
	if (r == 0) {
		must(v.seen_count == o.members);
		must(bundle_verdict_whole(&v) || v.first_problem[0] || !v.manifest.complete);
		bundle_verdict_deinit(&v);
	}
}

/* One frame of raw blocks around a tar. */
static void put_frame(int fd, const uint8_t *tar, size_t size)
{
	static const uint8_t head[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 8 << 3};

	must(write(fd, head, sizeof(head)) == sizeof(head));
	do {
		uint32_t n = size < RAW_BLOCK ? (uint32_t)size : RAW_BLOCK;
		uint32_t h = (n == size) | n << 3;
		const uint8_t block[] = {(uint8_t)h, (uint8_t)(h >> 8), (uint8_t)(h >> 16)};

		must(write(fd, block, sizeof(block)) == sizeof(block));
		must(write(fd, tar, n) == (ssize_t)n);
		tar += n;
		size -= n;
	} while (size);
}

static void fuzz_file(bool tar, const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	must(fd >= 0);
	if (tar) {
		uint8_t *copy = malloc(size + 1);

		memcpy(copy, data, size);
		for (size_t at = 0; at + TAR_BLOCK <= size; at += TAR_BLOCK) {
			if (memcmp(copy + at + 257, "ustar", 5) == 0)
				tarhead_checksum(copy + at);
		}
		put_frame(fd, copy, size);
		free(copy);
	} else {
		must(write(fd, data, size) == (ssize_t)size);
	}
	read_file(fd);
	close(fd);
}

static int check_listed(void *ctx, const struct bundle_member *m)
{
	must(bundle_name_ok(m->name, strlen(m->name)));
	return 0;
}

static void fuzz_json(bool manifest, const char *text, size_t size)
{
	static struct capture_manifest m;
	static struct capture_head h;
	struct err e = {0};
	int r = manifest ? capture_manifest_parse(text, size, &m, check_listed, NULL, &e)
			 : capture_head_parse(text, size, &h, &e);

	must(r == 0 || ((r == -EBADMSG || r == -EPROTONOSUPPORT) && e.no == -r));
	if (r < 0)
		return;
	must(manifest ? memchr(m.interrupted, 0, sizeof(m.interrupted)) != NULL &&
				m.collector_count <= MANIFEST_MAX_COLLECTORS
		      : memchr(h.arguments, 0, sizeof(h.arguments)) != NULL);
}

static void fuzz_pack(const char *data, size_t size)
{
	struct pack_entry e;
	size_t pos = 0, before = 0;
	int r;

	while ((r = pack_next(data, size, &pos, &e)) > 0) {
		must(pos > before && pos <= size);
		must(e.name >= data && e.name + e.name_len < data + size);
		must(e.data >= data && e.data + e.data_len < data + size);
		before = pos;
	}
	must(r == 0 ? pos == size : r == -EBADMSG && pos == before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	/* In memory of its own size, so that a byte read too many is seen. */
	char *copy = malloc(size > 1 ? size - 1 : 1);

	memcpy(copy, data + 1, size - 1);
	switch (data[0]) {
	case 't':
	case 'z':
		fuzz_file(data[0] == 't', data + 1, size - 1);
		break;
	case 'm':
	case 'h':
		fuzz_json(data[0] == 'm', copy, size - 1);
		break;
	case 'p':
		fuzz_pack(copy, size - 1);
		break;
	default:
		break;
	}
	free(copy);
	return 0;
}
