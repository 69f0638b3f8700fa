/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pprof: a gzipped protobuf message of type perftools.profiles.Profile (proto/profile.proto of
 * github.com/google/pprof).  Samples are leaf first; strings go by number, 0 being "".
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "stacks.h"

/* Field numbers of the messages. */
enum { PROFILE_SAMPLE_TYPE = 1, PROFILE_SAMPLE = 2, PROFILE_LOCATION = 4, PROFILE_FUNCTION = 5 };
enum { PROFILE_STRING = 6, PROFILE_TIME = 9, PROFILE_DURATION = 10, PROFILE_PERIOD_TYPE = 11 };
enum { PROFILE_PERIOD = 12, VALUE_TYPE = 1, VALUE_UNIT = 2 };
enum { SAMPLE_LOCATION = 1, SAMPLE_VALUE = 2, SAMPLE_LABEL = 3, LABEL_KEY = 1, LABEL_STR = 2 };
enum { LOCATION_ID = 1, LOCATION_LINE = 4, LINE_FUNCTION = 1 };
enum { FUNCTION_ID = 1, FUNCTION_NAME = 2, FUNCTION_FILE = 4 };

/* The strings before those of names: two for each name, then one for each row's process. */
static const char *const words[] = {"",	       "samples",    "count", "cpu", "nanoseconds",
				    "process", "[truncated]"};
enum { WORD_SAMPLES = 1, WORD_COUNT, WORD_CPU, WORD_NANOSECONDS, WORD_PROCESS, WORD_TRUNCATED };
#define WORDS (sizeof(words) / sizeof(words[0]))

/* A message being built; grows. */
struct message {
	uint8_t *p;
	size_t len, cap;
	bool failed;
};

struct pprof {
	struct message one, two, three; /* nested in each other, used again and again */
	z_stream z;
	struct export_out out;
};

static void put_bytes(struct message *m, const void *data, size_t len)
{
	if (m->failed)
		return;
	if (len > m->cap - m->len) {
		size_t cap = (m->cap + len) * 2;
		uint8_t *p = realloc(m->p, cap);

		if (!p) {
			m->failed = true;
			return;
		}
		m->p = p;
		m->cap = cap;
	}
	memcpy(m->p + m->len, data, len);
	m->len += len;
}

static void put_varint(struct message *m, uint64_t v)
{
	uint8_t b[10];
	size_t n = 0;

	do {
		b[n] = (uint8_t)(v & 0x7f) | (v > 0x7f ? 0x80 : 0);
		v >>= 7;
		n++;
	} while (v);
	put_bytes(m, b, n);
}

static void put_number(struct message *m, unsigned field, uint64_t v)
{
	put_varint(m, field << 3);
	put_varint(m, v);
}

static void put_block(struct message *m, unsigned field, const void *data, size_t len)
{
	put_varint(m, field << 3 | 2);
	put_varint(m, len);
	put_bytes(m, data, len);
}

/* inner becomes a field of outer, and is empty again. */
static void put_message(struct message *outer, unsigned field, struct message *inner)
{
	put_block(outer, field, inner->p ? (const void *)inner->p : "", inner->len);
	outer->failed |= inner->failed;
	inner->len = 0;
}

/* What is in the outermost message goes out. */
static int emit(struct pprof *p, int flush)
{
	uint8_t out[16384];

	if (p->one.failed)
		return -ENOMEM;
	p->z.next_in = p->one.p;
	p->z.avail_in = (unsigned)p->one.len;
	do {
		p->z.next_out = out;
		p->z.avail_out = sizeof(out);
		if (deflate(&p->z, flush) == Z_STREAM_ERROR)
			return -EIO;
		export_put(&p->out, out, sizeof(out) - p->z.avail_out);
	} while (!p->z.avail_out);
	p->one.len = 0;
	return p->out.error;
}

static void put_type(struct pprof *p, unsigned field, unsigned type, unsigned unit)
{
	put_number(&p->two, VALUE_TYPE, type);
	put_number(&p->two, VALUE_UNIT, unit);
	put_message(&p->one, field, &p->two);
}

static int put_sample(struct pprof *p, const struct hotspot *h, const struct export_row *row,
		      uint64_t comm, uint64_t period)
{
	const struct hot_stack *s = &h->stacks[row->stack];

	for (uint32_t i = s->count; i > 0; i--)
		put_varint(&p->three, h->frames[s->first + i - 1] + 1ULL);
	if (s->truncated)
		put_varint(&p->three, h->name_count + 1);
	put_message(&p->two, SAMPLE_LOCATION, &p->three);
	put_varint(&p->three, row->samples);
	put_varint(&p->three, row->samples * period);
	put_message(&p->two, SAMPLE_VALUE, &p->three);
	put_number(&p->three, LABEL_KEY, WORD_PROCESS);
	put_number(&p->three, LABEL_STR, comm);
	put_message(&p->two, SAMPLE_LABEL, &p->three);
	put_message(&p->one, PROFILE_SAMPLE, &p->two);
	return emit(p, Z_NO_FLUSH);
}

