/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings made of stacks: who fights for a lock, who took the CPUs, and who only looks like it. */
#include "../../analyze/lock_waits.h"
#include "findings_testing.h"

#define HZ 100
#define S UINT64_C(1000000000)
#define KERNEL_AT UINT64_C(0xffffffff81000000)

static void setting(struct facts *f, const char *key, const char *value)
{
	struct fact_stack_setting *s = ADD(f, stack_settings);

	s->key = key;
	s->value = value;
}

/* 10 s on 4 CPUs.  Processes and threads are added by who needs them. */
static struct facts *stacks(void)
{
	struct facts *f = healthy();
	struct fact_stack_mapping *m = ADD(f, stack_mappings);
	struct fact_stack_object *o = ADD(f, stack_objects);

	f->archive.rows[0].cpus = 4;
	f->archive.rows[0].captured_at = 1795250400; /* 08:40:00 UTC */
	setting(f, "hz", "100");
	setting(f, "start_ns", "0");
	setting(f, "end_ns", "10000000000");
	m->mapping = 1;
	m->process = 1;
	m->start = m->offset = 0;
	m->end = 1 << 30;
	m->object = 2;
	o->object = 0;
	o->kind = o->path = "[kernel]";
	o->kind = "kernel";
	o = ADD(f, stack_objects);
	o->object = 2;
	o->kind = "file";
	o->path = "/usr/bin/app";
	return f;
}

static uint64_t process(struct facts *f, uint64_t pid, const char *comm, uint64_t threads)
{
	struct fact_stack_process *p = ADD(f, stack_processes);

	p->process = p->pid = pid;
	p->comm = comm;
	p->own = 0;
	for (uint64_t i = 0; i < threads; i++) {
		struct fact_stack_thread *t = ADD(f, stack_threads);

		t->thread = t->tid = pid + i;
		t->process = pid;
		t->comm = comm;
	}
	return pid;
}

/* Where a function is: the same for the same name. */
static uint64_t address_of(struct facts *f, const char *name, bool kernel)
{
	struct fact_stack_symbol *s;

	for (size_t i = 0; i < f->stack_symbols.count; i++)
		if (!strcmp(f->stack_symbols.rows[i].function, name))
			return f->stack_symbols.rows[i].offset;
	uint64_t at = (kernel ? KERNEL_AT : 0) + 4096 * (f->stack_symbols.count + 1);

	s = ADD(f, stack_symbols);
	s->object = s->found_in = kernel ? 0 : 2;
	s->offset = at;
	s->address = 1;
	s->into = 0;
	s->function = name;
	return at;
}

/* "leaf<caller<…" of the kernel and of the program; either may be "". */
static uint64_t stack(struct facts *f, const char *kernel, const char *user)
{
	struct fact_stack *k = ADD(f, stacks);
	const char *parts[] = {kernel, user};
	uint64_t id = f->stacks.count;

	for (int part = 0; part < 2; part++) {
		char text[2048] = "";
		size_t len = 0;

		for (const char *p = parts[part]; *p;) {
			size_t n = strcspn(p, "<");
			char *name = arena_strndup(f->arena, p, n);
			uint64_t at = address_of(f, name, part == 0);

			len += (size_t)snprintf(text + len, sizeof(text) - len,
						part ? "%s1:%" PRIx64 "!" : "%s%" PRIx64 "!",
						len ? " " : "", at);
			p += n + (p[n] == '<');
		}
		*(part ? &k->user : &k->kernel) = arena_strndup(f->arena, text, len);
	}
	k->stack = id;
	k->process = 1;
	k->end = "root";
	k->kernel_cut = 0;
	return id;
}

static void on_cpu(struct facts *f, uint64_t tid, uint64_t id, double from, double to)
{
	for (uint64_t t = (uint64_t)(from * HZ); t < (uint64_t)(to * HZ); t++) {
		struct fact_stack_sample *s = ADD(f, stack_samples);

		s->time_ns = t * S / HZ;
		s->state = STACK_ON_CPU;
		s->thread = tid;
		s->cpu = 0;
		s->stack = id;
	}
}

