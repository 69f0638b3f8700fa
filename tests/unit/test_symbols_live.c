/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of this very process, its children and its kernel; the dynamic linker and nm know the
 * truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../capture/base/cleanup.h"
#include "../../capture/base/clock.h"
#include "../../capture/symbols/symbols.h"

#define SOON (clock_ns(CLOCK_MONOTONIC) + 20 * NSEC_PER_SEC)

static struct sysroot root;

static int open_root(void **state)
{
	struct err e = {0};

	return sysroot_open(&root, "/", &e);
}

/* The mapping of pid that holds address, from the kernel's text; its id. */
static uint32_t map_of(struct symbols *s, pid_t pid, uint64_t address, bool forget_identity)
{
	char path[64], line[4600], name[4200];
	struct symbol_map m = {.process = 1, .pid = (uint32_t)pid};
	uint32_t id = SYMBOLS_NO_MAP;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		name[0] = 0;
		if (sscanf(line,
			   "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %x:%x %" SCNu64 " %4199[^\n]",
			   &m.start, &m.end, &m.pgoff, &m.major, &m.minor, &m.ino, name) < 6)
			continue;
		if (address < m.start || address >= m.end)
			continue;
		m.path = name;
		if (forget_identity)
			m.major = m.minor = 0, m.ino = 0;
		id = symbols_map(s, &m);
		break;
	}
	fclose(f);
	return id;
}

static uint32_t want(struct symbols *s, pid_t pid, const void *address)
{
	uint32_t map = map_of(s, pid, (uintptr_t)address, false);

	assert_int_not_equal(map, SYMBOLS_NO_MAP);
	assert_int_equal(symbols_want(s, map, (uintptr_t)address), 0);
	return map;
}

static struct symbols *new (void)
{
	struct symbols *s;

	assert_int_equal(symbols_create(&s, &symbols_default_limits), 0);
	return s;
}

static struct symbols_outcome resolve(struct symbols *s)
{
	struct symbols_outcome o;

	assert_int_equal(symbols_resolve(s, &root, SOON, -1, &o), 0);
	assert_false(o.out_of_time);
	assert_int_equal(o.left_behind, 0);
	return o;
}

static void own_functions(void **state)
{
	void *libc_function = dlsym(RTLD_DEFAULT, "qsort_r");
	struct symbols *s = new ();
	uint32_t own = want(s, getpid(), (const char *)(uintptr_t)open_root + 3);
	uint32_t libc = want(s, getpid(), libc_function);
	uint64_t offset;

	assert_int_equal(own, want(s, getpid(), (const char *)(uintptr_t)open_root + 3));
	struct symbols_outcome o = resolve(s);
	assert_int_equal(o.wanted, 2);
	assert_int_equal(o.named, 2);
	assert_int_equal(o.modules, 2);
	assert_int_equal(o.modules_unread, 0);
	assert_string_equal(o.note, "");
	assert_string_equal(symbols_name(s, own, (uintptr_t)open_root + 3, &offset), "open_root");
	assert_int_equal(offset, 3);
	assert_non_null(strstr(symbols_name(s, libc, (uintptr_t)libc_function, NULL), "qsort_r"));
	symbols_destroy(s);
}

static void vdso(void **state)
{
	void *handle = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
	void *f = handle ? dlsym(handle, "__vdso_clock_gettime") : NULL;
	struct symbols *s;
	uint32_t map;

	if (!f)
		skip();
	s = new ();
	map = want(s, getpid(), f);
	resolve(s);
	assert_non_null(strstr(symbols_name(s, map, (uintptr_t)f, NULL), "clock_gettime"));
	symbols_destroy(s);
}

static void kernel(void **state)
{
	char line[512], name[256] = "";
	uint64_t address = 0;
	struct symbols_outcome o;
	struct symbols *s = new ();
	FILE *f = fopen("/proc/kallsyms", "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%" SCNx64 " %*c %255s", &address, name) == 2 &&
		    strcmp(name, "vfs_read") == 0)
			break;
	fclose(f);
	if (!address) { /* hidden from us: to be said */
		assert_int_equal(symbols_want(s, SYMBOLS_KERNEL, UINT64_MAX - 0x10000), 0);
		o = resolve(s);
		assert_true(o.kernel_restricted);
		assert_non_null(strstr(o.note, "kptr_restrict"));
	} else {
		assert_string_equal(name, "vfs_read");
		assert_int_equal(symbols_want(s, SYMBOLS_KERNEL, address + 4), 0);
		/* No function: far below the kernel, and user space. */
		assert_int_equal(symbols_want(s, SYMBOLS_KERNEL, 0x1000), 0);
		o = resolve(s);
		assert_false(o.kernel_restricted);
		assert_string_equal(symbols_name(s, SYMBOLS_KERNEL, address + 4, NULL), "vfs_read");
		assert_null(symbols_name(s, SYMBOLS_KERNEL, 0x1000, NULL));
	}
	symbols_destroy(s);
}

