/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard's journals: one JSON object a line.  A line that is none, or is not a journal's, is
 * left out and counted.  Nothing is believed: a journal says what a program on the customer's
 * machine wrote, or somebody else.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "../../capture/base/cleanup.h"
#include "../../capture/base/sbuf.h"
#include "parse.h"
#include "text.h"

#define LINE_MOST (64u << 10)
#define TEXTS (32u << 10) /* of one line's strings */
#define DEPTH 4		  /* deeper is not a journal's */

static const struct fact_field fields_fact_guard[] = {
	FACT_STR(fact_guard, source, 16),
	FACT_STR(fact_guard, event, 16),
	FACT_STR(fact_guard, scope, 300),
	FACT_STR(fact_guard, phase, 32),
	FACT_STR(fact_guard, comm, 64),
	FACT_STR(fact_guard, cmdline, 1024),
	FACT_STR(fact_guard, cgroup, 512),
	FACT_STR(fact_guard, rule, 256),
	FACT_STR(fact_guard, signal, 16),
	FACT_STR(fact_guard, outcome, 16),
	FACT_STR(fact_guard, reason, 256),
	FACT_STR(fact_guard, pattern, 256),
	FACT_STR(fact_guard, error, 512),
	FACT_STR(fact_guard, missing, 256),
	FACT_STR(fact_guard, policies, 1024),
	FACT_STR(fact_guard, version, 32),
	FACT_U64(fact_guard, time_ns),
	FACT_U64(fact_guard, dry_run),
	FACT_U64(fact_guard, ok),
	FACT_U64(fact_guard, pid),
	FACT_U64(fact_guard, starttime),
	FACT_U64(fact_guard, heap_bytes),
	FACT_U64(fact_guard, freed_bytes),
	FACT_U64(fact_guard, available_bytes),
	FACT_U64(fact_guard, total_bytes),
	FACT_U64(fact_guard, consumption_bytes_per_s),
	FACT_U64(fact_guard, need_bytes),
	FACT_U64(fact_guard, candidates_heap_bytes),
	FACT_U64(fact_guard, processes_seen),
	FACT_U64(fact_guard, victims_in_flight),
	FACT_U64(fact_guard, records_lost),
	FACT_U64(fact_guard, under_oom),
	FACT_I64(fact_guard, oom_score_adj),
	FACT_F64(fact_guard, probability),
	FACT_F64(fact_guard, tte_s),
	FACT_F64(fact_guard, available_share),
	FACT_F64(fact_guard, swap_free_share),
	FACT_F64(fact_guard, busy_share),
	FACT_F64(fact_guard, refault_share_per_s),
	FACT_F64(fact_guard, stalls_per_s),
	FACT_F64(fact_guard, kswapd_cpus),
	FACT_F64(fact_guard, exit_ms),
};
FACT_TYPE(fact_guard, "guard", 50, 100000);

static const struct fact_field fields_fact_guard_holder[] = {
	FACT_U64(fact_guard_holder, event),
	FACT_STR(fact_guard_holder, what, 128),
	FACT_U64(fact_guard_holder, bytes),
};
FACT_TYPE(fact_guard_holder, "guard_holders", 51, 100000);

/* Where a journal's key lies in its line, when that is not its name in the facts. */
static const struct {
	const char *path, *field;
} places[] = {
	{"victim.", ""},
	{"signals.", ""},
	{"largest_spared.", ""},
	{"largest_spared.victim.", ""},
};

struct guard_state {
	uint64_t events;       /* rows handed over so far: the holders' key */
	struct fact_guard row; /* of the line being read */
	char texts[TEXTS];     /* its strings */
	size_t texts_len;
	char path[128];		/* of the value being read: "victim.pid" */
	size_t base[DEPTH + 1]; /* how much of path names the container at each depth */
	unsigned depth;
	bool has_time;
	char missing[256], policies[1024];
	struct sbuf missing_text, policies_text;
	struct fact_guard_holder holders[8];
	unsigned n_holders;
	locale_t c_locale;
};

/* ------------------------------------------------------------------ values */

/* Those that we fill in ourselves. */
static bool is_ours(const char *name)
{
	static const char *const ours[] = {"source", "missing", "policies", "time_ns"};

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		if (strcmp(name, ours[i]) == 0)
			return true;
	}
	return false;
}

static const struct fact_field *field_of(const char *path)
{
	size_t skip = 0;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		size_t n = strlen(places[i].path);

		if (strncmp(path, places[i].path, n) == 0 && n > skip)
			skip = n;
	}
	for (size_t i = 0; i < ARRAY_SIZE(fields_fact_guard); i++) {
		const struct fact_field *f = &fields_fact_guard[i];

		if (strcmp(f->name, path + skip) == 0)
			return is_ours(f->name) ? NULL : f;
	}
	return NULL;
}