/* count times, one in each share of the window, each so long. */
static void off_cpu(struct facts *f, uint64_t tid, uint64_t id, uint64_t state, unsigned count,
		    double seconds)
{
	for (unsigned i = 0; i < count; i++) {
		struct fact_stack_sample *s = ADD(f, stack_samples);

		s->time_ns = (i + 1) * 10 * S / count;
		s->state = state;
		s->thread = tid;
		s->cpu = 0;
		s->stack = id;
		s->ns = (uint64_t)(seconds * 1e9);
		s->weight = 1024;
	}
}

#define FUTEX "schedule<futex_wait_queue<__futex_wait<do_futex<__x64_sys_futex<do_syscall_64"

/* Four threads: each works a quarter of the time and waits three. */
static void fight(struct facts *f, uint64_t pid, const char *kernel, const char *user,
		  uint64_t state)
{
	uint64_t waits = stack(f, kernel, user), works = stack(f, "", "work<main");

	for (uint64_t i = 0; i < 4; i++) {
		off_cpu(f, pid + i, waits, state, 100, 0.075);
		on_cpu(f, pid + i, works, 2.5 * (double)i, 2.5 * (double)(i + 1));
	}
}

static void test_mutex(void **state)
{
	struct facts *f = stacks();
	struct fact_stack_offcpu *w;

	process(f, 100, "app", 4);
	fight(f, 100, FUTEX, "__lll_lock_wait<__pthread_mutex_lock<update<worker<start_thread",
	      STACK_SLEEP);
	/* Some were asleep when it began, and only the innermost frame is known. */
	off_cpu(f, 101, stack(f, FUTEX, "__lll_lock_wait"), STACK_SLEEP, 1, 2);
	w = ADD(f, stack_offcpu);
	w->thread = 101;
	w->state = STACK_SLEEP;
	w->total_ns = 8 * S;
	w->count = 100;
	w->longest_ns = S / 2;
	w->longest_stack = 1;
	w->longest_waker = 102;
	struct judged j = judge(f);
	const struct finding *n = must(j, "hotspot.lock-contention");

	assert_string_equal(n->title, "3.2 threads at a time wait for a lock in update of app");
	assert_int_equal(n->severity, SEVERITY_WARNING);
	assert_string_equal(n->scope_name, "app (100)");
	assert_contains(n->because[0].text, "4 threads of app (pid 100) waited 32 s");
	assert_contains(n->because[0].text, "76% of the time");
	assert_contains(n->because[1].text, "500 ms, until thread 102 of app gave the lock up");
	assert_contains(n->advice[0], "Do less in update");
	assert_int_equal(j.f->count, 1);
	done(j, f);
}

/* A long sleep for work that ended, before it slept for the lock to the end; and the time from
 * being woken to running, which has the stack of the lock too. */
static void test_longest_is_the_locks(void **state)
{
	struct facts *f = stacks();
	struct fact_stack_offcpu *w;
	uint64_t lock = stack(f, FUTEX, "__lll_lock_wait<pthread_mutex_lock<update<main"),
		 idle = stack(f, "schedule<ep_poll<do_epoll_wait", "epoll_wait<serve<main");

	process(f, 100, "app", 4);
	fight(f, 100, FUTEX, "__lll_lock_wait<pthread_mutex_lock<update<main", STACK_SLEEP);
	w = ADD(f, stack_offcpu);
	w->thread = 101;
	w->state = STACK_SLEEP;
	w->total_ns = 8 * S;
	w->count = 100;
	w->longest_ns = 5 * S;
	w->longest_stack = idle;
	w->longest_waker = 103;
	w->still_ns = S / 100;
	w->still_stack = lock;
	w = ADD(f, stack_offcpu);
	w->thread = 102;
	w->state = STACK_RUNNABLE;
	w->total_ns = w->longest_ns = 3 * S;
	w->count = 1;
	w->longest_stack = lock;
	w->longest_waker = 103;
	w = ADD(f, stack_offcpu);
	w->thread = 103;
	w->state = STACK_SLEEP;
	w->total_ns = 2 * S;
	w->count = 2;
	w->longest_ns = S / 4;
	w->longest_stack = lock;
	w->longest_waker = 102;
	w->still_ns = S;
	w->still_stack = idle;
	struct judged j = judge(f);
	const struct finding *n = must(j, "hotspot.lock-contention");

	assert_contains(n->because[1].text, "250 ms, until thread 102 of app gave the lock up");
	done(j, f);
}