/* ------------------------------------------------------------------ files that change */

struct victim {
	char dir[64], path[96];
	pid_t pid;
	uint64_t function; /* where `marker` is */
};

static void compile(const char *path, const char *symbol)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "echo 'int %s(void){volatile int x=0;for(;;)x++;} int main(void){return %s();}' |"
		 "gcc -x c -O1 -Wl,--build-id -o %s -",
		 symbol, symbol, path);
	assert_int_equal(system(command), 0);
}

static void start(struct victim *v)
{
	char command[256], line[4600];
	uint64_t begin = 0, value = 0;
	FILE *f;

	strcpy(v->dir, "/tmp/ossnap-live.XXXXXX");
	assert_non_null(mkdtemp(v->dir));
	snprintf(v->path, sizeof(v->path), "%s/victim", v->dir);
	compile(v->path, "marker");
	snprintf(command, sizeof(command), "nm %s | awk '$3 == \"marker\" {print $1}'", v->path);
	f = popen(command, "r");
	assert_int_equal(fscanf(f, "%" SCNx64, &value), 1);
	pclose(f);
	v->pid = fork();
	if (v->pid == 0) {
		execl(v->path, v->path, NULL);
		_exit(1);
	}
	for (unsigned i = 0; i < 1000 && !begin; i++) {
		snprintf(line, sizeof(line), "/proc/%d/maps", (int)v->pid);
		f = fopen(line, "r");
		while (f && !begin && fgets(line, sizeof(line), f))
			if (strstr(line, v->path))
				sscanf(line, "%" SCNx64, &begin);
		if (f)
			fclose(f);
		usleep(1000);
	}
	assert_true(begin != 0);
	v->function = begin + value;
}

static void stop(struct victim *v)
{
	char command[128];

	kill(v->pid, SIGKILL);
	waitpid(v->pid, NULL, 0);
	snprintf(command, sizeof(command), "rm -rf %s", v->dir);
	assert_int_equal(system(command), 0);
}

static void replaced_binary(void **state)
{
	struct symbols *s = new ();
	struct victim v;
	uint32_t map;

	start(&v);
	unlink(v.path);
	compile(v.path, "imposter");
	map = want(s, v.pid, (void *)(uintptr_t)v.function);
	struct symbols_outcome o = resolve(s);
	const char *name = symbols_name(s, map, v.function, NULL);

	if (geteuid() == 0) { /* through map_files */
		assert_string_equal(name, "marker");
	} else { /* better no name than the imposter's */
		assert_null(name);
		assert_int_equal(o.modules_unread, 1);
	}
	symbols_destroy(s);
	stop(&v);
}

/* A process that is gone: its file is still there, and is known by device and inode. */
static void short_life(void **state)
{
	struct symbols *s = new ();
	struct victim v;
	uint32_t map;

	start(&v);
	map = want(s, v.pid, (void *)(uintptr_t)v.function);
	kill(v.pid, SIGKILL);
	waitpid(v.pid, NULL, 0);
	resolve(s);
	assert_string_equal(symbols_name(s, map, v.function, NULL), "marker");
	symbols_destroy(s);
	stop(&v);
}

/* … and so is its file, with another one in its place. */
static void short_life_and_replaced(void **state)
{
	struct symbols *s = new ();
	struct victim v;
	uint32_t map;

	start(&v);
	map = want(s, v.pid, (void *)(uintptr_t)v.function);
	kill(v.pid, SIGKILL);
	waitpid(v.pid, NULL, 0);
	unlink(v.path);
	compile(v.path, "imposter");
	struct symbols_outcome o = resolve(s);
	assert_null(symbols_name(s, map, v.function, NULL));
	assert_int_equal(o.modules_unread, 1);
	symbols_destroy(s);
	stop(&v);
}

/* A path that is no file must not be opened for reading: it would never answer. */
static void fifo_in_its_place(void **state)
{
	struct symbols *s = new ();
	struct victim v;

	start(&v);
	want(s, v.pid, (void *)(uintptr_t)v.function);
	kill(v.pid, SIGKILL);
	waitpid(v.pid, NULL, 0);
	unlink(v.path);
	assert_int_equal(mkfifo(v.path, 0600), 0);
	assert_int_equal(resolve(s).modules_unread, 1);
	symbols_destroy(s);
	stop(&v);
}

/* ------------------------------------------------------------------ code made at run time */

