/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors travel up as a negative errno plus one `struct err` that names the object and the
 * reason; they are printed once, at the top.  A function that fails leaves its ret_ parameters
 * untouched.
 *
 * A message always reads "OBJECT: REASON", e.g.
 *   /proc/kcore: Operation not permitted (kernel lockdown=confidentiality)
 */
#pragma once

#include <stddef.h>

#define ERR_TEXT 512

struct err {
	int no;		     /* errno, positive; 0: no error recorded */
	char text[ERR_TEXT]; /* "object: reason", valid while no != 0 */
};

/* Record "object: strerror(no)"; returns -no.  e may be NULL.  no may be given negative. */
int err_errno(struct err *e, int no, const char *object);

/* Record a formatted text; returns -no. */
int err_set(struct err *e, int no, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Append " (fmt…)" to the recorded text: context added on the way up.  Returns -e->no. */
int err_add(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