/* Others' locks: read-write, Rust, Go, C++ wrappers, and the one of Python. */
static void test_other_locks(void **state)
{
	static const struct {
		const char *user, *site;
	} locks[] = {
		{"__lll_lock_wait<___pthread_rwlock_wrlock<insert<main", "insert"},
		{"std::sys::sync::mutex::futex::Mutex::lock_contended<std::sync::Mutex::lock<"
		 "push",
		 "push"},
		{"parking_lot::raw_mutex::RawMutex::lock_slow<serve<main", "serve"},
		{"runtime.futex<runtime.futexsleep<runtime.lock2<runtime.mallocgc<main.main",
		 "runtime.mallocgc"},
		{"__lll_lock_wait<pthread_mutex_lock<std::mutex::lock<std::lock_guard::lock_guard<"
		 "put<main",
		 "put"},
		/* It was told that there is work, and now its mutex is another's. */
		{"__lll_lock_wait<__pthread_mutex_cond_lock<__pthread_cond_wait_common<"
		 "___pthread_cond_wait<std::condition_variable::wait<take_job<main",
		 "take_job"},
		{"pthread_cond_timedwait<take_gil<PyEval_RestoreThread<time_sleep", "PyEval"},
	};

	for (size_t i = 0; i < sizeof(locks) / sizeof(*locks); i++) {
		struct facts *f = stacks();

		process(f, 100, "app", 4);
		fight(f, 100, FUTEX, locks[i].user, STACK_SLEEP);
		struct judged j = judge(f);
		const struct finding *n = must(j, "hotspot.lock-contention");

		assert_contains(n->title, locks[i].site);
		if (strstr(locks[i].user, "gil"))
			assert_contains(n->advice[0], "global interpreter lock");
		done(j, f);
	}
}

static void test_kernel_locks(void **state)
{
	struct facts *f = stacks();

	process(f, 100, "a", 2);
	process(f, 102, "b", 2);
	fight(f, 100, "schedule<rwsem_down_write_slowpath<down_write<do_unlinkat<__x64_sys_unlink",
	      "unlink", STACK_DISK);
	struct judged j = judge(f);
	const struct finding *n = must(j, "hotspot.lock-contention");

	/* Perhaps each process has a directory of its own. */
	assert_contains(n->title, "wait for locks of the kernel's in do_unlinkat of directories");
	assert_int_equal(n->confidence, CONFIDENCE_MEDIUM);
	assert_contains(n->because[0].text, "4 threads of several processes");
	assert_string_equal(n->scope_kind, "host");
	assert_contains(n->advice[0], "different directories");
	done(j, f);

	f = stacks();
	process(f, 100, "a", 4);
	fight(f, 100, "schedule<rwsem_down_write_slowpath<down_write<do_unlinkat<__x64_sys_unlink",
	      "unlink", STACK_DISK);
	j = judge(f);
	n = must(j, "hotspot.lock-contention");
	assert_contains(n->title, "a lock of the kernel's in do_unlinkat of a directory");
	assert_int_equal(n->confidence, CONFIDENCE_HIGH);
	done(j, f);

	/* At a spin lock nobody sleeps. */
	f = stacks();
	process(f, 100, "net", 2);
	uint64_t spins = stack(
		f, "native_queued_spin_lock_slowpath<_raw_spin_lock<__dev_queue_xmit", "send<main");

	on_cpu(f, 100, spins, 0, 8);
	on_cpu(f, 101, spins, 2, 10);
	j = judge(f);
	n = must(j, "hotspot.lock-contention");
	assert_contains(n->title, "1.6 threads at a time");
	assert_contains(n->title, "__dev_queue_xmit");
	assert_contains(n->because[1].text, "spun on the CPU");
	done(j, f);
}