static void jit(void **state)
{
	void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char path[64], other[64];
	struct symbols *s = new ();
	struct symbols_outcome o;
	uint32_t map;
	FILE *f;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	snprintf(other, sizeof(other), "/tmp/perf-%d.other", (int)getpid());
	f = fopen(path, "w");
	fprintf(f, "%zx 40 py::hot_loop:/srv/app.py\n", (size_t)(uintptr_t)code + 16);
	fclose(f);
	map = want(s, getpid(), (char *)code + 20);
	want(s, getpid(), code);
	o = resolve(s);
	assert_int_equal(o.named, 1);
	assert_string_equal(symbols_name(s, map, (uintptr_t)code + 20, NULL),
			    "py::hot_loop:/srv/app.py");
	symbols_destroy(s);

	/* Somebody put a link there, to a file that the reader could read and the owner could not.
	 */
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	s = new ();
	want(s, getpid(), (char *)code + 20);
	o = resolve(s);
	assert_int_equal(o.named, 0);
	assert_int_equal(o.modules_unread, 1);
	symbols_destroy(s);
	unlink(path);

	if (geteuid() == 0) { /* another user's file in /tmp */
		assert_int_equal(rename(other, path), 0);
		assert_int_equal(chown(path, 12345, 12345), 0);
		s = new ();
		want(s, getpid(), (char *)code + 20);
		assert_int_equal(resolve(s).named, 0);
		symbols_destroy(s);
	}
	unlink(path);
	unlink(other);
	munmap(code, 4096);
}

/* ------------------------------------------------------------------ bounds */

static void full_tables(void **state)
{
	static const struct symbols_limits small = {
		.maps = 4, .modules = 3, .addresses = 5, .name_bytes = 12};
	struct symbols_outcome o;
	struct symbols *s;
	unsigned full = 0;
	uint32_t first = 0;

	assert_int_equal(symbols_create(&s, &small), 0);
	for (uint32_t i = 0; i < 10; i++) {
		struct symbol_map m = {.process = 1,
				       .pid = (uint32_t)getpid(),
				       .start = 0x1000 * (i + 1),
				       .end = 0x1000 * (i + 2),
				       .path = "/nowhere",
				       .ino = i};
		uint32_t id = symbols_map(s, &m);

		full += id == SYMBOLS_NO_MAP;
		first = first ? first : id;
		assert_int_equal(id == SYMBOLS_NO_MAP, i >= 2);
	}
	assert_int_equal(full, 8);
	assert_int_equal(symbols_want(s, first, 0x5000), -ERANGE);
	assert_int_equal(symbols_want(s, SYMBOLS_NO_MAP, 0x1000), -ERANGE);
	for (uint64_t i = 0; i < 9; i++)
		assert_int_equal(symbols_want(s, first, 0x1000 + i), i < 5 ? 0 : -E2BIG);
	o = resolve(s);
	assert_int_equal(o.maps_dropped, 8);
	assert_int_equal(o.wants_dropped, 4);
	symbols_destroy(s);
}

/* Many addresses of one large library, against the dynamic linker. */
static void many(void **state)
{
	struct symbols *s = new ();
	void *f = dlsym(RTLD_DEFAULT, "printf");
	uint32_t map = map_of(s, getpid(), (uintptr_t)f, false);
	uint64_t checked = 0;

	for (uintptr_t a = (uintptr_t)f - 300000; a < (uintptr_t)f + 300000; a += 13)
		symbols_want(s, map, a);
	struct symbols_outcome o = resolve(s);
	assert_true(o.wanted > 30000);
	for (uintptr_t a = (uintptr_t)f - 300000; a < (uintptr_t)f + 300000; a += 13) {
		const ElfW(Sym) *symbol = NULL;
		const char *name;
		uint64_t offset;
		Dl_info info;

		if (!dladdr1((void *)a, &info, (void **)&symbol, RTLD_DL_SYMENT) || !symbol ||
		    a >= (uintptr_t)info.dli_saddr + symbol->st_size)
			continue;
		/* It knows exported ones only: ours is that one, an alias, or one inside it. */
		name = symbols_name(s, map, a, &offset);
		assert_non_null(name);
		assert_true(a - offset >= (uintptr_t)info.dli_saddr);
		checked++;
	}
	assert_true(checked > 5000);
	symbols_destroy(s);
}

/* Enough for the reader to sort, too few for its parent to have done so: in the filter's sight. */
static void some(void **state)
{
	struct symbols *s = new ();
	void *f = dlsym(RTLD_DEFAULT, "printf");
	uint32_t map = map_of(s, getpid(), (uintptr_t)f, false);
	struct symbols_outcome o;

	for (uintptr_t a = (uintptr_t)f; a < (uintptr_t)f + 120; a++)
		symbols_want(s, map, a);
	o = resolve(s);
	assert_string_equal(o.note, "");
	assert_int_equal(o.modules_unread, 0);
	assert_true(o.named > 50);
	symbols_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(some),
		cmocka_unit_test(own_functions),
		cmocka_unit_test(vdso),
		cmocka_unit_test(kernel),
		cmocka_unit_test(replaced_binary),
		cmocka_unit_test(short_life),
		cmocka_unit_test(short_life_and_replaced),
		cmocka_unit_test(fifo_in_its_place),
		cmocka_unit_test(jit),
		cmocka_unit_test(full_tables),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, open_root, NULL);
}
