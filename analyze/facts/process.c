/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes, from packs with entries "PID/FILE" of the first and the last reading.
 *
 *   heap, file, shmem, swap   RssAnon, RssFile, RssShmem, VmSwap of status (kB).  Where status
 *             is missing, heap is resident − shared of statm: shared counts file and shmem pages.
 *             Source: fs/proc/task_mmu.c task_mem(), task_statm()
 *   cgroup    the path in the v1 hierarchy that has the memory controller, else of "0::".
 *             Source: cgroups(7), /proc/PID/cgroup
 *   utime, stime   last minus first reading; FACT_NONE when it was read once.
 *
 * Readings need not hold the same files: each figure comes from the last reading that has it.  A
 * process is there in a reading that has its stat.  It is the pair of pid and start time: a pid
 * that was given to another process meanwhile makes two rows, the first of them vanished.
 */
#include <errno.h>
#include <string.h>

#include "../../capture/base/cleanup.h"
#include "../../capture/base/proc.h"
#include "../../capture/bundle/reader.h"
#include "parse.h"
#include "rows.h"
#include "text.h"
#include "tsv.h"

#define CMDLINE_MAX 4096
#define CGROUP_MAX 4096
#define PF_KTHREAD 0x00200000

static const struct fact_field fields_fact_process[] = {
	FACT_U64(fact_process, pid),
	FACT_U64(fact_process, ppid),
	FACT_U64(fact_process, starttime),
	FACT_U64(fact_process, kernel_thread),
	FACT_U64(fact_process, threads),
	FACT_U64(fact_process, mntns),
	FACT_STR(fact_process, comm, 64),
	FACT_STR(fact_process, cmdline, CMDLINE_MAX),
	FACT_STR(fact_process, state, 8),
	FACT_STR(fact_process, cgroup, CGROUP_MAX),
	FACT_U64(fact_process, heap_bytes),
	FACT_U64(fact_process, file_bytes),
	FACT_U64(fact_process, shmem_bytes),
	FACT_U64(fact_process, swap_bytes),
	FACT_U64(fact_process, rss_bytes),
	FACT_U64(fact_process, locked_bytes),
	FACT_U64(fact_process, page_table_bytes),
	FACT_U64(fact_process, heap_first_bytes),
	FACT_U64(fact_process, rss_first_bytes),
	FACT_U64(fact_process, hugetlb_bytes),
	FACT_U64(fact_process, anon_huge_bytes),
	FACT_U64(fact_process, pss_bytes),
	FACT_U64(fact_process, private_bytes),
	FACT_I64(fact_process, oom_score_adj),
	FACT_U64(fact_process, utime_ticks),
	FACT_U64(fact_process, stime_ticks),
	FACT_U64(fact_process, vanished),
};
FACT_TYPE(fact_process, "processes", 4, 1000000);

/* One process in one reading, or, kept, in both. */
struct process {
	struct fact_process row; /* utime, stime: as read */
	uint64_t first_ms, last_ms, first_utime, first_stime;
};

struct process_state {
	struct rows rows;
	struct index by_pid;		    /* pid → its newest row */
	struct process now;		    /* the entries of this pid are being read */
	uint64_t now_ms, first_ms, last_ms; /* first_ms, last_ms: readings of any process */
	bool reading, any;
	char comm[64], state[8], cgroup[CGROUP_MAX + 1], cmdline[CMDLINE_MAX + 2];
	/* tables/mount_namespaces.tsv, which may come before or after */
	struct rows namespaces;
};

struct mount_namespace {
	uint64_t mntns, pid;
};

/* ------------------------------------------------------------------ the files of one process */

static void read_stat(struct parse *p, struct process_state *s, struct text data)
{
	struct fact_process *row = &s->now.row;
	struct proc_stat st;

	if (parse_proc_stat(data.p, text_len(data), &st) < 0) {
		p->bad++;
		return;
	}
	row->ppid = st.ppid < 0 ? FACT_NONE : (uint64_t)st.ppid;
	row->starttime = st.starttime;
	row->kernel_thread = (st.flags & PF_KTHREAD) != 0;
	row->threads = st.num_threads < 0 ? FACT_NONE : (uint64_t)st.num_threads;
	row->utime_ticks = st.utime;
	row->stime_ticks = st.stime;
	memcpy(s->comm, st.comm, sizeof(s->comm));
	row->comm = s->comm;
	s->state[0] = st.state;
	s->state[1] = '\0';
	row->state = s->state;
}