/* Of each process one finding, however many functions want its lock. */
static void test_mmap_lock(void **state)
{
	static const char *const sites[] = {
		"schedule<rwsem_down_write_slowpath<down_write_killable<vm_mmap_pgoff<ksys_mmap",
		"schedule<rwsem_down_write_slowpath<down_write_killable<__vm_munmap<sys",
		"schedule<rwsem_down_read_slowpath<down_read<__mm_populate<vm_mmap_pgoff",
		"schedule<rwsem_down_write_slowpath<down_write_killable<__x64_sys_brk<do_syscall",
		"schedule<rwsem_down_read_slowpath<down_read_killable<__get_user_pages_locked<a",
	};
	struct facts *f = stacks();
	size_t count = 0;

	process(f, 100, "app", 4);
	process(f, 200, "db", 4);
	for (uint64_t pid = 100; pid <= 200; pid += 100) {
		uint64_t works = stack(f, "", "work<main");

		for (uint64_t i = 0; i < 4; i++)
			on_cpu(f, pid + i, works, 0, 1);
		for (size_t k = 0; k < sizeof(sites) / sizeof(*sites); k++)
			for (uint64_t i = 0; i < 4; i++)
				off_cpu(f, pid + i, stack(f, sites[k], "mmap<main"), STACK_DISK, 50,
					k == 1 ? 0.05 : 0.02);
	}
	struct fact_stack_offcpu *w = ADD(f, stack_offcpu);

	w->thread = 101;
	w->state = STACK_DISK;
	w->total_ns = 8 * S;
	w->count = 100;
	w->longest_ns = S / 2;
	w->longest_stack = 4; /* of the three sites one that is not first */
	w->longest_waker = 102;
	struct judged j = judge(f);
	const struct finding *n = must(j, "hotspot.lock-contention");

	assert_string_equal(n->title,
			    "2.6 threads at a time wait for a lock of the kernel's in __vm_munmap "
			    "and 4 other functions, of a process's address space (mmap_lock)");
	assert_string_equal(n->scope_name, "app (100)");
	assert_contains(n->because[1].text, "__vm_munmap (10 s), ");
	assert_contains(n->because[1].text, "…");
	assert_contains(n->because[2].text, "500 ms, until thread 102 of app");
	for (size_t i = 0; i < j.f->count; i++)
		count += !strcmp(j.f->rows[i].id, "hotspot.lock-contention");
	assert_int_equal(count, 2);
	done(j, f);

	/* Who reads another's map waits for that one's lock, not for its own; and what is read like
	 * that need not be a map. */
	static const struct {
		const char *kernel, *title;
	} readers[] = {
		{"schedule<rwsem_down_read_slowpath<down_read_killable<m_start<seq_read_iter<"
		 "seq_read<vfs_read",
		 "in m_start of other processes' address spaces (mmap_lock)"},
		{"schedule<rwsem_down_read_slowpath<down_read<m_start<seq_read_iter<vfs_read",
		 "locks of the kernel's in m_start"},
		{"schedule<rwsem_down_read_slowpath<down_read<__access_remote_vm<get_cmdline",
		 "in __access_remote_vm of other processes' address spaces"},
	};

	for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++) {
		f = stacks();
		process(f, 100, "ps", 2);
		process(f, 102, "agent", 2);
		fight(f, 100, readers[i].kernel, "read<main", STACK_DISK);
		j = judge(f);
		n = must(j, "hotspot.lock-contention");
		assert_contains(n->title, readers[i].title);
		assert_int_equal(strstr(n->title, "mmap_lock") != NULL, i != 1);
		assert_int_equal(n->confidence, CONFIDENCE_MEDIUM);
		assert_int_equal(j.f->count, 1);
		done(j, f);
	}
}

