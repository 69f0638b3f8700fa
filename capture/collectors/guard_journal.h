/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fastoom's journals, as members: whole lines, the latest ones, secrets in command lines redacted.
 */
#pragma once

#include "../collect.h"

#define JOURNAL_TAIL (3u << 20) /* of one journal; the latest that happened is what counts */

struct journal_taken {
	uint64_t lines, redacted, left_out /* lines that are none */, skipped_bytes;
};

/* What fd has, as member name.  0, or the pipe's negative errno.  A negative errno of reading goes
 * to *ret_no (positive), with what was read before it handed over. */
int journal_member(const struct collect *c, int fd, const char *name, struct journal_taken *ret,
		   int *ret_no);

/* Redact one line in place: line has cap bytes, len of them used.  The new length. */
size_t journal_redact(const struct redactor *r, char *line, size_t len, size_t cap,
		      uint64_t *ret_count);
