/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "ossnap-report/1", in the order of the contract. */
#include "json_parts.h"

#include <errno.h>
#include <string.h>

#include "figures.h"
#include "page.h"

static void verdict(struct json *j, enum severity s, const char *text)
{
	json_key(j, "verdict");
	json_object(j);
	json_kstr(j, "severity", severity_name(s));
	json_kstr(j, "text", text);
	json_object_end(j);
}

static void archive(struct json *j, const struct report *r)
{
	const struct fact_archive *a = r->facts->archive.rows;
	char time[FIGURE];

	if (!r->facts->archive.count)
		return;
	json_object(j);
	if (r->file)
		json_kstr(j, "file", r->file);
	json_kstr(j, "name", a->name);
	json_kstr(j, "sha256", a->sha256);
	json_flag(j, "complete", a->complete);
	json_kstr(j, "captured_at", figure_time(a->captured_at, time));
	json_kf64(j, "duration_s", a->window_s);
	json_kstr(j, "version", a->tool);
	json_kstr(j, "format_version", a->format_version);
	json_kstr(j, "state", words_archive_state(r));
	json_kstr(j, "damage", a->damage);
	json_fact(j, "damaged_members", a->damaged_members);
	json_fact(j, "refused_members", a->refused_members);
	json_fact(j, "missing_members", a->missing_members);
	json_kstr(j, "interrupted", a->interrupted);
	json_kstr(j, "redaction", a->redaction);
	json_kstr(j, "label", a->label);
	json_kstr(j, "ticket", a->ticket);
	json_object_end(j);
}

/* Which hierarchies are there: from the mounts where they were seen, else from the groups read. */
static const char *cgroup_setup(const struct facts *f)
{
	bool v1 = false, v2 = false;

	for (size_t i = 0; i < f->mounts.count; i++) {
		const char *type = f->mounts.rows[i].fstype;

		if (type && f->mounts.rows[i].host == 1) {
			v1 |= !strcmp(type, "cgroup");
			v2 |= !strcmp(type, "cgroup2");
		}
	}
	for (size_t i = 0; i < f->cgroups.count; i++) {
		v1 |= f->cgroups.rows[i].version == 1;
		v2 |= f->cgroups.rows[i].version == 2;
	}
	if (v1 || v2)
		return v1 && v2 ? "hybrid" : v1 ? "v1" : "v2";
	return f->mounts.count ? "none" : NULL;
}

static void host(struct json *j, const struct report *r)
{
	const struct fact_archive *a = r->facts->archive.rows;

	if (!r->facts->archive.count) {
		json_knull(j, "host");
		return;
	}
	json_key(j, "host");
	json_object(j);
	json_kstr(j, "hostname", a->hostname);
	json_kstr(j, "kernel", a->kernel);
	json_kstr(j, "os", a->os);
	json_kstr(j, "arch", a->arch);
	json_fact(j, "cpus", a->cpus);
	json_fact(j, "memory_total_bytes", r->model->memory_total);
	json_kstr(j, "cgroups", cgroup_setup(r->facts));
	json_fact(j, "page_size", a->page_size);
	json_flag(j, "in_container", a->in_container);
	json_object_end(j);
}

static void observer(struct json *j, const struct report *r)
{
	const struct fact_archive *a = r->facts->archive.rows;

	if (!r->facts->archive.count) {
		json_knull(j, "observer");
		return;
	}
	json_key(j, "observer");
	json_object(j);
	json_kf64(j, "cpu_s", a->observer_cpu_s);
	json_kf64(j, "wall_s", a->observer_wall_s);
	json_fact(j, "max_rss_bytes", a->observer_max_rss_bytes);
	json_object_end(j);
}

static void collectors(struct json *j, const struct facts *f)
{
	if (!f->collectors.count) {
		json_knull(j, "collectors");
		return;
	}
	json_key(j, "collectors");
	json_array(j);
	for (size_t i = 0; i < f->collectors.count; i++) {
		const struct fact_collector *c = &f->collectors.rows[i];

		json_object(j);
		json_kstr(j, "name", c->name);
		json_kstr(j, "status", c->status);
		json_kstr(j, "reason", c->reason);
		json_kf64(j, "cpu_s", c->cpu_s);
		json_fact(j, "dropped", c->dropped);
		json_kstr(j, "loss", c->loss);
		json_fact(j, "max_rss_bytes", c->max_rss_bytes);
		json_kf64(j, "start_s", c->start_s);
		json_kf64(j, "end_s", c->end_s);
		json_kstr(j, "notes", c->notes);
		json_object_end(j);
	}
	json_array_end(j);
}

