/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of "key value" lines, of which the first and the last reading count.
 *
 *   meminfo   keys as in the file ("Active(anon)"); kB become bytes, page counts
 *             (HugePages_Total …) stay.  Source: fs/proc/meminfo.c
 *   vmstat    as it is.
 *   stat      ctxt, btime, processes, procs_running, procs_blocked, and the sum over CPUs as
 *             cpu_user, cpu_nice, … in clock ticks.  Source: fs/proc/stat.c
 *   pressure-memory  some_total_us, full_total_us.  Source: kernel/sched/psi.c
 *   dentry-state  nr_dentry, nr_unused, nr_negative (5.0 and later; 0 before).  Source: fs/dcache.c
 *   inode-nr  nr_inodes, nr_unused.  Source: fs/inode.c
 *   schedstat run_delay_ns and rq_cpu_time_ns, the sums over CPUs.  Source: kernel/sched/stats.c
 *   arcstats  rows of "name type data", in bytes.  Source: OpenZFS, module/zfs/arc.c
 *   zram      mem_used_total of each device, in bytes.  Source: drivers/block/zram/zram_drv.c
 *   cma_FILE  of each area, in pages: total_pages, available_pages, alloc_pages_success,
 *             release_pages_success, used.  Source: mm/cma_sysfs.c, mm/cma_debug.c
 */
#include <errno.h>
#include <string.h>

#include "../../capture/base/cleanup.h"
#include "../../capture/bundle/reader.h"
#include "parse.h"
#include "rows.h"
#include "text.h"

static const struct fact_field fields_fact_counter[] = {
	FACT_STR(fact_counter, file, 32),
	FACT_STR(fact_counter, key, 64),
	FACT_U64(fact_counter, first),
	FACT_U64(fact_counter, last),
};
FACT_TYPE(fact_counter, "counters", 3, 4096);

struct counter {
	struct fact_counter row;
	uint64_t first_ms, last_ms;
	char file[32], key[64];
};

struct counter_state {
	struct rows rows;
	struct index index;
};

static int counter_put(struct parse *p, struct counter_state *s, const struct member_ref *m,
		       const char *file, const char *key, uint64_t value)
{
	char name[32 + 64 + 2];
	struct counter *c;
	uint32_t i;
	size_t len;

	len = (size_t)snprintf(name, sizeof(name), "%s %s", file, key);
	if (len >= sizeof(name))
		return 0;
	i = index_find(&s->index, name, len);
	if (i != INDEX_NONE) {
		c = rows_at(&s->rows, i);
	} else {
		if (s->rows.count >= fact_counter_type.max_rows) {
			p->bad++;
			return 0;
		}
		s->rows.size = sizeof(*c);
		c = rows_add(p->arena, &s->rows);
		if (!c ||
		    index_set(p->arena, &s->index, name, len, (uint32_t)s->rows.count - 1) < 0)
			return -ENOMEM;
		snprintf(c->file, sizeof(c->file), "%s", file);
		snprintf(c->key, sizeof(c->key), "%s", key);
		c->row = (struct fact_counter){.file = c->file, .key = c->key};
		c->first_ms = UINT64_MAX;
	}
	if (m->ms < c->first_ms) {
		c->row.first = value;
		c->first_ms = m->ms;
	}
	if (m->ms >= c->last_ms) {
		c->row.last = value;
		c->last_ms = m->ms;
	}
	return 0;
}

/* "MemTotal:       24683888 kB" and "nr_free_pages 6050123" */
static int key_value_line(struct parse *p, struct counter_state *s, const struct member_ref *m,
			  const char *file, struct text line)
{
	struct text key, unit;
	char name[64];
	uint64_t v;

	if (!text_word(&line, &key))
		return 0;
	if (key.end[-1] == ':')
		key.end--;
	if (text_len(key) == 0 || text_len(key) >= sizeof(name) || !text_word_u64(&line, &v)) {
		p->bad++;
		return 0;
	}
	if (text_word(&line, &unit) && text_is(unit, "kB"))
		v = text_times(v, 1024);
	return counter_put(p, s, m, file, text_copy(key, name, sizeof(name)), v);
}

/* "size                            4    34359738368", below two lines of heading */
static int kstat_line(struct parse *p, struct counter_state *s, const struct member_ref *m,
		      struct text line)
{
	struct text key;
	char name[64];
	uint64_t type, v;

	if (!text_word(&line, &key) || text_len(key) >= sizeof(name) ||
	    !text_word_u64(&line, &type) || type != 4 || !text_word_u64(&line, &v))
		return 0;
	return counter_put(p, s, m, "arcstats", text_copy(key, name, sizeof(name)), v);
}

static int stat_line(struct parse *p, struct counter_state *s, const struct member_ref *m,
		     struct text line)
{
	static const char *const cpu[] = {"cpu_user",	"cpu_nice",	 "cpu_system",	"cpu_idle",
					  "cpu_iowait", "cpu_irq",	 "cpu_softirq", "cpu_steal",
					  "cpu_guest",	"cpu_guest_nice"};
	static const char *const single[] = {"ctxt", "btime", "processes", "procs_running",
					     "procs_blocked"};
	struct text key;
	uint64_t v;
	int r;

	if (!text_word(&line, &key))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(single); i++)
		if (text_is(key, single[i]) && text_word_u64(&line, &v))
			return counter_put(p, s, m, "stat", single[i], v);
	if (!text_is(key, "cpu"))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(cpu) && text_word_u64(&line, &v); i++) {
		r = counter_put(p, s, m, "stat", cpu[i], v);
		if (r < 0)
			return r;
	}
	return 0;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=12345" */
static int pressure_line(struct parse *p, struct counter_state *s, const struct member_ref *m,
			 struct text line)
{
	struct text kind, word;
	uint64_t v;

