/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/sbuf.h"
#include "base/units.h"

struct printer {
	FILE *out;
	const char *file;
	unsigned problems;
};

/* Every word of an archive may be somebody's attack on the terminal: escapes become text. */
static void print_clean(FILE *out, const char *text)
{
	char clean[2048];
	struct sbuf b = SBUF(clean);

	clean[0] = '\0';
	sbuf_tsv(&b, text, strlen(text));
	fputs(clean, out);
}

static void problem(struct printer *p, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void problem(struct printer *p, const char *object, const char *fmt, ...)
{
	char reason[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	p->problems++;
	print_clean(p->out, p->file);
	fputs(": ", p->out);
	if (object) {
		print_clean(p->out, object);
		fputs(": ", p->out);
	}
	print_clean(p->out, reason);
	fputc('\n', p->out);
}

static const char *plural(uint32_t n)
{
	return n == 1 ? "" : "s";
}

static void print_structure(struct printer *p, const struct bundle_verdict *v)
{
	const struct bundle_outcome *o = &v->outcome;

	if (!v->head_ok)
		problem(p, BUNDLE_HEAD, "missing or malformed");
	if (!o->has_manifest)
		problem(p, BUNDLE_MANIFEST, "missing: the file was cut, or the capture killed");
	else if (!v->manifest_ok)
		problem(p, BUNDLE_MANIFEST, "malformed");
	if (o->cut && o->has_manifest)
		problem(p, NULL, "the file is cut");
	if (o->damaged)
		problem(p, NULL, "%u damaged frame%s: %s", o->damaged, plural(o->damaged),
			o->damage[0] ? o->damage : "does not decode");
	if (o->refused)
		problem(p, NULL, "%u refused member%s: %s", o->refused, plural(o->refused),
			o->damage[0] ? o->damage : "bad name, type or duplicate");
	if (o->trailing)
		problem(p, NULL, "bytes after the end of the archive");
}

static void print_members(struct printer *p, const struct bundle_verdict *v)
{
	uint32_t shown = 0;

	/* Without a manifest there is nothing to hold the members against. */
	if (!v->manifest_ok)
		return;
	for (size_t i = 0; i < v->seen_count; i++) {
		const struct bundle_seen *s = &v->seen[i];

		if (strcmp(s->name, BUNDLE_MANIFEST) == 0)
			continue;
		if (!s->listed)
			problem(p, s->name, "not in the manifest");
		else if (!s->matches)
			problem(p, s->name, "damaged: size or SHA-256 is not the manifest's");
		shown += !s->listed || !s->matches;
	}
	if (v->missing)
		problem(p, NULL, "%u member%s of the manifest missing%s%s%s", v->missing,
			plural(v->missing), shown == 0 && v->first_problem[0] ? " (" : "",
			shown == 0 ? v->first_problem : "",
			shown == 0 && v->first_problem[0] ? ")" : "");
}

static void print_collectors(struct printer *p, const struct bundle_verdict *v)
{
	unsigned before = p->problems;

	if (!v->manifest_ok)
		return;
	for (size_t i = 0; i < v->manifest.collector_count; i++) {
		const struct collector_result *c = &v->manifest.collectors[i];

		if (!collector_status_complete(c->status))
			problem(p, c->name, "%s%s%s", collector_status_name(c->status),
				c->reason[0] ? ": " : "", c->reason);
	}
	if (v->manifest.interrupted[0])
		problem(p, NULL, "the capture was interrupted by %s", v->manifest.interrupted);
	else if (!v->manifest.complete && p->problems == before)
		problem(p, NULL, "the capture was partial");
}

unsigned verify_print(FILE *out, const char *file, const struct bundle_verdict *v, bool quiet)
{
	struct printer p = {.out = out, .file = file};
	bool damaged;
	char size[16];

	print_structure(&p, v);
	print_members(&p, v);
	damaged = p.problems > 0;
	print_collectors(&p, v);
	if (p.problems == 0 && !bundle_verdict_whole(v)) {
		damaged = true;
		problem(&p, NULL, "%s", v->first_problem[0] ? v->first_problem : "not whole");
	}
	if (quiet && p.problems == 0)
		return 0;
	print_clean(out, file);
	if (p.problems == 0)
		fprintf(out, ": whole: %u member%s, %s, every SHA-256 as in the manifest\n",
			v->outcome.members, plural(v->outcome.members),
			format_size(v->outcome.decompressed, size));
	else
		fprintf(out, ": %s: %u problem%s, %u member%s readable\n",
			damaged ? "damaged" : "undamaged, but a partial capture", p.problems,
			plural(p.problems), v->outcome.members, plural(v->outcome.members));
	return p.problems;
}

int verify_run(const char *file, bool quiet)
{
	_cleanup_(bundle_verdict_deinit) struct bundle_verdict v = {0};
	_cleanup_fd_ int fd = -1;
	struct err e = {0};
	int r;

	/* O_NONBLOCK: whoever names a FIFO gets an answer. */
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	r = fd < 0 ? err_errno(&e, errno, file) : 0;
	if (fd >= 0) {
		r = bundle_verify(fd, &bundle_default_limits, &v, &e);
		if (r < 0 && e.no == 0)
			err_set(&e, -r, "%s: not an archive of ossnap", file);
		/* The analyzer's rule: without both it may be anybody's tar. */
		else if (r == 0 && !v.head_ok && !v.manifest_ok)
			r = err_set(&e, EINVAL,
				    "archive: not an ossnap archive: neither " BUNDLE_HEAD
				    " nor " BUNDLE_MANIFEST " could be read in it");
	}
	if (r < 0) {
		/* The reader knows a descriptor only, and calls it "archive". */
		if (strncmp(e.text, "archive: ", 9) == 0)
			fprintf(stderr, "ossnap-capture: %s: %s\n", file, e.text + 9);
		else
			fprintf(stderr, "ossnap-capture: %s\n", e.text);
		return 4;
	}
	return verify_print(stdout, file, &v, quiet) == 0 ? 0 : 3;
}
