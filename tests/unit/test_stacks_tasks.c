/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process had mapped at the time of a sample: events, forks, execs, reused numbers. */
#include "collect_run.h"

#include "../../capture/stacks/stackset.h"
#include "../../capture/stacks/perf.h"
#include "../../capture/stacks/tasks.h"

static struct tasks t;
static struct sysroot root;
static uint64_t now_ns;

static void begin(void)
{
	struct tasks_limits limits = tasks_default_limits;
	struct err e;

	limits.tasks = 64;
	limits.maps = 256;
	limits.threads = 8;
	assert_int_equal(sysroot_open(&root, tree, &e), 0);
	assert_int_equal(tasks_init(&t, &limits, &root, 1), 0);
	now_ns = 1000;
}

static void end(void)
{
	tasks_deinit(&t);
	sysroot_close(&root);
}

/* ------------------------------------------------------------------ the kernel's records */

static void send_record(uint32_t type, uint16_t misc, const void *body, size_t len)
{
	char record[1024];
	struct perf_event_header h = {.type = type, .misc = misc};
	struct perf_trailer trailer = {.time = ++now_ns};
	uint32_t gone;

	h.size = (uint16_t)(sizeof(h) + len + sizeof(trailer));
	memcpy(record, &h, sizeof(h));
	memcpy(record + sizeof(h), body, len);
	memcpy(record + sizeof(h) + len, &trailer, sizeof(trailer));
	assert_int_equal(tasks_event_time((void *)record), now_ns);
	tasks_event(&t, (void *)record, &gone);
}

static void event_mmap(uint32_t pid, uint64_t start, uint64_t len, uint64_t offset,
		       const char *path)
{
	struct {
		uint32_t pid, tid;
		uint64_t addr, len, pgoff;
		uint32_t maj, min;
		uint64_t ino, generation;
		uint32_t prot, flags;
		char name[64];
	} b = {.pid = pid,
	       .tid = pid,
	       .addr = start,
	       .len = len,
	       .pgoff = offset,
	       .maj = 8,
	       .min = 1,
	       .ino = 77};

	snprintf(b.name, sizeof(b.name), "%s", path);
	send_record(PERF_RECORD_MMAP2, 0, &b, sizeof(b));
}

static void event_comm(uint32_t pid, const char *comm, bool exec)
{
	struct {
		uint32_t pid, tid;
		char comm[16];
	} b = {.pid = pid, .tid = pid};

	snprintf(b.comm, sizeof(b.comm), "%s", comm);
	send_record(PERF_RECORD_COMM, exec ? PERF_RECORD_MISC_COMM_EXEC : 0, &b, sizeof(b));
}

static void event_task(uint32_t type, uint32_t pid, uint32_t ppid, uint32_t tid)
{
	struct {
		uint32_t pid, ppid, tid, ptid;
		uint64_t time;
	} b = {.pid = pid, .ppid = ppid, .tid = tid, .ptid = ppid, .time = now_ns};

	send_record(type, 0, &b, sizeof(b));
}

static const char *path_at(uint32_t pid, uint64_t address)
{
	const struct task *task = tasks_sampled(&t, pid, "x", true);
	const struct task_map *m = task ? tasks_find_map(task, address) : NULL;

	return m ? strings_at(&t.paths, m->path) : NULL;
}

