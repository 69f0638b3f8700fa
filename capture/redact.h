/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Redaction at capture, before anything reaches the disk.  `default` replaces secrets in command
 * lines and URLs (values of --password, token=, AWS_SECRET…, user:pass@host …) by "<redacted>".
 * Pseudonyms of `strict` come with their own issue; options.c refuses `strict` until then.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "options.h"

struct redactor {
	enum capture_redact level;
};

/*
 * argv: NUL-separated arguments (len bytes), rewritten in place into at most cap bytes.  Returns
 * the new length; *ret_count gets the number of replacements.
 */
size_t redact_cmdline(const struct redactor *r, char *argv, size_t len, size_t cap,
		      uint64_t *ret_count);

/* The same for any text: only the passwords and tokens in URLs.  What is mounted may be one. */
size_t redact_urls(const struct redactor *r, char *text, size_t len, size_t cap,
		   uint64_t *ret_count);
