/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The writer against the disk: the page cache, a full disk, and a kill at any moment. */
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "bundle_testing.h"

static uint64_t cached_bytes(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint64_t pages = 0;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	size_t count = ((size_t)st.st_size + 4095) / 4096;
	unsigned char *in_core = malloc(count + 1);
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);

	assert_true(map != MAP_FAILED);
	assert_int_equal(mincore(map, (size_t)st.st_size, in_core), 0);
	for (size_t i = 0; i < count; i++)
		pages += in_core[i] & 1;
	munmap(map, (size_t)st.st_size);
	free(in_core);
	close(fd);
	return pages * 4096;
}

static void leaves_page_cache(void **state)
{
	const size_t size = 1 << 20;
	struct bundle_writer *w = NULL;
	uint8_t *data = malloc(size);
	const char *final = NULL;
	struct err e = {0};
	struct statfs fs;
	uint64_t cached;
	char name[32];

	assert_int_equal(statfs(scratch, &fs), 0);
	if (fs.f_type == TMPFS_MAGIC) {
		print_message("%s is a tmpfs\n", scratch);
		skip();
	}
	assert_int_equal(bundle_create(&w, scratch, "cache", 0, &e), 0);
	assert_int_equal(add_head(w, &e), 0);
	for (unsigned i = 0; i < 64; i++) {
		member_content(data, size, i);
		snprintf(name, sizeof(name), "m/%u", i);
		assert_int_equal(bundle_add(w, name, data, size, false, &e), 0);
	}
	cached = cached_bytes(in_scratch("cache.tar.zst.partial"));
	print_message("%llu KiB of 64 MiB in the page cache while writing\n",
		      (unsigned long long)cached >> 10);
	assert_true(cached < (64 << 20) / 20);
	struct bytes b = manifest_of(w);

	assert_int_equal(bundle_finish(w, b.p, b.len, &final, &e), 0);
	cached = cached_bytes(final);
	assert_true(cached < (64 << 20) / 20);
	free(b.p);
	bundle_destroy(w);
	free(data);
}

/* Write until the file system of dir is full, let somebody else take the last block, finish. */
static int fill_and_finish(const char *dir, char *why, size_t cap)
{
	struct bundle_writer *w = NULL;
	const char *final = NULL;
	struct err e = {0};
	static uint8_t data[70000];
	char name[64], other[128];
	struct stat st;
	int r, added = 0;

	r = bundle_create(&w, dir, FORGE_TOP, 0, &e);
	if (r == 0)
		r = add_head(w, &e);
	for (unsigned i = 0; r == 0 && i < 1000; i++) {
		member_content(data, sizeof(data), i);
		snprintf(name, sizeof(name), "m/%u", i);
		r = bundle_add(w, name, data, sizeof(data), false, &e);
		added += r == 0;
	}
	snprintf(why, cap, "after %d members: %.400s", added, e.text);
	if (r != -ENOSPC || added < 10 || bundle_remark(w))
		return 1;

	snprintf(other, sizeof(other), "%s/other", dir);
	int fd = open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	while (write(fd, data, sizeof(data)) > 0)
		;
	while (write(fd, data, 512) > 0)
		;
	close(fd);
	if (bundle_add(w, "late", data, 60000, false, &e) != -ENOSPC)
		return 2;

	struct bytes b = manifest_of(w);

	r = bundle_finish(w, b.p, b.len, &final, &e);
	if (r < 0) {
		snprintf(why, cap, "finish: %.400s", e.text);
		return 3;
	}
	struct verified v = verify_path(final);

	snprintf(why, cap, "%s", v.text);
	if (!v.whole || v.outcome.members != (unsigned)added + 2)
		return 4;
	if (stat(final, &st) < 0 || st.st_blocks * 512 > st.st_size + 65536)
		return 5;
	bundle_destroy(w);
	return 0;
}

static void on_full_disk(const char *type, const char *source, const char *options)
{
	int fds[2];
	char why[512] = "";

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t pid = fork();

	if (pid == 0) {
		int r = 0;

		/* A mount namespace of its own: nothing to clean up. */
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			r = 77;
		if (r == 0 && mount(source, scratch, type, 0, options) < 0)
			r = 77;
		if (r == 0)
			r = fill_and_finish(scratch, why, sizeof(why));
		else
			snprintf(why, sizeof(why), "mount %s: %s", type, strerror(errno));
		(void)!write(fds[1], why, strlen(why));
		_exit(r);
	}
	int status;

	close(fds[1]);
	(void)!read(fds[0], why, sizeof(why) - 1);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("%s\n", why);
		skip();
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("%s: %d: %s", type, WEXITSTATUS(status), why);
}

static void full_tmpfs(void **state)
{
	if (geteuid() != 0) {
		print_message("needs root to mount a small file system\n");
		skip();
	}
	on_full_disk("tmpfs", "tmpfs", "size=6m");
}

/* A file system with real blocks, on a loop device. */
static char image[64], loop[64];