static void fake_process(uint32_t pid, uint32_t ppid, const char *comm, const char *maps)
{
	char path[64], text[256];

	snprintf(path, sizeof(path), "proc/%u/stat", pid);
	snprintf(text, sizeof(text),
		 "%u (%s) S %u 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 500 0 0 0 0 0 0 0 0 0 0 0 0 0 0 "
		 "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		 pid, comm, ppid);
	tree_put(path, text);
	snprintf(path, sizeof(path), "proc/%u/cgroup", pid);
	tree_put(path, "5:cpu,memory:/a/b\n0::/u\n");
	snprintf(path, sizeof(path), "proc/%u/maps", pid);
	tree_put(path, maps);
}

/* ------------------------------------------------------------------ tests */

static void from_proc(void **state)
{
	fake_process(10, 1, "a ) b",
		     "00001000-00003000 r-xp 00002000 08:01 5    /bin/x y\n"
		     "00003000-00004000 rw-p 00004000 08:01 5    /bin/x y\n"
		     "7f0000000000-7f0000001000 r-xp 00000000 00:00 0 [vdso]\n"
		     "nonsense\n");
	begin();
	assert_string_equal(path_at(10, 0x1000), "/bin/x y");
	assert_null(path_at(10, 0x3000)); /* not executable */
	assert_string_equal(path_at(10, 0x7f0000000fff), "[vdso]");
	assert_null(path_at(10, 0x7f0000001000));
	assert_int_equal(t.row_count, 1);
	assert_string_equal(t.rows[0].comm, "a ) b");
	assert_string_equal(strings_at(&t.paths, t.rows[0].cgroup), "/a/b");
	assert_true(t.rows[0].own); /* a child of the capture's */
	/* Later ones come from events. */
	event_mmap(10, 0x5000, 0x1000, 0, "/lib/late.so");
	assert_string_equal(path_at(10, 0x5800), "/lib/late.so");
	/* One that nobody can read is there all the same. */
	assert_null(path_at(11, 0x1000));
	assert_int_equal(t.unreadable, 1);
	assert_string_equal(t.rows[1].comm, "x");
	end();
}

static void mapping_over_mappings(void **state)
{
	const struct task_map *m;

	begin();
	event_comm(20, "prog", true);
	event_mmap(20, 0x10000, 0x10000, 0x1000, "/a");
	event_mmap(20, 0x14000, 0x2000, 0, "/b"); /* in the middle of it */
	assert_string_equal(path_at(20, 0x13fff), "/a");
	assert_string_equal(path_at(20, 0x14000), "/b");
	assert_string_equal(path_at(20, 0x16000), "/a");
	m = tasks_find_map(tasks_sampled(&t, 20, "", true), 0x16000);
	assert_int_equal(m->offset, 0x7000);
	event_mmap(20, 0x12000, 0x3000, 0, "/c"); /* over two of them */
	assert_string_equal(path_at(20, 0x11fff), "/a");
	assert_string_equal(path_at(20, 0x14fff), "/c");
	assert_string_equal(path_at(20, 0x15000), "/b");
	event_mmap(20, 0x0, 0x100000, 0, "/d"); /* over everything */
	assert_string_equal(path_at(20, 0x11fff), "/d");
	assert_int_equal(tasks_sampled(&t, 20, "", true)->maps->count, 1);
	/* A length that wraps is nobody's mapping. */
	event_mmap(20, 0x200000, UINT64_MAX, 0, "/e");
	assert_null(path_at(20, 0x200001));
	end();
}

static void forks_and_execs(void **state)
{
	uint32_t before;

	begin();
	event_comm(30, "sh", true);
	event_mmap(30, 0x1000, 0x1000, 0, "/bin/sh");
	event_task(PERF_RECORD_FORK, 31, 30, 31);
	assert_string_equal(path_at(31, 0x1000), "/bin/sh"); /* as its parent */
	before = tasks_sampled(&t, 31, "", true)->row;
	event_mmap(31, 0x8000, 0x1000, 0, "/lib/a");
	assert_string_equal(path_at(31, 0x8000), "/lib/a");
	assert_null(path_at(30, 0x8000)); /* the parent's are its own */
	event_comm(31, "ls", true);
	assert_null(path_at(31, 0x1000)); /* nothing of the old program is left */
	event_mmap(31, 0x2000, 0x1000, 0, "/bin/ls");
	assert_string_equal(path_at(31, 0x2000), "/bin/ls");
	assert_int_not_equal(tasks_sampled(&t, 31, "", true)->row, before); /* another program */
	assert_string_equal(t.rows[tasks_sampled(&t, 31, "", true)->row - 1].comm, "ls");
	/* Ended, and its number is another's. */
	before = tasks_sampled(&t, 31, "", true)->row;
	event_task(PERF_RECORD_EXIT, 31, 30, 31);
	assert_string_equal(path_at(31, 0x2000), "/bin/ls"); /* its last samples may come late */
	event_task(PERF_RECORD_FORK, 31, 30, 31);
	assert_null(path_at(31, 0x2000));
	assert_string_equal(path_at(31, 0x1000), "/bin/sh");
	assert_int_not_equal(tasks_sampled(&t, 31, "", true)->row, before);
	tasks_sweep(&t, UINT64_MAX);
	assert_non_null(path_at(31, 0x1000)); /* that one lives */
	end();
}

static const struct {
	char worker[16], renamed[16], other[16];
} names = {"worker", "renamed", "other"};

static void threads_and_bounds(void **state)
{
	const struct task *task;
	uint32_t first, second;

	begin();
	event_comm(40, "many", true);
	task = tasks_sampled(&t, 40, "", true);
	first = tasks_thread(&t, task, 41, 7, names.worker);
	assert_int_equal(first, 1);
	assert_int_equal(tasks_thread(&t, task, 41, 7, names.renamed), first);
	assert_string_equal(t.threads[0].comm, "renamed");
	event_task(PERF_RECORD_EXIT, 40, 40, 41);
	assert_int_equal(tasks_thread(&t, task, 41, 7, names.renamed), first);
	event_task(PERF_RECORD_FORK, 40, 40, 41);
	second = tasks_thread(&t, task, 41, 7, names.other);
	assert_int_equal(second, 2); /* the number is another thread's now */
	for (uint32_t tid = 50; tid < 60; tid++)
		tasks_thread(&t, task, tid, 7, names.other);
	assert_int_equal(t.thread_count, 8);
	assert_int_equal(t.dropped_rows, 4);
	for (uint32_t i = 0; i < 1000; i++)
		event_mmap(40, 0x1000 * (2 * i + 1), 0x1000, 0, "/m");
	assert_true(t.dropped_maps > 0);
	assert_true(t.maps_in_use <= 256);
	for (uint32_t pid = 100; pid < 200; pid++)
		event_comm(pid, "p", true);
	assert_int_equal(t.dropped_tasks, 100 - 63);
	/* Records that are cut or lie about their length. */
	struct perf_event_header h = {.type = PERF_RECORD_MMAP2, .size = sizeof(h)};
	uint32_t gone;

	tasks_event(&t, &h, &gone);
	h.type = PERF_RECORD_FORK;
	tasks_event(&t, &h, &gone);
	end();
}

static void numbers_by_number(void **state)
{
	enum { KEYS = 3000 };
	static uint32_t truth[KEYS];
	struct intmap m;
	size_t there = 0;

	assert_int_equal(intmap_init(&m, KEYS / 2), 0);
	memset(truth, 0xff, sizeof(truth));
	srandom(7);
	for (int i = 0; i < 200000; i++) {
		size_t k = (size_t)random() % KEYS;
		uint64_t key = k * 0x100000001ULL + 1;

		if (random() % 3) {
			uint32_t v = (uint32_t)random() & 0xffffff;
			bool is_new = truth[k] == INTMAP_NONE;
			int r = intmap_set(&m, key, v);

			assert_int_equal(r, is_new && there == KEYS / 2 ? -ENOSPC : 0);
			if (!r) {
				there += is_new;
				truth[k] = v;
			}
		} else {
			there -= truth[k] != INTMAP_NONE;
			intmap_remove(&m, key);
			truth[k] = INTMAP_NONE;
		}
		k = (size_t)random() % KEYS;
		assert_int_equal(intmap_find(&m, k * 0x100000001ULL + 1), truth[k]);
	}
	assert_int_equal(m.count, there);
	intmap_deinit(&m);
}

static void stacks_by_hash(void **state)
{
	struct stackset s;
	struct stack_frame *f;

	assert_int_equal(stackset_init(&s, 3, 100), 0);
	assert_int_equal(stackset_number(&s, 11), 1);
	assert_int_equal(stackset_number(&s, 12), 2);
	assert_int_equal(stackset_number(&s, 11), 1);
	assert_int_equal(stackset_number(&s, 0), 0);
	f = stackset_frames(&s, 1, 60);
	assert_non_null(f);
	f[59].address = 1;
	assert_null(stackset_frames(&s, 1, 60)); /* they have come already */
	assert_null(stackset_frames(&s, 2, 60)); /* no room */
	assert_false(s.rows[1].known);
	assert_non_null(stackset_frames(&s, 2, 40));
	assert_int_equal(stackset_number(&s, 13), 3);
	assert_int_equal(stackset_number(&s, 14), 0);
	assert_int_equal(s.dropped, 3);
	stackset_deinit(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(from_proc),
		TREE_TEST(mapping_over_mappings),
		TREE_TEST(forks_and_execs),
		TREE_TEST(threads_and_bounds),
		cmocka_unit_test(numbers_by_number),
		cmocka_unit_test(stacks_by_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