/* A location for each name, numbered from 1, and the function of the same number. */
static int put_name(struct pprof *p, uint64_t id, uint64_t name, uint64_t file)
{
	put_number(&p->two, LOCATION_ID, id);
	put_number(&p->three, LINE_FUNCTION, id);
	put_message(&p->two, LOCATION_LINE, &p->three);
	put_message(&p->one, PROFILE_LOCATION, &p->two);
	put_number(&p->two, FUNCTION_ID, id);
	put_number(&p->two, FUNCTION_NAME, name);
	put_number(&p->two, FUNCTION_FILE, file);
	put_message(&p->one, PROFILE_FUNCTION, &p->two);
	return emit(p, Z_NO_FLUSH);
}

static void put_string(struct pprof *p, const char *s)
{
	put_block(&p->one, PROFILE_STRING, s, strlen(s));
}

static int put_strings(struct pprof *p, const struct hotspot *h, const struct export_row *rows,
		       size_t count)
{
	int r = 0;

	for (size_t i = 0; i < WORDS; i++)
		put_string(p, words[i]);
	for (size_t i = 0; i < h->name_count && !r; i++) {
		put_string(p, h->names[i].function);
		put_string(p, h->names[i].module);
		r = emit(p, Z_NO_FLUSH);
	}
	for (size_t i = 0; i < count && !r; i++) {
		if (i && !strcmp(rows[i].comm, rows[i - 1].comm))
			continue;
		put_string(p, rows[i].comm);
		r = emit(p, Z_NO_FLUSH);
	}
	return r;
}

static int put_profile(struct pprof *p, const struct model *m, const struct export_row *rows,
		       size_t count)
{
	const struct hotspot *h = m->hotspot;
	double start = m->facts->archive.count ? m->facts->archive.rows[0].captured_at : NAN;
	uint64_t period = h->hz > 0 ? (uint64_t)(1e9 / h->hz) : 1;
	uint64_t comm = WORDS + 2 * (uint64_t)h->name_count;
	int r = 0;

	put_type(p, PROFILE_SAMPLE_TYPE, WORD_SAMPLES, WORD_COUNT);
	put_type(p, PROFILE_SAMPLE_TYPE, WORD_CPU, WORD_NANOSECONDS);
	for (size_t i = 0; i < count && !r; i++) {
		comm += i && strcmp(rows[i].comm, rows[i - 1].comm) != 0;
		r = put_sample(p, h, &rows[i], comm, period);
	}
	for (size_t i = 0; i < h->name_count && !r; i++)
		r = put_name(p, i + 1, WORDS + 2 * i, WORDS + 2 * i + 1);
	if (!r)
		r = put_name(p, h->name_count + 1, WORD_TRUNCATED, 0);
	if (!r)
		r = put_strings(p, h, rows, count);
	if (isfinite(start) && start > 0 && start < 9e9)
		put_number(&p->one, PROFILE_TIME, (uint64_t)(start * 1e9));
	if (h->start_ns != FACT_NONE && h->end_ns != FACT_NONE && h->end_ns > h->start_ns)
		put_number(&p->one, PROFILE_DURATION, h->end_ns - h->start_ns);
	put_type(p, PROFILE_PERIOD_TYPE, WORD_CPU, WORD_NANOSECONDS);
	put_number(&p->one, PROFILE_PERIOD, period);
	return r ? r : emit(p, Z_FINISH);
}

int export_pprof(const struct model *m, export_write_fn write, void *ctx, struct err *e)
{
	struct pprof *p = calloc(1, sizeof(*p));
	struct export_row *rows = NULL;
	size_t count = 0;
	int r = p ? export_rows(m, &rows, &count, e) : -ENOMEM;

	if (!r) {
		p->out.write = write;
		p->out.ctx = ctx;
		/* 16: a gzip header; it has no time in it, so the same archive gives the same bytes
		 */
		r = deflateInit2(&p->z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK
			    ? put_profile(p, m, rows, count)
			    : -ENOMEM;
		deflateEnd(&p->z);
		if (!r)
			r = export_end(&p->out);
		free(p->one.p);
		free(p->two.p);
		free(p->three.p);
	}
	free(rows);
	free(p);
	return r;
}
