/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From facts, model and findings to JSON, HTML and text.  Output goes to a callback; the same
 * input gives the same bytes.
 *
 * Anchors that a finding's `ref` may name (each is an id in the page; a ref to anything else is
 * shown as text without a link): #memory #part-ID (a contract id of a memory part) #files
 * #functions #seconds
 * #container-files #shared-memory #shared-files #cgroups #guard #processes #heaps #slabs #counters
 * #zones #accounts #huge-pools #allocations #kernel-objects #vmalloc #page-types #collectors
 * #not-seen #provenance #syscalls #proc-files #off-cpu #reclaim #sched-delay #block-io
 * #net-receive.
 */
#pragma once

#include "../analyze/findings.h"

struct report {
	const struct facts *facts;
	const struct model *model;
	const struct findings *findings;
	const char *file; /* of several: the archive's file name; else NULL */
	bool refused;	  /* the archive could not be read; the verdict says why */
};

struct report_options {
	unsigned top; /* rows shown at once in rankings */
};

#define REPORT_TOP 30		/* --top's default */
#define REPORT_MAX_ROWS 200000u /* per table, in JSON and on demand in HTML; largest first */

typedef int (*report_write_fn)(void *ctx, const void *data, size_t len);

/* The contract's "ossnap-report/1".  count > 1: one object with `fleet`, single sections null. */
int report_json(const struct report *hosts, size_t count, report_write_fn write, void *ctx,
		struct err *e);
int report_html(const struct report *hosts, size_t count, const struct report_options *o,
		report_write_fn write, void *ctx, struct err *e);
/* At most 40 lines, to paste in a ticket. */
int report_text(const struct report *hosts, size_t count, report_write_fn write, void *ctx,
		struct err *e);

/* The tables of one machine as TSV (tsv.c), by number; NULL after the last name. */
const char *report_tsv_name(size_t i);
/* -ENODATA without e: this one was not captured, and there is nothing to write. */
int report_tsv(const struct report *r, size_t i, report_write_fn write, void *ctx, struct err *e);
