/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The archive itself and what its collectors said.  The worker fills these rows from the head,
 * the manifest and the verification; there is no member to parse. */
#include "archive.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../../capture/base/cleanup.h"
#include "../../capture/base/sbuf.h"
#include "text.h"

static const struct fact_field fields_fact_archive[] = {
	FACT_STR(fact_archive, name, 256),
	FACT_STR(fact_archive, tool, 64),
	FACT_STR(fact_archive, format_version, 16),
	FACT_STR(fact_archive, label, 64),
	FACT_STR(fact_archive, ticket, 64),
	FACT_STR(fact_archive, arguments, 1024),
	FACT_STR(fact_archive, sha256, 64),
	FACT_STR(fact_archive, damage, 512),
	FACT_U64(fact_archive, complete),
	FACT_U64(fact_archive, damaged_members),
	FACT_U64(fact_archive, refused_members),
	FACT_U64(fact_archive, missing_members),
	FACT_U64(fact_archive, cut),
	FACT_U64(fact_archive, has_manifest),
	FACT_U64(fact_archive, ends_between),
	FACT_U64(fact_archive, salvaged),
	FACT_F64(fact_archive, captured_at),
	FACT_F64(fact_archive, window_s),
	FACT_F64(fact_archive, planned_s),
	FACT_F64(fact_archive, observer_cpu_s),
	FACT_F64(fact_archive, observer_wall_s),
	FACT_U64(fact_archive, observer_max_rss_bytes),
	FACT_U64(fact_archive, bytes_written),
	FACT_STR(fact_archive, interrupted, 16),
	FACT_STR(fact_archive, hostname, 256),
	FACT_STR(fact_archive, kernel, 256),
	FACT_STR(fact_archive, os, 256),
	FACT_STR(fact_archive, arch, 32),
	FACT_STR(fact_archive, lockdown, 24),
	FACT_STR(fact_archive, capabilities, 24),
	FACT_STR(fact_archive, redaction, 16),
	FACT_U64(fact_archive, cpus),
	FACT_U64(fact_archive, page_size),
	FACT_U64(fact_archive, euid),
	FACT_U64(fact_archive, in_container),
	FACT_U64(fact_archive, malformed),
};
FACT_TYPE(fact_archive, "archive", 1, 1);

static const struct fact_field fields_fact_collector[] = {
	FACT_STR(fact_collector, name, 32),	 FACT_STR(fact_collector, status, 16),
	FACT_STR(fact_collector, reason, 512),	 FACT_STR(fact_collector, notes, 2304),
	FACT_STR(fact_collector, loss, 1024),	 FACT_F64(fact_collector, cpu_s),
	FACT_F64(fact_collector, start_s),	 FACT_F64(fact_collector, end_s),
	FACT_U64(fact_collector, dropped),	 FACT_U64(fact_collector, max_rss_bytes),
	FACT_U64(fact_collector, abandoned_pid),
};
FACT_TYPE(fact_collector, "collectors", 2, 64);

static const char *word(const char *s)
{
	return *s ? s : NULL;
}

static void from_head(struct fact_archive *row, const struct capture_head *h)
{
	/* Of the anchor: how far the window's start is from it, in the clock that does not jump. */
	double offset = (double)h->window_start_monotonic_ns - (double)h->clock.monotonic_ns;

	row->name = h->name;
	row->tool = h->tool;
	row->label = word(h->label);
	row->ticket = word(h->ticket);
	row->arguments = h->arguments;
	row->captured_at = ((double)h->clock.realtime_ns + offset) / 1e9;
	row->planned_s = h->duration_s;
	row->hostname = h->hostname;
	row->kernel = h->kernel;
	row->os = h->os;
	row->arch = h->arch;
	row->lockdown = h->lockdown;
	row->capabilities = h->capabilities;
	row->redaction = h->redaction;
	row->cpus = h->cpus;
	row->page_size = text_page_size(h->page_size);
	row->euid = h->euid;
	row->in_container = h->container;
}

static void from_manifest(struct fact_archive *row, const struct bundle_verdict *v)
{
	const struct capture_manifest *m = &v->manifest;

	row->interrupted = word(m->interrupted);
	row->observer_cpu_s = m->observer_cpu_s;
	row->observer_wall_s = m->observer_wall_s;
	row->observer_max_rss_bytes = m->observer_max_rss_bytes;
	row->bytes_written = m->bytes_written;
	if (v->head_ok && m->window_end_monotonic_ns >= v->head.window_start_monotonic_ns)
		row->window_s =
			(double)(m->window_end_monotonic_ns - v->head.window_start_monotonic_ns) /
			1e9;
}

