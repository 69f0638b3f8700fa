/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared memory and who has it: /proc/sysvipc/shm of the last reading, and raw/shm_maps, packs of
 * "PID/maps" with the lines that are mappings of shared memory.  Source: ipc/shm.c
 * sysvipc_shm_proc_show(); fs/proc/task_mmu.c show_map_vma()
 */
#include <errno.h>
#include <string.h>

#include "../../capture/base/cleanup.h"
#include "../../capture/bundle/reader.h"
#include "parse.h"
#include "rows.h"
#include "text.h"

#define MAPPED_FILES 256 /* of one process; more are left out */

static const struct fact_field fields_fact_shm[] = {
	FACT_U64(fact_shm, shmid),     FACT_U64(fact_shm, size),       FACT_U64(fact_shm, cpid),
	FACT_U64(fact_shm, lpid),      FACT_U64(fact_shm, nattch),     FACT_U64(fact_shm, uid),
	FACT_U64(fact_shm, rss_bytes), FACT_U64(fact_shm, swap_bytes), FACT_U64(fact_shm, ctime),
};
FACT_TYPE(fact_shm, "sysv_shm", 32, 65536);

static const struct fact_field fields_fact_shm_map[] = {
	FACT_U64(fact_shm_map, pid), FACT_U64(fact_shm_map, major), FACT_U64(fact_shm_map, minor),
	FACT_U64(fact_shm_map, ino), FACT_U64(fact_shm_map, bytes),
};
FACT_TYPE(fact_shm_map, "shm_maps", 33, 65536);

struct shm_state {
	struct rows segments;
	uint64_t ms;
};

/* key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap; the first two
 * and the mode may be negative or octal. */
static bool segment_line(struct text line, struct fact_shm *ret)
{
	uint64_t *const fields[] = {NULL,	&ret->shmid,  NULL,	 &ret->size, &ret->cpid,
				    &ret->lpid, &ret->nattch, &ret->uid, NULL,	     NULL,
				    NULL,	NULL,	      NULL,	 &ret->ctime};
	uint64_t *const more[] = {&ret->rss_bytes, &ret->swap_bytes}; /* since 2.6.34 */
	struct text word;

	fact_clear(&fact_shm_type, ret);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (!text_word(&line, &word) || (fields[i] && !text_u64(word, fields[i])))
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(more); i++)
		if (text_word(&line, &word) && !text_u64(word, more[i]))
			return false;
	return true;
}

static int read_segments(struct parse *p, struct shm_state *s, uint64_t ms, struct text data)
{
	struct fact_shm row, *kept;
	struct text line, copy, word;

	if (s->segments.count && ms < s->ms)
		return 0;
	if (ms != s->ms)
		s->segments.count = 0;
	s->ms = ms;
	s->segments.size = sizeof(row);
	while (text_line(&data, &line)) {
		copy = line;
		if (!text_word(&copy, &word) || text_is(word, "key"))
			continue;
		if (!segment_line(line, &row) || s->segments.count >= fact_shm_type.max_rows) {
			p->bad++;
			continue;
		}
		kept = rows_add(p->arena, &s->segments);
		if (!kept)
			return -ENOMEM;
		*kept = row;
	}
	return 0;
}

static bool hexadecimal(struct text t, uint64_t *ret)
{
	uint64_t v = 0;

	if (t.p >= t.end || t.end - t.p > 16)
		return false;
	for (; t.p < t.end; t.p++) {
		unsigned c = (unsigned char)*t.p, digit = c | 0x20;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (digit >= 'a' && digit <= 'f')
			digit = digit - 'a' + 10;
		else
			return false;
		v = v << 4 | digit;
	}
	*ret = v;
	return true;
}

/* "START-END PERMS OFFSET MAJOR:MINOR INODE PATH" */
static bool map_line(struct text line, struct fact_shm_map *ret)
{
	struct text range, perms, offset, dev, ino, part;
	uint64_t start, end;

	if (!text_word(&line, &range) || !text_word(&line, &perms) || !text_word(&line, &offset) ||
	    !text_word(&line, &dev) || !text_word(&line, &ino))
		return false;
	if (!text_until(&range, '-', &part) || !hexadecimal(part, &start) ||
	    !hexadecimal(range, &end) || end < start)
		return false;
	ret->bytes = end - start;
	return text_until(&dev, ':', &part) && hexadecimal(part, &ret->major) &&
	       hexadecimal(dev, &ret->minor) && text_u64(ino, &ret->ino) && ret->ino;
}

/* One row for each file: a process may map it in pieces. */
static int read_maps(struct parse *p, uint64_t pid, struct text data)
{
	struct fact_shm_map rows[MAPPED_FILES], row;
	size_t count = 0;
	struct text line;
	int r = 0;

	while (text_line(&data, &line)) {
		size_t i = 0;

		fact_clear(&fact_shm_map_type, &row);
		row.pid = pid;
		if (!map_line(line, &row)) {
			p->bad++;
			continue;
		}
		while (i < count && (rows[i].ino != row.ino || rows[i].major != row.major ||
				     rows[i].minor != row.minor))
			i++;
		if (i == MAPPED_FILES) {
			p->bad++;
		} else if (i == count) {
			rows[count++] = row;
		} else if (__builtin_add_overflow(rows[i].bytes, row.bytes, &rows[i].bytes)) {
			rows[i].bytes = FACT_NONE;
		}
	}
	for (size_t i = 0; r >= 0 && i < count; i++)
		r = parse_emit(p, &fact_shm_map_type, &rows[i]);
	return r;
}

static int shm_member(struct parse *p, void *state, const struct member_ref *m, const char *data,
		      size_t len)
{
	struct pack_entry entry;
	size_t pos = 0;
	int r = 0, more;

	if (strcmp(m->name, "raw/shm_maps") != 0)
		return read_segments(p, state, m->ms, TEXT(data, len));
	while (r >= 0 && (more = pack_next(data, len, &pos, &entry)) > 0) {
		struct text file = TEXT(entry.name, entry.name_len), number;
		uint64_t pid;

		if (text_until(&file, '/', &number) && text_u64(number, &pid) &&
		    text_is(file, "maps"))
			r = read_maps(p, pid, TEXT(entry.data, entry.data_len));
		else
			p->bad++;
	}
	if (r >= 0 && more < 0)
		p->bad++;
	return r;
}

static int shm_finish(struct parse *p, void *state)
{
	const struct shm_state *s = state;

	return parse_emit_rows(p, &fact_shm_type, &s->segments);
}

const struct fact_parser shm_parser = {
	.state_size = sizeof(struct shm_state),
	.member = shm_member,
	.finish = shm_finish,
};