/* Also after a skip or a failure, which leave the test by a long jump. */
static int detach_loop(void **state)
{
	char command[256];
	int r = 0;

	(void)state;
	if (loop[0]) {
		snprintf(command, sizeof(command), "PATH=$PATH:/sbin:/usr/sbin; losetup -d %s",
			 loop);
		r = system(command);
	}
	if (image[0])
		unlink(image);
	return r ? -1 : 0;
}

static void full_ext4(void **state)
{
	char command[512];

	if (geteuid() != 0) {
		print_message("needs root to mount a small file system\n");
		skip();
	}
	snprintf(image, sizeof(image), "/tmp/ossnap-ext4-%d.img", getpid());
	snprintf(command, sizeof(command),
		 "PATH=$PATH:/sbin:/usr/sbin; truncate -s 12M %s && mkfs.ext4 -q -m 0 %s && "
		 "losetup -f --show %s",
		 image, image, image);
	FILE *p = popen(command, "r");

	if (!fgets(loop, sizeof(loop), p))
		loop[0] = 0;
	loop[strcspn(loop, "\n")] = 0;
	pclose(p);
	if (!loop[0]) {
		print_message("no ext4 on a loop device here\n");
		skip();
	}
	/* The device goes with its last user, the mount of the child. */
	on_full_disk("ext4", loop, NULL);
}

/* A disk too full even for the reserve is told at once. */
static void no_room_at_all(void **state)
{
	if (geteuid() != 0)
		skip();
	pid_t pid = fork();

	if (pid == 0) {
		struct bundle_writer *w = NULL;
		struct err e = {0};

		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("tmpfs", scratch, "tmpfs", 0, "size=256k") < 0)
			_exit(0);
		int r = bundle_create(&w, scratch, "full", 0, &e);

		_exit(r == -ENOSPC && strstr(e.text, "reserving") &&
				      access(in_scratch("full.tar.zst.partial"), F_OK) < 0
			      ? 0
			      : 1);
	}
	wait_child(pid);
}

/* The child: members of known content, and after each the news that it is written. */
static void write_for_ever(int news)
{
	struct bundle_writer *w = NULL;
	struct err e = {0};
	static uint8_t data[300000];
	char name[32];

	if (bundle_create(&w, scratch, "killed", 0, &e) < 0)
		_exit(1);
	for (uint32_t i = 0; i < 4000; i++) {
		size_t size = i % 7 ? i * 977 % sizeof(data) : i;

		member_content(data, size, i);
		snprintf(name, sizeof(name), "m/%u", i);
		if (bundle_add(w, name, data, size, false, &e) < 0)
			_exit(1);
		if (write(news, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
	_exit(0);
}

struct expected {
	uint32_t next;
	uint8_t data[300000];
};

static int check_content(void *ctx, const struct bundle_member *m, const void *data)
{
	struct expected *x = ctx;
	char name[32];

	snprintf(name, sizeof(name), "m/%u", x->next);
	assert_string_equal(m->name, name);
	assert_int_equal(m->size, x->next % 7 ? x->next * 977 % sizeof(x->data) : x->next);
	member_content(x->data, m->size, x->next);
	assert_memory_equal(x->data, data, m->size);
	x->next++;
	return 0;
}

static void killed_at_any_moment(void **state)
{
	static struct expected x;
	unsigned seed = 1, cut = 0;

	/* Most kills fall between two writes: some more rounds, to hit one in the middle. */
	for (int round = 0; round < 25 || (!cut && round < 100); round++) {
		struct bundle_outcome o = {0};
		struct err e = {0};
		uint32_t i, last = 0;
		bool any = false;
		int fds[2], status;

		unlink(in_scratch("killed.tar.zst.partial"));
		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		pid_t pid = fork();

		if (pid == 0)
			write_for_ever(fds[1]);
		close(fds[1]);
		assert_int_equal(read(fds[0], &i, sizeof(i)), sizeof(i));
		usleep(rand_r(&seed) % 60000);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		while (read(fds[0], &i, sizeof(i)) == sizeof(i)) {
			last = i;
			any = true;
		}
		close(fds[0]);

		int fd = bundle_open(in_scratch("killed.tar.zst.partial"), &e);

		x.next = 0;
		int r = bundle_read(fd, &bundle_default_limits, check_content, &x, &o, &e);

		if (r < 0)
			fail_msg("%s", e.text);
		assert_true(!any || x.next > last);
		assert_true(x.next <= last + 2);
		assert_true(o.cut);
		assert_int_equal(o.damaged, 0);
		assert_int_equal(o.refused, 0);
		cut += strstr(o.damage, "cut after") != NULL;
		close(fd);
	}
	print_message("%u of the kills cut a member in the middle\n", cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_page_cache),
		cmocka_unit_test(full_tmpfs),
		cmocka_unit_test_teardown(full_ext4, detach_loop),
		cmocka_unit_test(no_room_at_all),
		cmocka_unit_test(killed_at_any_moment),
	};

	return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