/* As many as a hostile archive has: known and cut stacks of a process each, and kernel's locks. */
static void test_many_locks(void **state)
{
	enum { PIDS = 200000 };
	struct hot_name names[] = {{"main", "app", false, false},
				   {"update", "app", false, false},
				   {"__lll_lock_wait", "libc", false, false},
				   {"futex_wait", "[kernel]", true, false}};
	uint32_t frames[] = {0, 1, 2, 3, 2, 3};
	struct hot_stack stack[] = {{0}, {.first = 0, .count = 4}, {.first = 4, .count = 2}};
	struct hotspot h = {.names = names,
			    .name_count = 4,
			    .frames = frames,
			    .frame_count = 6,
			    .stacks = stack,
			    .stack_count = 3,
			    .thread_count = PIDS,
			    .hz = HZ};
	struct lock_wait *w = NULL;
	size_t n = 0, merged = 0;

	h.threads = calloc(PIDS, sizeof(*h.threads));
	h.samples = calloc(2 * PIDS, sizeof(*h.samples));
	if (!h.threads || !h.samples)
		abort();
	for (uint32_t i = 0; i < PIDS; i++) {
		h.threads[i] = (struct hot_thread){
			.pid = i + 1, .tid = i + 1, .comm = "a", .process_comm = "a", .cgroup = ""};
		h.samples[h.sample_count++] = (struct hot_sample){
			.thread = i, .stack = 2, .state = STACK_SLEEP, .ns = 2 * S};
		if (i % 2)
			h.samples[h.sample_count++] = (struct hot_sample){
				.thread = i, .stack = 1, .state = STACK_SLEEP, .ns = S};
	}
	assert_int_equal(lock_waits(&h, &w, &n), 0);
	assert_int_equal(n, PIDS);
	for (size_t i = 0; i < n; i++) {
		merged += w[i].slept_s == 3;
		assert_int_equal(w[i].site, w[i].pid % 2 ? 2 : 1);
	}
	assert_int_equal(merged, PIDS / 2);
	free(w);
	free(h.threads);
	free(h.samples);
}

/* Idle workers, turns at a lock with nobody at work, little waiting beside much work, one alone. */
static void test_no_contention(void **state)
{
	static const char *const idle[] = {
		"__futex_abstimed_wait_common<pthread_cond_wait<wait_for_job<start_thread",
		"futex_wait<sem_wait<worker<start_thread",
		"runtime.futex<runtime.futexsleep<runtime.notesleep<runtime.stopm<runtime.schedule",
		"pthread_cond_wait<os::PlatformEvent::park<ObjectMonitor::wait<Object.wait",
		"syscall<std::thread::park<worker",
	};

	for (size_t i = 0; i < sizeof(idle) / sizeof(*idle); i++) {
		struct facts *f = stacks();

		process(f, 100, "pool", 4);
		fight(f, 100, FUTEX, idle[i], STACK_SLEEP);
		struct judged j = judge(f);

		must_not(j, "hotspot.lock-contention");
		done(j, f);
	}
	static const char lock[] = "__lll_lock_wait<pthread_mutex_lock<accept_mutex<child_main";
	struct facts *f = stacks();

	process(f, 100, "apache", 8);
	for (uint64_t i = 0; i < 8; i++)
		off_cpu(f, 100 + i, stack(f, FUTEX, lock), STACK_SLEEP, 10, 0.9);
	struct judged j = judge(f);

	must_not(j, "hotspot.lock-contention");
	done(j, f);

	f = stacks();
	process(f, 100, "busy", 4);
	for (uint64_t i = 0; i < 4; i++) {
		off_cpu(f, 100 + i, stack(f, FUTEX, lock), STACK_SLEEP, 100, 0.002);
		on_cpu(f, 100 + i, stack(f, "", "work"), 0, 9.5);
	}
	j = judge(f);
	must_not(j, "hotspot.lock-contention");
	done(j, f);

	/* After it was woken it waits for a CPU. */
	f = stacks();
	process(f, 100, "late", 4);
	fight(f, 100, FUTEX, lock, STACK_RUNNABLE);
	j = judge(f);
	must_not(j, "hotspot.lock-contention");
	done(j, f);

	f = stacks();
	process(f, 100, "one", 1);
	off_cpu(f, 100, stack(f, FUTEX, lock), STACK_SLEEP, 100, 0.05);
	on_cpu(f, 100, stack(f, "", "work"), 0, 5);
	j = judge(f);
	must_not(j, "hotspot.lock-contention");
	done(j, f);
}

/* ------------------------------------------------------------------ bursts */

