/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ossnap-analyze: archives in, one report out.  The whole program on one page. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../capture/base/cleanup.h"
#include "../report/report.h"
#include "../report/visible.h"
#include "arena.h"
#include "facts/facts.h"
#include "facts/parse.h"
#include "options.h"
#include "output.h"
#include "worker.h"

/* The exit codes of the contract. */
enum {
	EXIT_DONE = 0,
	EXIT_USAGE = 2,
	EXIT_DAMAGED = 3,
	EXIT_NO_ARCHIVE = 4,
	EXIT_SANDBOX = 5,
	EXIT_FAIL_ON = 10,
};

struct analysis {
	const struct analyze_options *o;
	struct report *hosts;
	const char **paths; /* of each host, as it was given */
	size_t count, read; /* of several, those that could not be read are there, too */
	int code;
};

/* Archives carry words into messages: nothing of them may talk to the terminal, or turn the order
 * of what it shows. */
static void complain(const struct err *e)
{
	_cleanup_free_ char *visible = visible_dup(e->text);

	fprintf(stderr, "ossnap-analyze: %s\n", visible ? visible : "out of memory");
}

/* The most telling exit code wins: 2, 4, 5, 10, 3, 0. */
static int worse(int a, int b)
{
	static const int order[] = {EXIT_USAGE, EXIT_NO_ARCHIVE, EXIT_SANDBOX, EXIT_FAIL_ON,
				    EXIT_DAMAGED};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (a == order[i] || b == order[i])
			return order[i];
	return EXIT_DONE;
}

static void host_destroy(struct report *host)
{
	findings_destroy((struct findings *)host->findings);
	model_destroy((struct model *)host->model);
	facts_destroy((struct facts *)host->facts);
}

static int host_create(struct report *ret, const char *path, const struct analyze_options *o,
		       struct err *e)
{
	struct findings *findings = NULL;
	struct model *model = NULL;
	struct facts *facts = NULL;
	int code, r;

	r = facts_create(&facts);
	if (r < 0)
		goto broken;
	code = worker_run(path, o, facts, e);
	if (code != EXIT_DONE && code != EXIT_DAMAGED) {
		facts_destroy(facts);
		return code;
	}
	r = model_create(&model, facts);
	if (r == 0)
		r = findings_create(&findings, model);
	if (r < 0 || !findings)
		goto broken;
	*ret = (struct report){.facts = facts, .model = model, .findings = findings};
	return code;
broken:
	err_errno(e, r, path);
	model_destroy(model);
	facts_destroy(facts);
	return EXIT_NO_ARCHIVE;
}

/* A fleet report without one of its archives must say so: a machine about which only the reason is
 * known.  The words come from the file name and the worker. */
static int host_unread(struct report *ret, const char *path, const struct err *why)
{
	const char *slash = strrchr(path, '/'), *from[] = {slash ? slash + 1 : path, why->text};
	struct findings *findings = NULL;
	struct model *model = NULL;
	struct facts *facts = NULL;
	struct fact_archive *row;
	char text[2][ERR_TEXT];

	if (facts_create(&facts) < 0)
		return -ENOMEM;
	row = facts_add(facts, &fact_archive_type);
	for (size_t i = 0; i < 2; i++) {
		snprintf(text[i], sizeof(text[i]), "%s", from[i]);
		for (char *c = text[i]; *c; c++)
			if (*c < ' ' || *c > '~') /* what is not ASCII may be no UTF-8 */
				*c = '?';
	}
	if (row) {
		row->name = arena_strndup(facts->arena, text[0], strlen(text[0]));
		row->damage = arena_strndup(facts->arena, text[1], strlen(text[1]));
		row->complete = 0;
	}
	if (!row || model_create(&model, facts) < 0 || findings_create(&findings, model) < 0) {
		model_destroy(model);
		facts_destroy(facts);
		return -ENOMEM;
	}
	findings->verdict.text =
		arena_printf(findings->arena, "The archive could not be read: %s", row->damage);
	*ret = (struct report){
		.facts = facts, .model = model, .findings = findings, .refused = true};
	return 0;
}