static void read_statm(struct parse *p, struct process_state *s, struct text data)
{
	struct fact_process *row = &s->now.row;
	struct text line;
	uint64_t resident, shared;

	if (!text_line(&data, &line) || !text_word_u64(&line, &resident) ||
	    !text_word_u64(&line, &resident) || !text_word_u64(&line, &shared)) {
		p->bad++;
		return;
	}
	/* status knows better where it was read. */
	if (row->rss_bytes == FACT_NONE)
		row->rss_bytes = text_times(resident, p->page_size);
	if (row->heap_bytes == FACT_NONE && shared <= resident)
		row->heap_bytes = text_times(resident - shared, p->page_size);
}

static void read_status(struct parse *p, struct process_state *s, struct text data)
{
	static const struct {
		const char *key;
		size_t offset;
	} keys[] = {
		{"RssAnon:", offsetof(struct fact_process, heap_bytes)},
		{"RssFile:", offsetof(struct fact_process, file_bytes)},
		{"RssShmem:", offsetof(struct fact_process, shmem_bytes)},
		{"VmSwap:", offsetof(struct fact_process, swap_bytes)},
		{"VmRSS:", offsetof(struct fact_process, rss_bytes)},
		{"VmLck:", offsetof(struct fact_process, locked_bytes)},
		{"VmPTE:", offsetof(struct fact_process, page_table_bytes)},
		{"HugetlbPages:", offsetof(struct fact_process, hugetlb_bytes)},
	};
	struct text line, key;
	uint64_t v;

	while (text_line(&data, &line)) {
		if (!text_word(&line, &key))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
			if (!text_is(key, keys[i].key))
				continue;
			if (!text_word_u64(&line, &v))
				p->bad++;
			else
				*(uint64_t *)((char *)&s->now.row + keys[i].offset) =
					text_times(v, 1024);
		}
	}
}

/* "AnonHugePages:    2048 kB"; private is clean and dirty together.  Source: fs/proc/task_mmu.c,
 * __show_smap() */
static void read_smaps(struct parse *p, struct process_state *s, struct text data)
{
	struct fact_process *row = &s->now.row;
	uint64_t v, private = 0;
	struct text line, key;
	bool has_private = false;

	while (text_line(&data, &line)) {
		if (!text_word(&line, &key) || !text_word_u64(&line, &v))
			continue; /* the first line is a range of addresses */
		v = text_times(v, 1024);
		if (text_is(key, "Pss:"))
			row->pss_bytes = v;
		else if (text_is(key, "AnonHugePages:"))
			row->anon_huge_bytes = v;
		else if (text_is(key, "Private_Clean:") || text_is(key, "Private_Dirty:")) {
			if (__builtin_add_overflow(private, v, &private)) {
				p->bad++;
				return;
			}
			has_private = true;
		}
	}
	if (has_private)
		row->private_bytes = private;
}

/* Arguments are NUL-separated; "(sd-pam)" and others leave long runs of NUL behind. */
static void read_cmdline(struct process_state *s, struct text data)
{
	size_t len;

	while (text_len(data) && data.end[-1] == '\0')
		data.end--;
	len = text_len(data) < sizeof(s->cmdline) ? text_len(data) : sizeof(s->cmdline) - 1;
	for (size_t i = 0; i < len; i++)
		s->cmdline[i] = data.p[i] ? data.p[i] : ' ';
	s->cmdline[len] = '\0';
	s->now.row.cmdline = s->cmdline;
}

static bool has_controller(struct text list, const char *name)
{
	struct text word;

	while (text_until(&list, ',', &word))
		if (text_is(word, name))
			return true;
	return false;
}

static void read_cgroup(struct process_state *s, struct text data)
{
	struct text line, id, controllers, best = {0};

	while (text_line(&data, &line)) {
		if (!text_until(&line, ':', &id) || line.p >= line.end)
			continue;
		if (*line.p == ':') { /* "0::/path" */
			line.p++;
			if (text_is(id, "0") && text_starts(line, "/") && !best.p)
				best = line;
		} else if (text_until(&line, ':', &controllers) &&
			   has_controller(controllers, "memory") && text_starts(line, "/")) {
			best = line;
		}
	}
	if (best.p)
		s->now.row.cgroup = text_copy(best, s->cgroup, sizeof(s->cgroup));
}