static char *keep(struct guard_state *s, const char *text, size_t len)
{
	char *to = s->texts + s->texts_len;

	if (len >= TEXTS - s->texts_len)
		return NULL;
	memcpy(to, text, len);
	to[len] = '\0';
	s->texts_len += len + 1;
	return to;
}

static unsigned digits(const char *p, size_t n)
{
	unsigned v = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return 100000;
		v = v * 10 + (unsigned)(p[i] - '0');
	}
	return v;
}

/* Days since 1970 of a date of the Gregorian calendar (Howard Hinnant's days_from_civil). */
static int64_t days(int64_t y, unsigned m, unsigned d)
{
	y -= m <= 2;
	int64_t era = y / 400;
	unsigned yoe = (unsigned)(y - era * 400);
	unsigned doy = (153 * (m + (m > 2 ? -3U : 9U)) + 2) / 5 + d - 1;
	unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + (int64_t)doe - 719468;
}

/* "2026-11-21T08:05:00.123456789Z", fraction optional. */
static bool take_time(struct guard_state *s, const char *p, size_t len)
{
	unsigned y, mo, d, h, mi, sec, scale = 100000000;
	uint64_t ns = 0;

	if (len < 20 || p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' ||
	    p[16] != ':' || p[len - 1] != 'Z')
		return false;
	y = digits(p, 4);
	mo = digits(p + 5, 2);
	d = digits(p + 8, 2);
	h = digits(p + 11, 2);
	mi = digits(p + 14, 2);
	sec = digits(p + 17, 2);
	if (y < 1970 || y > 2261 || mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 ||
	    sec > 60 || (len > 20 && p[19] != '.'))
		return false;
	for (size_t i = 20; i + 1 < len && scale; i++, scale /= 10) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		ns += (uint64_t)(p[i] - '0') * scale;
	}
	s->row.time_ns =
		((uint64_t)days(y, mo, d) * 86400 + h * 3600 + mi * 60 + sec) * 1000000000 + ns;
	return true;
}

static void policy_text(struct guard_state *s, const char *key, const char *text, size_t len)
{
	if (strcmp(key, "name") == 0)
		sbuf_printf(&s->policies_text, "%s%.*s:", s->policies_text.len ? "; " : "",
			    (int)len, text);
	else
		sbuf_printf(&s->policies_text, " %.*s", (int)len, text);
}

static struct fact_guard_holder *holder(struct guard_state *s)
{
	return s->n_holders ? &s->holders[s->n_holders - 1] : NULL;
}

static int on_string(void *ctx, const unsigned char *p, size_t len)
{
	struct guard_state *s = ctx;
	const char *text = (const char *)p;
	const struct fact_field *f = field_of(s->path);

	if (strcmp(s->path, "time") == 0)
		s->has_time = take_time(s, text, len);
	else if (strcmp(s->path, "held_by.what") == 0 && holder(s))
		holder(s)->what = keep(s, text, len);
	else if (strncmp(s->path, "policies.", 9) == 0)
		policy_text(s, s->path + 9, text, len);
	else if (f && f->kind == FIELD_STR)
		*(const char **)((char *)&s->row + f->offset) = keep(s, text, len);
	return 1;
}

static void take_f64(const struct guard_state *s, const char *text, void *to)
{
	char *end;
	double v = strtod_l(text, &end, s->c_locale);

	if (!*end && isfinite(v))
		*(double *)to = v;
}

static int on_number(void *ctx, const char *p, size_t len)
{
	struct guard_state *s = ctx;
	const struct fact_field *f = field_of(s->path);
	char number[40];
	uint64_t v;

	if (len >= sizeof(number))
		return 1;
	memcpy(number, p, len);
	number[len] = '\0';
	if (strcmp(s->path, "held_by.bytes") == 0 && holder(s) && text_u64(TEXT(p, len), &v))
		holder(s)->bytes = v;
	if (!f)
		return 1;
	void *to = (char *)&s->row + f->offset;

	if (f->kind == FIELD_U64 && text_u64(TEXT(p, len), &v))
		*(uint64_t *)to = v;
	else if (f->kind == FIELD_I64)
		text_i64(TEXT(p, len), to);
	else if (f->kind == FIELD_F64)
		take_f64(s, number, to);
	return 1;
}