/* As the page names it: no directory, and what is not ASCII may be no UTF-8. */
static const char *file_name(const struct facts *f, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = arena_strndup(f->arena, slash ? slash + 1 : path, 255);

	for (char *c = name; c && *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return name;
}

/* The archive that has the same bytes and came earlier, NULL: none. */
static const char *given_before(const struct analysis *a, const struct report *host)
{
	const char *sha256 = host->facts->archive.rows[0].sha256;

	for (size_t i = 0; sha256 && i < a->count; i++) {
		const struct facts *f = a->hosts[i].facts;

		if (!a->hosts[i].refused && f->archive.rows[0].sha256 &&
		    !strcmp(f->archive.rows[0].sha256, sha256))
			return a->paths[i];
	}
	return NULL;
}

static void analyse(struct analysis *a, const char *path)
{
	struct report *host = &a->hosts[a->count];
	bool several = a->o->archive_count > 1;
	struct err e = {0};
	int code = host_create(host, path, a->o, &e);
	const char *before;

	a->code = worse(a->code, code);
	if (e.no)
		complain(&e);
	if (code != EXIT_DONE && code != EXIT_DAMAGED) {
		if (several && host_unread(host, path, &e) == 0) {
			host->file = file_name(host->facts, path);
			a->paths[a->count++] = path;
		}
		return;
	}
	before = given_before(a, host);
	if (before) {
		struct err twice = {0};

		err_set(&twice, EEXIST, "%s: the same archive as %s (SHA-256), counted once", path,
			before);
		complain(&twice);
		host_destroy(host);
		return;
	}
	if (several)
		host->file = file_name(host->facts, path);
	a->paths[a->count++] = path;
	a->read++;
	if (a->o->fail_on && host->findings->count &&
	    (int)host->findings->rows[0].severity >= a->o->fail_on)
		a->code = worse(a->code, EXIT_FAIL_ON);
}

enum form { FORM_HTML, FORM_JSON, FORM_TEXT };

static int write_form(const struct analysis *a, enum form form, const char *path, struct err *e)
{
	const struct report_options options = {.top = a->o->top};
	_cleanup_(cleanup_output) struct output *out = NULL;
	int r = output_open(&out, path, e);

	if (r < 0)
		return r;
	switch (form) {
	case FORM_HTML:
		r = report_html(a->hosts, a->count, &options, output_write, out, e);
		break;
	case FORM_JSON:
		r = report_json(a->hosts, a->count, output_write, out, e);
		break;
	case FORM_TEXT:
		r = report_text(a->hosts, a->count, output_write, out, e);
		break;
	}
	if (r < 0)
		return e->no ? r : err_errno(e, r, path);
	return output_finish(out, e);
}

/* A file for each table; those that were not captured are not there. */
static int write_directory(const struct report *host, const char *path, struct err *e)
{
	int r = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;

	for (size_t i = 0; r == 0 && report_tsv_name(i); i++) {
		_cleanup_(cleanup_output) struct output *out = NULL;
		_cleanup_free_ char *file = NULL;

		if (asprintf(&file, "%s/%s.tsv", path, report_tsv_name(i)) < 0) {
			file = NULL;
			return err_errno(e, ENOMEM, path);
		}
		r = output_open(&out, file, e);
		if (r < 0)
			return r;
		r = report_tsv(host, i, output_write, out, e);
		if (r == -ENODATA && !e->no) {
			/* An earlier run's, of another archive, would be taken for this one's. */
			r = unlink(file) < 0 && errno != ENOENT ? -errno : 0;
			continue;
		}
		if (r == 0)
			r = output_finish(out, e);
	}
	return r < 0 && !e->no ? err_errno(e, r, path) : r;
}

static int write_file(const struct export_format *format, const struct model *m, const char *path,
		      struct err *e)
{
	_cleanup_(cleanup_output) struct output *out = NULL;
	int r = output_open(&out, path, e);

	if (r == 0)
		r = format->run(m, output_write, out, e);
	if (r == 0)
		r = output_finish(out, e);
	return r < 0 && !e->no ? err_errno(e, r, path) : r;
}

static int write_exports(const struct analysis *a, struct err *e)
{
	for (size_t i = 0; i < a->o->export_count; i++) {
		const struct export_format *format = a->o->exports[i].format;
		const char *path = a->o->exports[i].path;
		int r = format->run ? write_file(format, a->hosts[0].model, path, e)
				    : write_directory(&a->hosts[0], path, e);

		if (r < 0)
			return err_add(e, "--export %s=%s", format->name, path);
	}
	return 0;
}

static int write_all(const struct analysis *a, const char *html, struct err *e)
{
	struct stat st;
	int r = write_form(a, FORM_HTML, html, e);

	if (r < 0 && !a->o->output)
		err_add(e, "the report goes beside the archive; -o FILE puts it elsewhere");
	if (r == 0 && a->o->json && strcmp(a->o->json, "-") != 0 &&
	    output_same_file(html, a->o->json) && stat(html, &st) == 0 && S_ISREG(st.st_mode))
		r = err_set(e, EINVAL, "--json %s: that is the report itself", a->o->json);
	if (r == 0 && a->o->json)
		r = write_form(a, FORM_JSON, a->o->json, e);
	if (r == 0 && a->o->text)
		r = write_form(a, FORM_TEXT, "-", e);
	return r ? r : write_exports(a, e);
}

/* Nobody wants to lose the archive to a slip of the hand. */
static int refuse_overwriting(const struct analyze_options *o, const char *html, struct err *e)
{
	for (size_t i = 0; i < o->archive_count; i++) {
		if (output_same_file(o->archives[i], html))
			return err_set(e, EINVAL, "%s: is an archive; the report would replace it",
				       html);
		for (size_t k = 0; k < o->export_count; k++)
			if (output_same_file(o->archives[i], o->exports[k].path))
				return err_set(e, EINVAL,
					       "%s: is an archive; the export would replace it",
					       o->exports[k].path);
		if (o->json && output_same_file(o->archives[i], o->json))
			return err_set(e, EINVAL, "%s: is an archive; the JSON would replace it",
				       o->json);
	}
	return 0;
}

static void conclude(const struct analysis *a, const char *html)
{
	/* On a terminal, --text has just said it. */
	bool said = a->o->text && isatty(STDOUT_FILENO) && isatty(STDERR_FILENO);

	for (size_t i = 0; i < a->count && !a->o->quiet && !said; i++) {
		struct err line = {0};

		if (a->hosts[i].refused) /* that was said when it was refused */
			continue;
		err_set(&line, EINVAL, "%s%s%s", a->count > 1 ? a->paths[i] : "",
			a->count > 1 ? ": " : "", a->hosts[i].findings->verdict.text);
		complain(&line);
	}
	if (!a->o->quiet)
		fprintf(stderr, "ossnap-analyze: report: %s\n", html);
}

/* Everything after the command line; 0 or, with e set, what goes by EXIT_USAGE. */
static int run(struct analysis *a, const char *html, struct err *e)
{
	int r = refuse_overwriting(a->o, html, e);

	if (r == 0 && a->o->export_count && a->o->archive_count > 1)
		r = err_set(e, EINVAL, "--export: of one archive only");

	for (size_t i = 0; r == 0 && i < a->o->archive_count; i++)
		analyse(a, a->o->archives[i]);
	if (r == 0 && a->read > 0)
		r = write_all(a, html, e);
	if (r == 0 && a->read > 0)
		conclude(a, html);
	return r;
}

int main(int argc, char **argv)
{
	_cleanup_free_ char *beside = NULL;
	struct analyze_options o;
	struct analysis a = {.o = &o};
	struct err e = {0};
	int r;

	signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error to report */
	r = analyze_options_parse(&o, argc, argv, &e);
	if (r > 0)
		return fflush(stdout) == 0 ? EXIT_DONE : EXIT_USAGE;
	if (r == 0) {
		beside = output_default_path(o.archives[0], o.archive_count > 1);
		a.hosts = calloc(o.archive_count, sizeof(*a.hosts));
		a.paths = calloc(o.archive_count, sizeof(*a.paths));
		r = beside && a.hosts && a.paths ? run(&a, o.output ? o.output : beside, &e)
						 : err_errno(&e, ENOMEM, "archives");
	}
	if (r < 0) {
		complain(&e);
		a.code = EXIT_USAGE;
	}
	for (size_t i = 0; i < a.count; i++)
		host_destroy(&a.hosts[i]);
	free(a.hosts);
	free(a.paths);
	return a.code;
}
