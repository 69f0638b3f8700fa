/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the page that are grown in the skeleton, one function per part. */
#pragma once

#include "report.h"
#include "tree.h"

/* page_host.c: all of one machine.  host is its <article>. */
void page_host(struct tree *t, xmlNodePtr host, const struct report *r);
/* The severity's shape and the sentence; for a machine and for a fleet. */
void page_verdict(struct tree *t, xmlNodePtr parent, const char *id, enum severity s,
		  const char *text);
/* "Critical" with its shape. */
void page_severity(struct tree *t, xmlNodePtr parent, enum severity s);

/* page_memory.c: the picture and its legend. */
void page_memory(struct tree *t, xmlNodePtr section, const struct report *r);

/* page_guard.c: what fastoom saw and did; without a journal its section goes. */
void page_guard(struct tree *t, xmlNodePtr host, const struct report *r);

/* page_provenance.c */
void page_provenance(struct tree *t, xmlNodePtr list, const struct report *r);

/* words.c: what several forms of the report say in the same words. */
const char *words_hostname(const struct report *r); /* never NULL */
/* "whole", "partial", "damaged": in a few words; never NULL. */
const char *words_archive_state(const struct report *r);
/* Of several archives: captures of one host are captures of one machine. */
struct fleet_verdict {
	enum severity severity;
	size_t machines, captures; /* captures: that could be read */
	char text[768];
};
struct fleet_verdict words_fleet_verdict(const struct report *hosts, size_t count);
/* "vm", or the file's name where no host is known; never NULL. */
const char *words_fleet_name(const struct report *r);
/* Indices of the hosts, the worst machine first and each machine's captures in the order of time,
 * from malloc; NULL when memory has run out. */
size_t *words_fleet_order(const struct report *hosts, size_t count);
