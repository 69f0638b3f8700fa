/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "growth.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../child/child_main.h"
#include "../collect.h"
#include "../../bpf/stacks.h"

#define PATIENCE_NS (500 * NSEC_PER_MSEC)
/* Documentation/admin-guide/mm/pagemap.rst */
#define PM_FILE (UINT64_C(1) << 61)
#define PM_SWAP (UINT64_C(1) << 62)
#define PM_PRESENT (UINT64_C(1) << 63)

int growth_init(struct growth *g, size_t max_rows, size_t max_processes)
{
	*g = (struct growth){.max = max_rows,
			     .process_max = max_processes,
			     .thin = 1,
			     .seed = clock_ns(CLOCK_MONOTONIC) | 1,
			     .processes = calloc(max_processes, sizeof(*g->processes))};
	g->rows = mmap(NULL, max_rows * sizeof(*g->rows), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g->rows == MAP_FAILED)
		g->rows = NULL;
	return g->rows && g->processes ? 0 : -ENOMEM;
}

void growth_deinit(struct growth *g)
{
	if (g->rows)
		munmap(g->rows, g->max * sizeof(*g->rows));
	free(g->processes);
	*g = (struct growth){0};
}

/* xorshift64*: chance enough for a draw. */
static uint32_t chance(struct growth *g)
{
	g->seed ^= g->seed >> 12;
	g->seed ^= g->seed << 25;
	g->seed ^= g->seed >> 27;
	return (uint32_t)(g->seed * 0x2545f4914f6cdd1dULL >> 32);
}

uint64_t growth_chance(struct growth *g, uint64_t n)
{
	return n ? ((uint64_t)chance(g) << 32 | chance(g)) % n : 0;
}

void growth_scale(struct growth *g, uint64_t from, uint64_t to, uint64_t until)
{
	double times = to > from && until > to ? (double)(until - from) / (double)(to - from) : 1;

	for (size_t i = 0; i < g->count; i++) {
		struct growth_row *r = &g->rows[i];

		if (r->kind == STACKS_GROWTH_FAULT && r->time >= from && r->time < to)
			r->bytes = (uint64_t)((double)r->bytes * times);
	}
}

static void make_room(struct growth *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->count; i++) {
		if (chance(g) & 1)
			continue;
		g->rows[n] = g->rows[i];
		g->rows[n++].bytes *= 2;
	}
	g->count = n;
	g->thin *= 2;
}

void growth_add(struct growth *g, const struct growth_row *row)
{
	if (g->thin > 1 && chance(g) % g->thin)
		return;
	if (g->count == g->max)
		make_room(g);
	if (g->count == g->max || g->thin > 1U << 30) {
		g->dropped++;
		return;
	}
	g->rows[g->count] = *row;
	g->rows[g->count].kept = GROWTH_UNKNOWN;
	g->rows[g->count++].bytes *= g->thin;
}

uint64_t growth_weight(uint64_t size, uint64_t rate)
{
	double x = (double)size / (double)rate, part, power = 1;

	if (x > 32)
		return size;
	/* exp(−x) = exp(−x/64)^64, and the series of so small a number is short */
	part = -x / 64;
	for (double term = part, n = 1; n < 8; term *= part / ++n)
		power += term;
	for (int i = 0; i < 6; i++)
		power *= power;
	return x > 1e-6 ? (uint64_t)((double)size / (1 - power) + 0.5) : rate;
}

void growth_add_process(struct growth *g, const struct growth_process *p)
{
	if (g->process_count == g->process_max) {
		g->dropped++;
		return;
	}
	g->processes[g->process_count++] = *p;
}

/* ------------------------------------------------------------------ what is still there */

static int by_pid(const void *a, const void *b)
{
	const struct growth_row *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->time < y->time ? -1 : x->time > y->time;
}

static bool is_there(int fd, uint64_t address, uint64_t page)
{
	uint64_t entry;

	return pread(fd, &entry, sizeof(entry), (off_t)(address / page * sizeof(entry))) ==
		       sizeof(entry) &&
	       entry & (PM_PRESENT | PM_SWAP) && !(entry & PM_FILE);
}