static void finding(struct json *j, const struct finding *f)
{
	json_object(j);
	json_kstr(j, "id", f->id);
	json_kstr(j, "severity", severity_name(f->severity));
	json_kstr(j, "title", f->title);
	json_key(j, "because");
	json_array(j);
	for (size_t i = 0; i < f->because_count && i < FINDING_BECAUSE; i++) {
		json_object(j);
		json_kstr(j, "text", f->because[i].text);
		json_kstr(j, "ref", f->because[i].ref);
		json_object_end(j);
	}
	json_array_end(j);
	json_key(j, "advice");
	json_array(j);
	for (size_t i = 0; i < f->advice_count && i < FINDING_ADVICE; i++)
		json_str(j, f->advice[i]);
	json_array_end(j);
	json_kstr(j, "confidence", confidence_name(f->confidence));
	json_kstr(j, "wrong_if", f->wrong_if);
	if (f->scope_kind) {
		json_key(j, "scope");
		json_object(j);
		json_kstr(j, "kind", f->scope_kind);
		json_kstr(j, "name", f->scope_name);
		json_object_end(j);
	} else {
		json_knull(j, "scope");
	}
	json_object_end(j);
}

static void findings(struct json *j, const struct findings *f)
{
	json_key(j, "findings");
	json_array(j);
	for (size_t i = 0; i < f->count; i++)
		finding(j, &f->rows[i]);
	json_array_end(j);
}

static void not_seen(struct json *j, const struct model *m)
{
	json_key(j, "not_seen");
	json_array(j);
	for (size_t i = 0; i < m->not_seen_count; i++) {
		json_object(j);
		json_kstr(j, "what", m->not_seen[i].what);
		json_kstr(j, "why", m->not_seen[i].why);
		json_object_end(j);
	}
	json_array_end(j);
}

static void machine(struct json *j, const struct report *r)
{
	json_object(j);
	json_kstr(j, "schema", "ossnap-report/1");
	verdict(j, r->findings->verdict.severity, r->findings->verdict.text);
	json_key(j, "archives");
	json_array(j);
	archive(j, r);
	json_array_end(j);
	host(j, r);
	observer(j, r);
	collectors(j, r->facts);
	findings(j, r->findings);
	not_seen(j, r->model);
	json_memory(j, r);
	json_page_cache(j, r);
	json_hotspot(j, r);
	json_gpu(j, r->model);
	json_guard(j, r);
	json_ku64(j, "rows_per_table", REPORT_MAX_ROWS);
	json_object_end(j);
}

static void fleet(struct json *j, const struct report *hosts, size_t count)
{
	static const char *const single[] = {"host",	 "observer", "collectors", "findings",
					     "not_seen", "memory",   "page_cache", "hotspot",
					     "gpu",	 "guard"};
	struct fleet_verdict v = words_fleet_verdict(hosts, count);

	json_object(j);
	json_kstr(j, "schema", "ossnap-report/1");
	verdict(j, v.severity, v.text);
	json_key(j, "archives");
	json_array(j);
	for (size_t i = 0; i < count; i++)
		archive(j, &hosts[i]);
	json_array_end(j);
	for (size_t i = 0; i < sizeof(single) / sizeof(*single); i++)
		json_knull(j, single[i]);
	json_key(j, "fleet");
	json_object(j);
	json_key(j, "hosts");
	json_array(j);
	for (size_t i = 0; i < count; i++)
		machine(j, &hosts[i]);
	json_array_end(j);
	json_key(j, "findings");
	json_array(j);
	json_array_end(j);
	json_object_end(j);
	json_object_end(j);
}

int report_json(const struct report *hosts, size_t count, report_write_fn write, void *ctx,
		struct err *e)
{
	struct json j;
	int r;

	if (!count)
		return err_set(e, EINVAL, "report: no archive");
	json_init(&j, write, ctx);
	if (count == 1)
		machine(&j, hosts);
	else
		fleet(&j, hosts, count);
	r = json_end(&j);
	if (!r)
		r = write(ctx, "\n", 1);
	return r < 0 ? err_errno(e, -r, "JSON report") : 0;
}
