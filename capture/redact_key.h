/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to redact*.c: names that promise a secret, and values that keep the promise. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define REDACT_KEY_MAX 128 /* bytes of a name looked at, from its end */

enum redact_key {
	REDACT_KEY_INNOCENT,
	REDACT_KEY_SECRET,	/* password, token, AWS_SECRET_ACCESS_KEY … */
	REDACT_KEY_HEADER,	/* Authorization, Cookie: the value may hold blanks */
	REDACT_KEY_UNLESS_PATH, /* PWD, private-key: often a path, which is kept */
	REDACT_KEY_PLAIN,	/* just "key": may be a file, a column … */
};

/* key: with or without its dashes.  in_query: it stands after ? or & of a URL. */
enum redact_key redact_key_class(const char *key, size_t len, bool in_query);

/* Not secret: empty, a boolean, already redacted, a path where paths are common. */
bool redact_value_is_secret(enum redact_key k, const char *v, size_t len);

/* s equals word (lower case), ASCII case ignored whatever the locale. */
bool redact_word_is(const char *s, size_t len, const char *word);