static _Noreturn void ask(struct growth *g, int proc_fd, pid_t parent)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	int *keep[] = {&proc_fd};
	uint32_t pid = 0;
	int fd = -1, no = 0;

	child_detach(parent, keep, ARRAY_SIZE(keep));
	for (size_t i = 0; i < g->count && g->rows[i].kind == STACKS_GROWTH_FAULT; i++) {
		struct growth_row *r = &g->rows[i];
		char path[32];

		if (!r->address)
			continue;
		if (r->pid != pid) {
			if (fd >= 0)
				close(fd);
			snprintf(path, sizeof(path), "%u/pagemap", r->pid);
			fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
			no = fd < 0 ? errno : 0;
			pid = r->pid;
		}
		if (no && no != ENOENT) /* it may not be looked at */
			continue;
		/* A page that came twice has gone once. */
		r->kept = fd >= 0 && is_there(fd, r->address, page) &&
					  !(i + 1 < g->count && g->rows[i + 1].kind == r->kind &&
					    g->rows[i + 1].pid == r->pid &&
					    g->rows[i + 1].address / page == r->address / page)
				  ? GROWTH_KEPT
				  : GROWTH_GONE;
	}
	_exit(0);
}

int growth_check(struct growth *g, const struct sysroot *root)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS;
	pid_t self = getpid(), pid, done = 0;

	if (!g->count)
		return 0;
	qsort(g->rows, g->count, sizeof(*g->rows), by_pid);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		ask(g, root->proc_fd, self);
	while (!(done = waitpid(pid, NULL, WNOHANG)) && clock_ns(CLOCK_MONOTONIC) < end)
		usleep(1000);
	if (done)
		return 0;
	kill(pid, SIGKILL);
	for (int i = 0; i < 50 && !(done = waitpid(pid, NULL, WNOHANG)); i++)
		usleep(1000);
	if (!done)
		g->left_behind = pid;
	return -ETIMEDOUT;
}

/* ------------------------------------------------------------------ handing over */

static void row_id(struct emit *out, uint64_t id)
{
	if (id)
		row_u64(out, id);
	else
		row_none(out);
}

static void row_known(struct emit *out, bool known, uint64_t v)
{
	if (known)
		row_u64(out, v);
	else
		row_none(out);
}

static const char *const kinds[] = {"fault", "alloc"};

static uint64_t since(uint64_t ns, uint64_t origin_ns)
{
	return ns > origin_ns ? ns - origin_ns : 0;
}

int growth_write(const struct growth *g, struct emit *out, uint64_t origin_ns)
{
	int r = member_open(out, "tables/stack_growth.tsv",
			    "time_ns\tkind\tprocess\tthread\tstack\taddress\tbytes\tkept\n");

	for (size_t i = 0; i < g->count && !r; i++) {
		const struct growth_row *row = &g->rows[i];

		row_u64(out, since(row->time, origin_ns));
		row_cstr(out, kinds[row->kind]);
		row_id(out, row->process);
		row_id(out, row->thread);
		row_id(out, row->stack);
		row_id(out, row->address);
		row_u64(out, row->bytes);
		if (row->kept == GROWTH_UNKNOWN)
			row_none(out);
		else
			row_u64(out, row->kept);
		r = row_end(out);
	}
	if (!r)
		r = member_close(out, false);
	if (!r)
		r = member_open(out, "tables/stack_growth_processes.tsv",
				"process\tpid\tkind\tstart_ns\tend_ns\tfirst_bytes\tlast_bytes"
				"\tgrown_bytes\tcalls\treason\n");
	for (size_t i = 0; i < g->process_count && !r; i++) {
		const struct growth_process *p = &g->processes[i];

		row_id(out, p->process);
		row_u64(out, p->pid);
		bool faults = p->kind == STACKS_GROWTH_FAULT;

		row_cstr(out, kinds[p->kind]);
		row_u64(out, since(p->start_ns, origin_ns));
		row_known(out, !faults, since(p->end_ns, origin_ns));
		row_known(out, faults, p->first_bytes);
		row_known(out, faults, p->last_bytes);
		row_u64(out, p->grown_bytes);
		row_known(out, !faults, p->calls);
		row_cstr(out, p->reason);
		r = row_end(out);
	}
	return r ? r : member_close(out, false);
}