static void read_entry(struct parse *p, struct process_state *s, struct text file, struct text data)
{
	struct text line;
	int64_t adj;

	if (text_is(file, "stat"))
		read_stat(p, s, data);
	else if (text_is(file, "statm"))
		read_statm(p, s, data);
	else if (text_is(file, "status"))
		read_status(p, s, data);
	else if (text_is(file, "smaps_rollup"))
		read_smaps(p, s, data);
	else if (text_is(file, "cgroup"))
		read_cgroup(s, data);
	else if (text_is(file, "oom_score_adj") && text_line(&data, &line) && text_i64(line, &adj))
		s->now.row.oom_score_adj = adj;
}

/* ------------------------------------------------------------------ readings into rows */

/* Whatever now has measured replaces what old knew; what it has not read, old keeps. */
static void take_measured(struct parse *p, struct fact_process *old, const struct fact_process *now)
{
	for (uint32_t i = 0; i < fact_process_type.field_count; i++) {
		const struct fact_field *f = &fact_process_type.fields[i];
		const char *from = (const char *)now + f->offset;
		char *to = (char *)old + f->offset;

		switch (f->kind) {
		case FIELD_U64:
			if (*(const uint64_t *)from != FACT_NONE)
				*(uint64_t *)to = *(const uint64_t *)from;
			break;
		case FIELD_I64:
			if (*(const int64_t *)from != INT64_MIN)
				*(int64_t *)to = *(const int64_t *)from;
			break;
		case FIELD_F64:
			break;
		case FIELD_STR: {
			const char *s = *(const char *const *)from, *was = *(const char **)to;

			if (s && (!was || strcmp(s, was) != 0))
				*(const char **)to = arena_strndup(p->arena, s, strlen(s));
			break;
		}
		}
	}
}

/* Another reading of a process that is known.  ms: of a reading with stat, which is what says
 * that the process is there; UINT64_MAX: without. */
static void process_merge(struct parse *p, struct process *old, const struct process *now,
			  uint64_t ms)
{
	uint64_t heap_first = old->row.heap_first_bytes, rss_first = old->row.rss_first_bytes;

	take_measured(p, &old->row, &now->row);
	old->row.heap_first_bytes = heap_first;
	old->row.rss_first_bytes = rss_first;
	if (ms != UINT64_MAX && ms > old->last_ms)
		old->last_ms = ms;
}

static int process_add(struct parse *p, struct process_state *s, uint64_t pid, uint64_t ms)
{
	struct process *row;

	if (s->rows.count >= fact_process_type.max_rows) {
		p->bad++;
		return 0;
	}
	s->rows.size = sizeof(*row);
	row = rows_add(p->arena, &s->rows);
	if (!row ||
	    index_set(p->arena, &s->by_pid, &pid, sizeof(pid), (uint32_t)s->rows.count - 1) < 0)
		return -ENOMEM;
	fact_clear(&fact_process_type, &row->row);
	take_measured(p, &row->row, &s->now.row);
	row->first_ms = ms;
	row->last_ms = ms == UINT64_MAX ? 0 : ms;
	row->row.heap_first_bytes = row->row.heap_bytes;
	row->row.rss_first_bytes = row->row.rss_bytes;
	row->first_utime = row->row.utime_ticks;
	row->first_stime = row->row.stime_ticks;
	return 0;
}

/* All entries of one pid in one reading have been seen. */
static int process_flush(struct parse *p, struct process_state *s)
{
	uint64_t pid = s->now.row.pid, ms = s->now_ms;
	uint64_t start = s->now.row.starttime;
	struct process *row;
	uint32_t i;
	int r = 0;

	if (!s->reading)
		return 0;
	s->reading = false;
	if (start == FACT_NONE) {
		ms = UINT64_MAX;
	} else {
		if (!s->any || ms < s->first_ms)
			s->first_ms = ms;
		if (!s->any || ms > s->last_ms)
			s->last_ms = ms;
		s->any = true;
	}
	i = index_find(&s->by_pid, &pid, sizeof(pid));
	row = i == INDEX_NONE ? NULL : rows_at(&s->rows, i);
	if (row &&
	    (row->row.starttime == start || row->row.starttime == FACT_NONE || start == FACT_NONE))
		process_merge(p, row, &s->now, ms);
	else
		r = process_add(p, s, pid, ms);
	return arena_exhausted(p->arena) ? -ENOMEM : r;
}