	if (!text_word(&line, &kind) || (!text_is(kind, "some") && !text_is(kind, "full")))
		return 0;
	while (text_word(&line, &word)) {
		if (!text_starts(word, "total="))
			continue;
		word.p += strlen("total=");
		if (text_u64(word, &v))
			return counter_put(
				p, s, m, "pressure-memory",
				text_is(kind, "some") ? "some_total_us" : "full_total_us", v);
	}
	return 0;
}

/* Numbers without names, in one line. */
static int numbers_line(struct parse *p, struct counter_state *s, const struct member_ref *m,
			const char *file, struct text line)
{
	static const char *const dentries[] = {"nr_dentry", "nr_unused", NULL, NULL, "nr_negative"};
	static const char *const inodes[] = {"nr_inodes", "nr_unused"};
	bool is_dentries = !strcmp(file, "dentry-state");
	const char *const *keys = is_dentries ? dentries : inodes;
	size_t n = is_dentries ? ARRAY_SIZE(dentries) : ARRAY_SIZE(inodes);
	uint64_t v;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < n && text_word_u64(&line, &v); i++)
		if (keys[i])
			r = counter_put(p, s, m, file, keys[i], v);
	return r;
}

/* "cpu0 0 0 0 0 0 0 RUNNING WAITING TIMESLICES", in ns since version 15 at least */
static int schedstat_member(struct parse *p, struct counter_state *s, const struct member_ref *m,
			    struct text rest)
{
	uint64_t running = 0, waiting = 0, v;
	struct text line, word;
	bool any = false;
	int r;

	while (text_line(&rest, &line)) {
		if (!text_word(&line, &word) || !text_starts(word, "cpu"))
			continue;
		for (int i = 0; i < 8 && text_word_u64(&line, &v); i++) {
			running += i == 6 ? v : 0;
			waiting += i == 7 ? v : 0;
			any |= i == 7;
		}
	}
	if (!any)
		return 0;
	r = counter_put(p, s, m, "schedstat", "rq_cpu_time_ns", running);
	return r < 0 ? r : counter_put(p, s, m, "schedstat", "run_delay_ns", waiting);
}

/* "DIRECTORY/NAME/FILE" of the pack of small files: *ret_name and *ret_file.  False: not below it.
 */
static bool split_entry(struct text path, const char *directory, struct text *ret_name,
			struct text *ret_file)
{
	if (!text_starts(path, directory))
		return false;
	path.p += strlen(directory);
	if (!text_until(&path, '/', ret_name))
		return false;
	*ret_file = path;
	return text_len(*ret_name) > 0;
}

static int small_file(struct parse *p, struct counter_state *s, const struct member_ref *m,
		      struct text path, struct text value)
{
	static const char *const cma[] = {"total_pages", "available_pages", "alloc_pages_success",
					  "release_pages_success", "used"};
	struct text name, file, word;
	char key[64], counter[32];
	uint64_t v = 0;

	if (split_entry(path, "sys/block/", &name, &file) && text_is(file, "mm_stat")) {
		/* orig_data_size compr_data_size mem_used_total … */
		for (int i = 0; i < 3; i++)
			if (!text_word_u64(&value, &v))
				return 0;
		return counter_put(p, s, m, "zram", text_copy(name, key, sizeof(key)), v);
	}
	if (!split_entry(path, "sys/kernel/mm/cma/", &name, &file) &&
	    !split_entry(path, "sys/kernel/debug/cma/", &name, &file))
		return 0;
	if (text_starts(name, "cma-")) /* debugfs until 5.18 */
		name.p += strlen("cma-");
	for (size_t i = 0; i < ARRAY_SIZE(cma); i++) {
		if (!text_is(file, cma[i]) || !text_line(&value, &word) || !text_u64(word, &v))
			continue;
		snprintf(counter, sizeof(counter), "cma_%s", cma[i]);
		return counter_put(p, s, m, counter, text_copy(name, key, sizeof(key)), v);
	}
	return 0;
}

static int small_files(struct parse *p, struct counter_state *s, const struct member_ref *m,
		       const char *data, size_t len)
{
	struct pack_entry entry;
	size_t pos = 0;
	int r = 0;

	while (r >= 0 && pack_next(data, len, &pos, &entry) > 0)
		if (!entry.no)
			r = small_file(p, s, m, TEXT(entry.name, entry.name_len),
				       TEXT(entry.data, entry.data_len));
	return r;
}

static int counter_member(struct parse *p, void *state, const struct member_ref *m,
			  const char *data, size_t len)
{
	const char *file = strrchr(m->name, '/') + 1;
	struct text rest = TEXT(data, len), line;
	int r = 0;

	if (!strcmp(m->name, "raw/memory/sys"))
		return small_files(p, state, m, data, len);
	if (!strcmp(m->name, "raw/sched/schedstat"))
		return schedstat_member(p, state, m, rest);
	while (r >= 0 && text_line(&rest, &line)) {
		if (!strcmp(file, "stat"))
			r = stat_line(p, state, m, line);
		else if (!strcmp(file, "arcstats"))
			r = kstat_line(p, state, m, line);
		else if (!strcmp(file, "pressure-memory"))
			r = pressure_line(p, state, m, line);
		else if (!strcmp(file, "dentry-state") || !strcmp(file, "inode-nr"))
			r = numbers_line(p, state, m, file, line);
		else
			r = key_value_line(p, state, m, file, line);
	}
	return r;
}

static int counter_finish(struct parse *p, void *state)
{
	const struct counter_state *s = state;

	return parse_emit_rows(p, &fact_counter_type, &s->rows);
}

const struct fact_parser counter_parser = {
	.state_size = sizeof(struct counter_state),
	.member = counter_member,
	.finish = counter_finish,
};
