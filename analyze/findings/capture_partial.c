/* SPDX-License-Identifier: GPL-2.0-or-later */
/* capture.partial: the archive does not hold all that was asked for. */
#include "rules.h"

static bool counts(const char *status)
{
	return status && (!strcmp(status, "partial") || !strcmp(status, "timeout") ||
			  !strcmp(status, "denied") || !strcmp(status, "error"));
}

int rule_capture_partial(const struct model *m, struct findings *out)
{
	const struct facts *facts = m->facts;
	const struct fact_archive *a = facts->archive.count ? &facts->archive.rows[0] : NULL;
	size_t failed = 0, denied = 0;
	enum severity s = SEVERITY_INFO;
	const char *what;
	struct finding *f;

	for (size_t i = 0; i < facts->collectors.count; i++) {
		const char *status = facts->collectors.rows[i].status;

		failed += counts(status);
		denied += status && !strcmp(status, "denied");
	}
	bool cut = a && a->cut == 1;
	bool killed = a && a->ends_between == 1;
	bool no_manifest = a && a->has_manifest == 0;
	bool damaged = a && ((a->damage && *a->damage) ||
			     (a->damaged_members != FACT_NONE && a->damaged_members) ||
			     (a->missing_members != FACT_NONE && a->missing_members) ||
			     (a->refused_members != FACT_NONE && a->refused_members));
	bool interrupted = a && a->interrupted && *a->interrupted;
	bool no_root = a && a->euid != 0 && a->euid != FACT_NONE;

	if (!failed && !cut && !no_manifest && !damaged && !interrupted)
		return 0;
	if (killed)
		what = "it was killed before it was finished";
	else if (cut || no_manifest)
		what = "the archive was cut";
	else if (damaged)
		what = "a part of the archive is damaged";
	else if (interrupted)
		what = arena_printf(out->arena, "it was interrupted by %s", a->interrupted);
	else if (no_root)
		what = "it ran without root";
	else if (denied == failed)
		what = "permission was missing for a part of it";
	else
		what = arena_printf(out->arena, "%s of %zu collectors did not finish",
				    count_words(out, (double)failed), facts->collectors.count);
	if (cut || no_manifest || damaged)
		s = SEVERITY_WARNING;
	f = finding_add(out, "capture.partial", s, CONFIDENCE_HIGH,
			"The capture is not complete: %s", what);
	if (!f)
		return 0;
	if (killed)
		finding_because(out, f, "#collectors",
				"all that was written is whole, but the archive has no end");
	else if (cut)
		finding_because(out, f, "#collectors", "the archive ends in the middle");
	if (no_manifest)
		finding_because(out, f, "#collectors",
				"it has no manifest, which a finished capture writes last: what "
				"was read is not verified");
	if (damaged)
		finding_because(out, f, "#collectors", "%s",
				a->damage && *a->damage
					? a->damage
					: "members are missing, damaged or refused");
	if (interrupted && !isnan(a->window_s) && !isnan(a->planned_s))
		finding_because(out, f, "#collectors", "%s of %s were captured",
				seconds_words(out, a->window_s), seconds_words(out, a->planned_s));
	else if (interrupted)
		finding_because(out, f, "#collectors", "%s ended the window early", a->interrupted);
	for (size_t i = 0; i < facts->collectors.count; i++) {
		const struct fact_collector *c = &facts->collectors.rows[i];

		if (counts(c->status))
			finding_because(out, f, "#collectors", "%s: %s%s%s",
					c->name ? c->name : "?", c->status,
					c->reason && *c->reason ? ", " : "",
					c->reason ? c->reason : "");
	}
	if (denied || no_root)
		finding_advice(out, f,
			       "Run ossnap-capture as root, on the host and not in a container; "
			       "“ossnap-capture check” says beforehand what is missing.");
	if (killed)
		finding_advice(out, f,
			       "Capture again, and let it finish: Ctrl-C or SIGTERM end a capture "
			       "early with a whole archive, SIGKILL does not.");
	else if (cut || damaged)
		finding_advice(out, f,
			       "Send the archive again: “ossnap-capture verify FILE” tells on the "
			       "customer's machine whether the original is whole. If it is not, "
			       "capture again.");
	if (!denied && !no_root && !cut && !damaged)
		finding_advice(
			out, f,
			"Capture again when it matters; what is here was captured faithfully.");
	return 0;
}
