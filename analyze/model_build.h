/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files that build the model share while they do. */
#pragma once

#include <inttypes.h>

#include "arena.h"
#include "estimate.h"
#include "lookup.h"
#include "model.h"
#include "paths.h"

struct model_build {
	struct model *m;
	const struct facts *f;
	struct arena *arena;
	struct paths *paths;
	bool sampled; /* design holds */
	struct sample_design design;
	uint64_t page_size;
	struct lookup cgroup_ids;   /* fact_cache_cgroup.cgroup → index in m->cgroups + 1 */
	struct lookup file_ids;	    /* fact_cache_file.file → index in m->files + 1 */
	struct tally *file_tallies; /* sampled pages of each of m->files */
	uint64_t *mntns;	    /* of each of m->cgroups: where its container's files are */
};

/* Each 0 or -ENOMEM, in this order. */
int model_build_cgroups(struct model_build *b);
int model_build_group_slabs(struct model_build *b);
int model_build_dying(struct model_build *b);
int model_build_page_cache(struct model_build *b);
int model_build_swapped(struct model_build *b);
int model_build_shared_memory(struct model_build *b);
int model_build_file_systems(struct model_build *b);
int model_build_panorama(struct model_build *b);
int model_build_processes(struct model_build *b);
int model_build_kubernetes(struct model_build *b);
int model_build_shm_owners(struct model_build *b);
int model_build_heaps(struct model_build *b);
int model_build_growth(struct model_build *b); /* after heaps */
int model_build_delays(struct model_build *b);
int model_build_guard(struct model_build *b);
int model_build_dentries(struct model_build *b);
int model_build_not_seen(struct model_build *b);
int model_build_accounts(struct model_build *b); /* by model_build_panorama() */
int model_build_holdings(struct model_build *b);
int model_build_uncounted(struct model_build *b);

/* FACT_NONE stays FACT_NONE, and nothing wraps around. */
static inline uint64_t none_add(uint64_t a, uint64_t b)
{
	if (a == FACT_NONE || b == FACT_NONE)
		return FACT_NONE;
	return a > FACT_NONE - 1 - b ? FACT_NONE - 1 : a + b;
}

static inline uint64_t none_sub(uint64_t a, uint64_t b)
{
	if (a == FACT_NONE || b == FACT_NONE)
		return FACT_NONE;
	return a > b ? a - b : 0;
}

static inline uint64_t none_mul(uint64_t a, uint64_t b)
{
	uint64_t r;

	if (a == FACT_NONE || b == FACT_NONE)
		return FACT_NONE;
	return __builtin_mul_overflow(a, b, &r) || r == FACT_NONE ? FACT_NONE - 1 : r;
}

static inline uint64_t or_zero(uint64_t v)
{
	return v == FACT_NONE ? 0 : v;
}

static inline uint64_t to_u64(double v)
{
	if (!(v > 0))
		return 0;
	return v >= 18446744073709549568.0 ? FACT_NONE - 1 : (uint64_t)v;
}
