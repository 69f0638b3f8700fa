/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of a probe: capture/bundle/FORMAT.md describes them. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/sbuf.h"
#include "delay_run.h"

bool delay_is_own(const struct delay_run *r, uint32_t tgid, uint32_t parent, uint32_t grandparent)
{
	uint32_t capture = r->window->own_parent;

	return tgid == r->window->own_tgid ||
	       (capture > 1 && (tgid == capture || parent == capture || grandparent == capture));
}

static void put_histogram(struct emit *out, const struct delay_sum *s)
{
	char text[DELAY_BUCKETS * 24];
	struct sbuf b = SBUF(text);

	sbuf_reset(&b);
	for (int i = 0; i < DELAY_BUCKETS; i++)
		if (s->histogram[i] >= 0.5f)
			sbuf_printf(&b, "%s%d:%.0f", b.len ? " " : "", i, (double)s->histogram[i]);
	row_str(out, b.p, b.len);
}

static void put_rounded(struct emit *out, double v)
{
	row_u64(out, v > 0 ? (uint64_t)llround(fmin(v, 9e18)) : 0);
}

static void put_variance(struct emit *out, double v)
{
	row_f64(out, v > 0 ? ceil(v) : 0);
}

/* The name a process has now: rows were begun with what it had then, before an exec perhaps.  Only
 * where our numbers are those of the kernel. */
static void current_name(const struct delay_run *r, uint32_t pid, struct delay_sum *s)
{
	char path[48], name[DELAY_COMM + 1];

	if (!pid || r->window->own_tgid != (uint32_t)getpid())
		return;
	snprintf(path, sizeof(path), "%u/comm", pid);
	if (read_file_at(r->c->root->proc_fd, path, name, sizeof(name)) <= 0)
		return;
	name[strcspn(name, "\n")] = '\0';
	snprintf(s->comm, sizeof(s->comm), "%.*s", DELAY_COMM - 1, name);
}

int delay_write_table(struct delay_run *r, const char *table, struct delay_sums *sums,
		      void (*words)(const struct delay_run *r, const void *key,
				    struct delay_words *ret))
{
	struct emit *out = r->c->out;
	char member[64];
	int rc;

	snprintf(member, sizeof(member), "tables/%s.tsv", table);
	rc = member_open(out, member,
			 "pid\tparent\town\tkthread\tcompat\tcomm\tkind\tobject\tseen\tcut\tcount\t"
			 "count_var\tns\tns_var\tmax_ns\tamount\tinner_ns\thistogram\n");
	for (size_t i = 0; i < sums->count && rc >= 0; i++) {
		struct delay_sum *s = &sums->rows[i];
		struct delay_words w = {0};
		struct delay_key key;

		memcpy(&key, s->key, sizeof(key)); /* every key begins with the tgid */
		if (r->c->options->pid && key.tgid != (uint32_t)r->c->options->pid)
			continue;
		words(r, s->key, &w);
		if (!collect_stopping(r->c))
			current_name(r, key.tgid, s);
		row_u64(out, key.tgid);
		row_u64(out, s->parent);
		row_u64(out, delay_is_own(r, key.tgid, s->parent, s->grandparent));
		row_u64(out, s->flags & DELAY_KTHREAD ? 1 : 0);
		row_u64(out, s->flags & DELAY_COMPAT ? 1 : 0);
		row_str(out, s->comm, strnlen(s->comm, sizeof(s->comm)));
		row_cstr(out, w.kind);
		row_cstr(out, w.object);
		row_u64(out, s->seen);
		row_u64(out, s->seen_cut);
		put_rounded(out, s->count);
		put_variance(out, s->count_var);
		put_rounded(out, s->ns);
		put_variance(out, s->ns_var);
		row_u64(out, s->max_ns);
		put_rounded(out, s->amount);
		/* Where the kernel keeps it for some only, they stand for all. */
		if (s->inner > 0)
			put_rounded(out, s->inner_ns / s->inner * s->count);
		else
			row_none(out);
		put_histogram(out, s);
		rc = row_end(out);
	}
	return rc < 0 ? rc : member_close(out, false);
}

static void pair_u64(struct emit *out, const char *key, uint64_t v)
{
	row_cstr(out, key);
	row_u64(out, v);
	row_end(out);
}

int delay_write_design(struct delay_run *r)
{
	struct emit *out = r->c->out;
	uint64_t lost = r->total.lost, zero = r->c->window_start_ns;
	char member[64];
	int rc;

	for (size_t i = 0; i < r->map_count; i++)
		lost += r->maps[i].sums.lost;
	snprintf(member, sizeof(member), "tables/%s_probe.tsv", r->probe->name);
	rc = member_open(out, member, "key\tvalue\n");
	if (rc < 0)
		return rc;
	row_cstr(out, "source");
	row_cstr(out, "bpf");
	row_end(out);
	pair_u64(out, "start_ns", r->start_ns > zero ? r->start_ns - zero : 0);
	pair_u64(out, "end_ns", r->end_ns > zero ? r->end_ns - zero : 0);
	pair_u64(out, "covered_ns", r->covered_ns);
	pair_u64(out, "watched_ns", r->watched_ns);
	pair_u64(out, "slices", r->slices);
	pair_u64(out, "attachments", r->attachments);
	pair_u64(out, "events", r->total.events);
	pair_u64(out, "lost", lost);
	pair_u64(out, "skipped", r->total.skipped);
	emit_loss(out, "no room in the table", lost);
	return member_close(out, false);
}

int delay_write(struct delay_run *r,
		void (*words)(const struct delay_run *r, const void *key, struct delay_words *ret))
{
	int rc = delay_write_table(r, r->probe->name, &r->maps[0].sums, words);

	return rc < 0 ? rc : delay_write_design(r);
}
