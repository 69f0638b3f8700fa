/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Findings: a table of rules, one row and one file in findings/ each.  A rule is a pure function
 * of the model.  It says nothing when its inputs were not measured.
 */
#pragma once

#include "model.h"

enum severity { SEVERITY_OK, SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL };
enum confidence { CONFIDENCE_LOW, CONFIDENCE_MEDIUM, CONFIDENCE_HIGH };
const char *severity_name(enum severity s);
const char *confidence_name(enum confidence c);

#define FINDING_BECAUSE 8
#define FINDING_ADVICE 6

struct finding {
	const char *id;
	enum severity severity;
	enum confidence confidence;
	const char *title; /* the sentence one would send to the customer */
	struct {
		const char *text, *ref; /* ref: "#anchor" in the report, or NULL */
	} because[FINDING_BECAUSE];
	size_t because_count;
	const char *advice[FINDING_ADVICE];
	size_t advice_count;
	const char *wrong_if; /* "would be wrong if …", or NULL */
	const char *scope_kind, *scope_name;
	double weight; /* orders findings of one severity; bytes at stake, usually */
};

struct findings {
	struct finding *rows; /* most severe first, then by weight */
	size_t count, capacity;
	struct {
		enum severity severity;
		const char *text;
	} verdict;
	struct arena *arena;
};

struct finding_rule {
	const char *id;
	const char *needs; /* collector names it cannot do without, comma-separated */
	int (*evaluate)(const struct model *m, struct findings *out);
};
extern const struct finding_rule finding_rules[]; /* ends with a NULL id */

/* For rules: start a finding (text is formatted into the arena), then add to it. */
struct finding *finding_add(struct findings *out, const char *id, enum severity s,
			    enum confidence c, const char *title_fmt, ...)
	__attribute__((format(printf, 5, 6)));
void finding_because(struct findings *out, struct finding *f, const char *ref, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void finding_advice(struct findings *out, struct finding *f, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void finding_scope(struct findings *out, struct finding *f, const char *kind, const char *name);

/* Run every rule, order the findings, form the verdict. */
int findings_create(struct findings **ret, const struct model *m);
void findings_destroy(struct findings *f);
