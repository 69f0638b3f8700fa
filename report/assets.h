/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lies in templates/, embedded at build time by embed/embed.c. */
#pragma once

#include <stddef.h>

struct asset {
	const char *name; /* "page.xml" */
	const char *data; /* NUL-terminated */
	size_t size;
	const char *csp_hash; /* "sha256-BASE64", as a content security policy names it */
};
extern const struct asset assets[]; /* ends with a NULL name */

/* Never NULL: a name that is not there is a mistake of the program. */
const struct asset *asset_find(const char *name);