/* It could run from then on, and did at last. */
static void waited(struct facts *f, uint64_t tid, uint64_t id, double from, double to)
{
	struct fact_stack_sample *s = ADD(f, stack_samples);

	s->time_ns = (uint64_t)(to * 1e9);
	s->state = STACK_PREEMPTED;
	s->thread = tid;
	s->cpu = 0;
	s->stack = id;
	s->ns = (uint64_t)((to - from) * 1e9);
	s->weight = 1024;
}

/* What is worth a warning, and what is said of few CPUs and of the kernel's own threads. */
static void test_burst_severity(void **state)
{
	enum { NONE, INFO, WARNING };
	static const struct {
		uint64_t cpus, threads;
		double to, wait; /* from second 4; others' wait in it */
		int what;
		const char *why;
	} bursts[] = {
		{4, 4, 7, 0, INFO, "nobody waits"},
		{4, 4, 7, 1, INFO, "few wait"},
		{4, 4, 7, 2.5, WARNING, "others wait"},
		{4, 4, 5.5, 1.5, INFO, "short"},
		{4, 3, 7, 2.5, INFO, "some is left"},
		{1, 1, 4.5, 0, NONE, "a cron job on one CPU"},
		{1, 1, 7, 0, NONE, "a long one, alone"},
		{1, 1, 4.5, 0.4, INFO, "a short one, and somebody waits"},
		{1, 1, 7, 2.5, WARNING, "a long one, and somebody waits"},
		{2, 1, 7, 0, NONE, "one thread on two CPUs"},
		{2, 1, 7, 2.5, INFO, "and others want that CPU"},
		{2, 2, 7, 0, INFO, "both"},
		{2, 2, 7, 2.5, WARNING, "both, and others wait"},
	};

	for (size_t i = 0; i < sizeof(bursts) / sizeof(*bursts); i++) {
		struct facts *f = stacks();
		uint64_t hot = stack(f, "", "work<main");

		f->archive.rows[0].cpus = bursts[i].cpus;
		process(f, 100, bursts[i].why, 4);
		process(f, 200, "web", 1);
		for (uint64_t k = 0; k < bursts[i].threads; k++)
			on_cpu(f, 100 + k, hot, 4, bursts[i].to);
		/* Its own threads' turns are nobody else's. */
		waited(f, 100, hot, 4, bursts[i].to);
		/* Before it, too: that is not its doing. */
		waited(f, 200, hot, 1, 4);
		if (bursts[i].wait > 0)
			waited(f, 200, hot, 4, 4 + bursts[i].wait);
		struct judged j = judge(f);
		const struct finding *n = find_finding(j, "hotspot.cpu-burst");

		if ((bursts[i].what == NONE) != !n)
			fail_msg("%s: %s", bursts[i].why, n ? n->title : "nothing");
		if (n && (n->severity == SEVERITY_WARNING) != (bursts[i].what == WARNING))
			fail_msg("%s: severity %d", bursts[i].why, (int)n->severity);
		done(j, f);
	}

	struct facts *f = stacks();
	uint64_t hot = stack(f, "shrink_lruvec<balance_pgdat<kswapd<kthread", "");

	f->archive.rows[0].cpus = 1;
	process(f, 100, "kswapd0", 1);
	process(f, 200, "web", 1);
	on_cpu(f, 100, hot, 4, 7);
	waited(f, 200, hot, 4, 7);
	struct judged j = judge(f);
	const struct finding *n = must(j, "hotspot.cpu-burst");

	assert_contains(n->advice[0], "a thread of the kernel's");
	assert_int_equal(n->advice_count, 1);
	done(j, f);
}

