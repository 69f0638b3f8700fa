/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recording of a real kernel, replayed: fixtures/kernel_6.1.* is what a scan of one page in 16
 *read through /proc/kcore of the vm lane's guest with Debian's 6.1, and the types that it needs of
 *that kernel's own.  What has to come out is what the guest's own mincore(2) and stat(2) said
 *(truth.after and groups of the same boot).  How it was made, and how a failure in the field
 *becomes another one:
 *
 *	VM_KEEP=DIR tests/vm/run.sh 6.1          (in the field: ossnap-capture --record-kernel FILE)
 *	zstd -19 DIR/6.1/recorded-kcore
 *	native-btf_cut DIR/6.1/recorded-kcore.btf OUT page folio address_space inode dentry …
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include <bpf/btf.h>

#include "../../capture/base/cleanup.h"
#include "kmem_world.h"

static const struct sysroot no_root = {.root_fd = -1, .proc_fd = -1, .sys_fd = -1};

#define PACKED_MOST (1u << 20)
#define UNPACKED_MOST (8u << 20)

/* A descriptor of the fixture, unpacked. */
static int unpacked(const char *name)
{
	char path[512], *packed = malloc(PACKED_MOST), *data = malloc(UNPACKED_MOST);
	int fd = memfd_create(name, MFD_CLOEXEC);
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/fixtures/%s", SOURCE_DIR, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(packed, 1, PACKED_MOST, f);
	fclose(f);
	n = ZSTD_decompress(data, UNPACKED_MOST, packed, n);
	assert_false(ZSTD_isError(n));
	assert_true(fd >= 0 && write(fd, data, n) == (ssize_t)n);
	free(packed);
	free(data);
	return fd;
}

static const struct {
	const char *path; /* as the table has it; of those without a name a part of the label */
	enum file_state state;
	uint32_t major, minor;
	uint64_t ino, size, pages;
} truth[] = {
	{"/three-mib", FILE_LINKED, 0, 25, 5, 3145733, 769},
	{"/large-folios", FILE_LINKED, 0, 26, 2, 6291456, 1536},
	{"/data|/deep/hard-link", FILE_LINKED, 254, 16, 18, 5242880, 1280},
	{"/deep/er/log", FILE_LINKED, 254, 16, 19, 777777, 190},
	{"/ovl/upper/in-container", FILE_LINKED, 254, 16, 23, 409600, 100},
	{"/dirty", FILE_LINKED, 254, 16, 28, 331776, 81},
	{"/charged", FILE_LINKED, 254, 16, 24, 2097152, 512},
	{"/charged-inside", FILE_LINKED, 254, 16, 25, 655360, 160},
	{"/pinning", FILE_LINKED, 0, 25, 6, 1310720, 320},
	{"/gone", FILE_DELETED, 254, 16, 27, 2097152, 512},
	{"ossnap-memfd", FILE_UNNAMED, 0, 1, 1024, 1048576, 256},
	{"SYSV", FILE_UNNAMED, 0, 1, 0, 524288, 128},
};

static bool is_path(const char *wanted, enum file_state state, const char *path)
{
	const char *bar = strchr(wanted, '|');

	if (state == FILE_UNNAMED)
		return strstr(path, wanted);
	if (bar && !strncmp(wanted, path, (size_t)(bar - wanted)) && !path[bar - wanted])
		return true;
	return !strcmp(bar ? bar + 1 : wanted, path);
}

static const struct found *found_file(const struct outcome *o, size_t i)
{
	const struct found *found = NULL;

	for (size_t k = 0; k < o->file_count; k++) {
		const struct found *f = &o->files[k];

		if (f->f.dev_major != truth[i].major || f->f.dev_minor != truth[i].minor ||
		    f->f.ino != truth[i].ino || !is_path(truth[i].path, truth[i].state, f->path))
			continue;
		assert_null(found); /* once only */
		found = f;
	}
	return found;
}

/* Who pays for all sampled pages of that file. */
static void check_group(const struct outcome *o, const char *path, const char *group, bool online)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < sizeof(truth) / sizeof(truth[0]); i++) {
		const struct found *f = strcmp(truth[i].path, path) != 0 ? NULL : found_file(o, i);

		for (size_t k = 0; f && k < o->sample_count; k++) {
			if (o->samples[k].file != f->f.file)
				continue;
			pages += o->samples[k].pages;
			for (size_t c = 0; c < o->cgroup_count; c++) {
				if (o->cgroups[c].cgroup != o->samples[k].cgroup)
					continue;
				assert_string_equal(o->cgroup_paths[c], group);
				assert_int_equal(o->cgroups[c].online, online);
			}
			assert_int_not_equal(o->samples[k].cgroup, 0);
		}
	}
	assert_true(pages > 0);
}

static void test_6_1(void **state)
{
	struct scan_config c = {.memory = 4 << 20};
	char types[64], core[64];
	struct kmem_source *s;
	struct kmem_layout l;
	struct err e = {0};
	struct outcome *o;
	struct btf *btf;
	int btf_fd = unpacked("kernel_6.1.btf.zst"), core_fd = unpacked("kernel_6.1.core.zst");
	uint64_t kinds = 0;

	snprintf(types, sizeof(types), "/proc/self/fd/%d", btf_fd);
	snprintf(core, sizeof(core), "/proc/self/fd/%d", core_fd);
	assert_int_equal(kmem_btf_open(&btf, types, &no_root, &e), 0);
	assert_int_equal(kmem_layout_init(&l, btf, &e), 0);
	btf__free(btf);
	assert_int_equal(kmem_open_core(&s, core, &no_root, &l, &e), 0);
	assert_int_equal(s->recorded_one_in, 16);
	c.one_in = s->recorded_one_in;
	c.seed = s->recorded_seed;
	o = world_scan(s, &l, &c);
	assert_non_null(o);
	assert_true(o->result.finished);
	assert_int_equal(o->result.pages_total, kmem_page_count(s));
	for (size_t i = 0; i < sizeof(truth) / sizeof(truth[0]); i++) {
		const struct found *f = found_file(o, i);

		if (!f)
			fail_msg("%s: not found", truth[i].path);
		assert_int_equal(f->f.state, truth[i].state);
		assert_int_equal(f->f.nrpages, truth[i].pages);
		assert_int_equal(f->f.size, truth[i].size);
		/* A sample: six standard errors of scattered pages. */
		double expected = (double)truth[i].pages / 16;

		assert_true(fabs((double)f->pages - expected) <= 6 * sqrt(expected) + 1);
	}
	check_group(o, "/charged", "/ossnap-spine", true);
	check_group(o, "/charged-inside", "/ossnap-spine/nested/inner", true);
	check_group(o, "/pinning", "/ossnap-spine/leaving", false);
	for (int k = 0; k < KIND_COUNT; k++)
		kinds += o->result.kinds[k];
	assert_int_equal(kinds, o->result.pages_read);
	/* The last stratum is short. */
	assert_in_range(o->result.holes + o->result.pages_read, o->result.strata_done - 1,
			o->result.strata_done);
	outcome_destroy(o);
	kmem_close(s);
	close(btf_fd);
	close(core_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_6_1)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
