/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers by number: a hash table whose size never grows beyond what it was made for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTMAP_NONE UINT32_MAX

struct intmap_slot {
	uint64_t key; /* 0: free */
	uint32_t value;
};

struct intmap {
	struct intmap_slot *slots;
	size_t mask, count, max;
};

/* max: entries at most.  -ENOMEM. */
int intmap_init(struct intmap *m, size_t max);
void intmap_deinit(struct intmap *m);
/* INTMAP_NONE when it is not there.  key is never 0. */
uint32_t intmap_find(const struct intmap *m, uint64_t key);
/* Set or replace; -ENOSPC when it is full. */
int intmap_set(struct intmap *m, uint64_t key, uint32_t value);
void intmap_remove(struct intmap *m, uint64_t key);