static void test_burst(void **state)
{
	struct facts *f = stacks();
	uint64_t hot, cold;

	process(f, 100, "report", 4);
	process(f, 200, "web", 1);
	hot = stack(f, "", "aggregate<main");
	cold = stack(f, "", "serve<main");
	for (uint64_t i = 0; i < 4; i++)
		on_cpu(f, 100 + i, hot, 3.5, 5.5);
	on_cpu(f, 100, cold, 8, 8.1);
	on_cpu(f, 200, cold, 0, 10);
	waited(f, 200, cold, 3.0, 4.6);
	struct judged j = judge(f);
	const struct finding *n = must(j, "hotspot.cpu-burst");

	assert_string_equal(n->title, "report took 100% of the CPUs for 2 s at 08:40:03 UTC");
	assert_int_equal(n->severity, SEVERITY_WARNING);
	assert_string_equal(n->scope_name, "report");
	assert_contains(n->because[0].text, "from second 3.5 to 5.5");
	assert_contains(n->because[1].text, "aggregate (100%)");
	assert_contains(n->because[2].text, "0.6 threads of others");
	assert_int_equal(j.f->count, 1);
	done(j, f);

	/* Many short processes of one name; and again later. */
	f = stacks();
	hot = stack(f, "", "compile<main");
	for (uint64_t i = 0; i < 20; i++) {
		process(f, 100 + i, "cc1", 1);
		for (int k = 0; k < 3; k++)
			on_cpu(f, 100 + i, hot, 2 + 0.05 * (double)i, 2.05 + 0.05 * (double)i);
		for (int k = 0; k < 4; k++)
			on_cpu(f, 100 + i, hot, 7 + 0.1 * (double)i, 7.1 + 0.1 * (double)i);
	}
	j = judge(f);
	n = must(j, "hotspot.cpu-burst");
	assert_contains(n->title, "cc1 took");
	assert_contains(n->title, "at 08:40:07 UTC");
	assert_contains(n->because[1].text, "2 such bursts");
	done(j, f);

	/* It goes on when the window ends: perhaps it is no burst. */
	f = stacks();
	process(f, 100, "job", 4);
	hot = stack(f, "", "run<main");
	for (uint64_t i = 0; i < 4; i++)
		on_cpu(f, 100 + i, hot, 7, 10);
	j = judge(f);
	n = must(j, "hotspot.cpu-burst");
	assert_int_equal(n->severity, SEVERITY_INFO);
	assert_contains(n->title, "still did when the window ended");
	done(j, f);
}

static void test_no_burst(void **state)
{
	static const struct {
		double from, to, again_from, again_to;
		uint64_t threads;
		const char *why;
	} loads[] = {
		{0, 10, 0, 0, 4, "steady"},
		{0, 4, 0, 0, 4, "there before the window"},
		{1, 9, 0, 0, 4, "nearly all the time"},
		{1, 3, 5, 9, 4, "more often than not"},
		{4, 4.2, 0, 0, 4, "a moment"},
		{3, 6, 0, 0, 1, "one CPU of four"},
	};

	for (size_t i = 0; i < sizeof(loads) / sizeof(*loads); i++) {
		struct facts *f = stacks();
		uint64_t hot = stack(f, "", "work<main");

		process(f, 100, loads[i].why, 4);
		for (uint64_t k = 0; k < loads[i].threads; k++) {
			on_cpu(f, 100 + k, hot, loads[i].from, loads[i].to);
			on_cpu(f, 100 + k, hot, loads[i].again_from, loads[i].again_to);
		}
		struct judged j = judge(f);

		must_not(j, "hotspot.cpu-burst");
		done(j, f);
	}
	/* It is busy otherwise, too: half of what it takes then. */
	struct facts *f = stacks();
	uint64_t hot = stack(f, "", "work<main");

	process(f, 100, "db", 4);
	on_cpu(f, 100, hot, 0, 10);
	on_cpu(f, 101, hot, 0, 10);
	on_cpu(f, 102, hot, 4, 6);
	on_cpu(f, 103, hot, 4, 6);
	struct judged j = judge(f);

	must_not(j, "hotspot.cpu-burst");
	done(j, f);

	/* The capture itself. */
	f = stacks();
	process(f, 100, "ossnap-capture", 4);
	f->stack_processes.rows[0].own = 1;
	for (uint64_t i = 0; i < 4; i++)
		on_cpu(f, 100 + i, stack(f, "", "scan"), 3, 5);
	j = judge(f);
	must_not(j, "hotspot.cpu-burst");
	done(j, f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mutex),
		cmocka_unit_test(test_other_locks),
		cmocka_unit_test(test_kernel_locks),
		cmocka_unit_test(test_no_contention),
		cmocka_unit_test(test_mmap_lock),
		cmocka_unit_test(test_many_locks),
		cmocka_unit_test(test_longest_is_the_locks),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_burst_severity),
		cmocka_unit_test(test_no_burst),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