static int on_bool(void *ctx, int value)
{
	struct guard_state *s = ctx;
	const struct fact_field *f = field_of(s->path);

	if (f && f->kind == FIELD_U64)
		*(uint64_t *)((char *)&s->row + f->offset) = value != 0;
	/* What it cannot do here, by the name it has in the journal. */
	if (!value && strncmp(s->path, "capabilities.", 13) == 0)
		sbuf_printf(&s->missing_text, "%s%s", s->missing_text.len ? ", " : "",
			    s->path + 13);
	return 1;
}

static int on_null(void *ctx)
{
	return ctx != NULL; /* not measured, as the row says already */
}

/* ------------------------------------------------------------------ where we are */

static int on_key(void *ctx, const unsigned char *p, size_t len)
{
	struct guard_state *s = ctx;
	size_t at = s->base[s->depth];

	if (at + len + 2 >= sizeof(s->path))
		return 0;
	if (at)
		s->path[at++] = '.';
	memcpy(s->path + at, p, len);
	s->path[at + len] = '\0';
	return 1;
}

static int enter(struct guard_state *s)
{
	if (s->depth == DEPTH)
		return 0;
	s->base[++s->depth] = strlen(s->path);
	return 1;
}

static int on_map(void *ctx)
{
	struct guard_state *s = ctx;

	if (strcmp(s->path, "held_by") == 0 && s->n_holders < ARRAY_SIZE(s->holders))
		s->holders[s->n_holders++] = (struct fact_guard_holder){.bytes = FACT_NONE};
	return enter(s);
}

static int on_array(void *ctx)
{
	struct guard_state *s = ctx;

	return s->depth > 0 && enter(s);
}

static int leave(void *ctx)
{
	struct guard_state *s = ctx;

	s->path[s->base[s->depth--]] = '\0';
	return 1;
}

/* ------------------------------------------------------------------ lines */

static bool parse_line(struct guard_state *s, const char *line, size_t len)
{
	static const yajl_callbacks callbacks = {
		.yajl_null = on_null,
		.yajl_boolean = on_bool,
		.yajl_number = on_number,
		.yajl_string = on_string,
		.yajl_start_map = on_map,
		.yajl_map_key = on_key,
		.yajl_end_map = leave,
		.yajl_start_array = on_array,
		.yajl_end_array = leave,
	};
	yajl_handle h = yajl_alloc(&callbacks, NULL, s);
	bool good;

	if (!h)
		return false;
	good = yajl_parse(h, (const unsigned char *)line, len) == yajl_status_ok &&
	       yajl_complete_parse(h) == yajl_status_ok;
	yajl_free(h);
	return good && s->has_time && s->row.event;
}

static void start_line(struct guard_state *s, const char *source)
{
	fact_clear(&fact_guard_type, &s->row);
	s->row.source = source;
	s->texts_len = 0;
	s->path[0] = '\0';
	s->depth = 0;
	s->has_time = false;
	s->n_holders = 0;
	s->missing_text = SBUF(s->missing);
	s->policies_text = SBUF(s->policies);
	sbuf_reset(&s->missing_text);
	sbuf_reset(&s->policies_text);
}

static int emit(struct parse *p, struct guard_state *s)
{
	int r;

	s->row.missing = *s->missing ? s->missing : NULL;
	s->row.policies = *s->policies ? s->policies : NULL;
	if (s->row.dry_run == FACT_NONE)
		s->row.dry_run = 0;
	r = parse_emit(p, &fact_guard_type, &s->row);
	for (unsigned i = 0; r >= 0 && i < s->n_holders; i++) {
		s->holders[i].event = s->events;
		r = parse_emit(p, &fact_guard_holder_type, &s->holders[i]);
	}
	s->events++;
	return r;
}

static int guard_member(struct parse *p, void *state, const struct member_ref *m, const char *data,
			size_t len)
{
	const char *source = strcmp(m->name, "journal/guard.jsonl") == 0 ? "guard" : "fastoom";
	struct text rest = TEXT(data, len), line;
	struct guard_state *s = state;
	int r = 0;

	if (!s->c_locale)
		s->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!s->c_locale)
		return -ENOMEM;
	while (r >= 0 && text_line(&rest, &line)) {
		if (!text_len(line))
			continue;
		start_line(s, source);
		if (text_len(line) > LINE_MOST || !parse_line(s, line.p, text_len(line)))
			p->bad++;
		else
			r = emit(p, s);
	}
	return r;
}

static int guard_finish(struct parse *p, void *state)
{
	struct guard_state *s = state;

	if (s->c_locale)
		freelocale(s->c_locale);
	s->c_locale = (locale_t)0;
	return 0;
}

const struct fact_parser guard_parser = {
	.state_size = sizeof(struct guard_state),
	.member = guard_member,
	.finish = guard_finish,
};
