/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts kept once, known by their place.  Bounded. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "intmap.h"

struct strings {
	char *text;
	size_t len, cap, max;
	struct intmap by_hash;
};

/* 0 is the empty text. */
int strings_init(struct strings *s, size_t max_bytes, size_t max_texts);
void strings_deinit(struct strings *s);
/* The place of a text, or UINT32_MAX when there is no room. */
uint32_t strings_add(struct strings *s, const char *text, size_t len);

static inline const char *strings_at(const struct strings *s, uint32_t place)
{
	return place < s->len ? s->text + place : "";
}
