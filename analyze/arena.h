/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that is freed all at once, with a limit: what is built from an archive cannot outgrow it.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

struct arena;
int arena_create(struct arena **ret, size_t limit);
void arena_destroy(struct arena *a);
/* Zeroed, aligned to 16.  NULL when the limit or the machine's memory is reached. */
void *arena_alloc(struct arena *a, size_t size);
/* What arena_alloc() gave for old_size, now new_size bytes, the new ones zeroed; it may move. Large
 * ones do not leave their old bytes behind. */
void *arena_grow(struct arena *a, void *old, size_t old_size, size_t new_size);
/* Never NULL: "" when memory has run out (the arena then reports arena_exhausted()). */
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap);
int arena_exhausted(const struct arena *a);