static int read_namespaces(struct parse *p, struct process_state *s, const char *data, size_t len)
{
	struct mount_namespace *n;
	struct tsv t;
	int r = 0;

	if (tsv_init(&t, data, len) < 0)
		return -ENOMEM;
	s->namespaces.size = sizeof(*n);
	while (tsv_next(&t)) {
		struct mount_namespace row = {.mntns = tsv_u64(&t, tsv_column(&t, "mntns")),
					      .pid = tsv_u64(&t, tsv_column(&t, "pid"))};

		if (row.pid == FACT_NONE || s->namespaces.count >= fact_process_type.max_rows)
			continue;
		n = rows_add(p->arena, &s->namespaces);
		if (!n) {
			r = -ENOMEM;
			break;
		}
		*n = row;
	}
	p->bad += t.bad;
	tsv_deinit(&t);
	return r;
}

static int process_member(struct parse *p, void *state, const struct member_ref *m,
			  const char *data, size_t len)
{
	struct process_state *s = state;
	struct pack_entry entry;
	size_t pos = 0;
	int r, more;

	if (!strcmp(m->name, "tables/mount_namespaces.tsv"))
		return read_namespaces(p, s, data, len);
	while ((more = pack_next(data, len, &pos, &entry)) > 0) {
		struct text file = TEXT(entry.name, entry.name_len), number;
		uint64_t pid;

		if (!text_until(&file, '/', &number) || !text_u64(number, &pid)) {
			p->bad++;
			continue;
		}
		if (s->reading && (s->now.row.pid != pid || s->now_ms != m->ms)) {
			r = process_flush(p, s);
			if (r < 0)
				return r;
		}
		if (!s->reading) {
			memset(&s->now, 0, sizeof(s->now));
			fact_clear(&fact_process_type, &s->now.row);
			s->now.row.pid = pid;
			s->now_ms = m->ms;
			s->reading = true;
		}
		/* A kernel thread's command line is empty, not unknown; a long one is cut (EFBIG).
		 */
		if (text_is(file, "cmdline") && (entry.no == 0 || entry.data_len))
			read_cmdline(s, TEXT(entry.data, entry.data_len));
		else if (entry.no == 0 && entry.data_len)
			read_entry(p, s, file, TEXT(entry.data, entry.data_len));
	}
	if (more < 0)
		p->bad++;
	return 0;
}

static uint64_t spent(uint64_t first, uint64_t last)
{
	return first == FACT_NONE || last == FACT_NONE || last < first ? FACT_NONE : last - first;
}

static int process_finish(struct parse *p, void *state)
{
	struct process_state *s = state;
	int r = process_flush(p, s);

	for (size_t i = 0; i < s->namespaces.count; i++) {
		const struct mount_namespace *n = rows_at(&s->namespaces, i);
		uint32_t row = index_find(&s->by_pid, &n->pid, sizeof(n->pid));

		if (row != INDEX_NONE)
			((struct process *)rows_at(&s->rows, row))->row.mntns = n->mntns;
	}
	for (size_t i = 0; r >= 0 && i < s->rows.count; i++) {
		struct process *row = rows_at(&s->rows, i);
		bool twice = row->first_ms < row->last_ms;

		row->row.vanished = row->first_ms != UINT64_MAX && row->last_ms < s->last_ms;
		row->row.utime_ticks =
			twice ? spent(row->first_utime, row->row.utime_ticks) : FACT_NONE;
		row->row.stime_ticks =
			twice ? spent(row->first_stime, row->row.stime_ticks) : FACT_NONE;
		if (row->first_ms > s->first_ms) /* started during the window */
			row->row.heap_first_bytes = row->row.rss_first_bytes = FACT_NONE;
		r = parse_emit(p, &fact_process_type, &row->row);
	}
	return r;
}

const struct fact_parser process_parser = {
	.state_size = sizeof(struct process_state),
	.member = process_member,
	.finish = process_finish,
};