int archive_emit_collectors(const struct fact_sink *sink, const struct capture_manifest *m)
{
	for (size_t i = 0; i < m->collector_count; i++) {
		const struct collector_result *c = &m->collectors[i];
		char notes[MANIFEST_MAX_NOTES * (sizeof(c->notes[0]) + 2)];
		char losses[1024];
		struct sbuf text = SBUF(notes), loss = SBUF(losses);
		struct fact_collector row;
		int r;

		sbuf_reset(&text);
		for (size_t k = 0; k < c->note_count; k++)
			sbuf_printf(&text, "%s%s", k ? "; " : "", c->notes[k]);
		sbuf_reset(&loss);
		for (size_t k = 0; k < c->loss_count; k++)
			if (c->loss[k].count)
				sbuf_printf(&loss, "%s%s: %" PRIu64, *losses ? "; " : "",
					    c->loss[k].cause, c->loss[k].count);
		row = (struct fact_collector){
			.name = c->name,
			.status = collector_status_name(c->status),
			.reason = word(c->reason),
			.notes = word(notes),
			.loss = word(losses),
			.cpu_s = c->cpu_s,
			.start_s = c->start_ms / 1e3,
			.end_s = c->end_ms / 1e3,
			.dropped = c->dropped,
			.max_rss_bytes = c->max_rss_bytes,
			.abandoned_pid = c->abandoned_pid > 0 ? (uint64_t)c->abandoned_pid : 0,
		};
		r = sink->row(sink->ctx, &fact_collector_type, &row);
		if (r < 0)
			return r;
	}
	return 0;
}

int archive_emit(const struct fact_sink *sink, const struct bundle_verdict *v, const char *sha256,
		 const char *damage, bool salvaged, uint64_t malformed)
{
	struct fact_archive row;
	char version[32];

	fact_clear(&fact_archive_type, &row);
	row.name = v->outcome.top;
	if (v->head_ok)
		from_head(&row, &v->head);
	if (v->manifest_ok)
		from_manifest(&row, v);
	snprintf(version, sizeof(version), "%u.%u",
		 v->head_ok ? v->head.version_major : v->manifest.version_major,
		 v->head_ok ? v->head.version_minor : v->manifest.version_minor);
	row.format_version = v->head_ok || v->manifest_ok ? version : NULL;
	row.sha256 = sha256;
	row.damage = damage;
	row.complete = bundle_verdict_whole(v);
	row.damaged_members = v->mismatched + (uint64_t)v->outcome.damaged;
	row.refused_members = v->outcome.refused;
	row.missing_members = v->missing;
	row.cut = v->outcome.cut;
	row.has_manifest = v->manifest_ok;
	row.ends_between = v->outcome.between;
	row.salvaged = salvaged;
	row.malformed = malformed;
	return sink->row(sink->ctx, &fact_archive_type, &row);
}

static const char *plural(uint32_t n)
{
	return n == 1 ? "" : "s";
}

bool archive_describe(const struct bundle_verdict *v, bool salvaged, struct sbuf *out)
{
	const struct bundle_outcome *o = &v->outcome;
	const char *first = v->first_problem[0] ? v->first_problem : o->damage;
	uint32_t wrong = v->mismatched + v->unlisted;

	if (!v->manifest_ok)
		sbuf_printf(out, "%s: %u member%s could be read, none of which can be verified",
			    o->has_manifest ? "damaged, its manifest cannot be read"
			    : o->between    ? "not finished, it has no manifest"
					    : "cut, it has no manifest",
			    o->members, plural(o->members));
	else if (wrong)
		sbuf_printf(out, "damaged: %u of %zu members not as in the manifest, %s", wrong,
			    v->seen_count,
			    salvaged ? "used all the same (--salvage)"
				     : "left out (--salvage uses them)");
	else if (v->missing)
		sbuf_printf(out, "damaged: %u member%s of the manifest missing", v->missing,
			    plural(v->missing));
	else if (o->damaged)
		sbuf_printf(out, "damaged in %u place%s", o->damaged, plural(o->damaged));
	else if (o->cut)
		sbuf_puts(out, "cut after its last member");
	else if (*first)
		sbuf_puts(out, "damaged");
	else
		return false;
	/* What is missing and why: the damage to the file that took it away. */
	if (*first && *o->damage && strcmp(first, o->damage) != 0)
		sbuf_printf(out, " (%s; %s)", first, o->damage);
	else if (*first)
		sbuf_printf(out, " (%s)", first);
	return true;
}

void archive_describe_partial(const struct capture_manifest *m, struct sbuf *out)
{
	const char *between = "";

	sbuf_puts(out, "partial: ");
	if (m->interrupted[0]) {
		sbuf_printf(out, "the capture was ended by %s", m->interrupted);
		between = ", ";
	}
	for (size_t i = 0; i < m->collector_count; i++) {
		if (collector_status_complete(m->collectors[i].status))
			continue;
		sbuf_printf(out, "%scollector %s %s", between, m->collectors[i].name,
			    collector_status_name(m->collectors[i].status));
		between = ", ";
	}
	if (!*between)
		sbuf_puts(out, "its manifest says so and names no collector");
}
