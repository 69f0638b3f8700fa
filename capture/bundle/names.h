/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Member names: one rule for what is written and what is read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest top directory that fits the prefix field of ustar. */
#define BUNDLE_MAX_TOP 155

/* One or more segments of [A-Za-z0-9._-]+ joined by single slashes, none of them "." or "..". */
bool bundle_name_ok(const char *name, size_t len);

/* Names seen so far.  Start from a zeroed struct. */
struct name_set {
	char **slots;
	uint32_t slot_count, used;
};

/* 1: added; 0: was there already; -ENOMEM. */
int name_set_add(struct name_set *set, const char *name);
/* Forget a name that was just added. */
void name_set_remove_last(struct name_set *set, const char *name);
void name_set_deinit(struct name_set *set);
