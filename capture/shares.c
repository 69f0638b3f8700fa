/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "shares.h"

#include <sys/stat.h>

#include "bundle/format.h"

#define MIB (UINT64_C(1) << 20)

/* The executable, the log, the manifest and zstd's tables; measured by tests/native/guest.sh. */
#define OURS (5 * MIB)
#define PART_LEAST (256u << 10)
#define POOL_MORE (64u << 10) /* what is under way beside one part */
#define TYPES_MORE MIB

uint64_t shares_types(const struct capture_options *o, const struct sysroot *root)
{
	struct stat st;

	if (o->btf_file ? stat(o->btf_file, &st)
			: root->sys_fd < 0 || fstatat(root->sys_fd, "kernel/btf/vmlinux", &st, 0))
		return 0;
	return st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

static size_t power_of_two(uint64_t most)
{
	size_t v = PART_LEAST;

	while ((uint64_t)v * 2 <= most && v < BUNDLE_PART_SIZE)
		v *= 2;
	return v;
}

size_t shares_part(uint64_t max_memory, uint64_t limit)
{
	size_t of_all = power_of_two(max_memory / 32), of_one = power_of_two(limit / 4);

	return of_one < of_all ? of_one : of_all;
}

size_t shares_pool(uint64_t max_memory)
{
	return power_of_two(max_memory / 32) + POOL_MORE;
}

uint64_t shares_ours(uint64_t max_memory)
{
	return OURS + shares_pool(max_memory);
}

/* The file as it is, and the indexes that are made of it: measured, it is just below twice. */
static uint64_t types_need(const struct shares *s)
{
	return s->types ? 2 * s->types + TYPES_MORE : 0;
}

static struct share share_of(const struct shares *s, const struct collector *c, uint64_t limit)
{
	uint64_t types = c->loads_types ? types_need(s) : 0;

	if (c->timed)
		return (struct share){.limit = limit, .held = limit, .moment = types};
	return (struct share){.limit = limit, .moment = limit > types ? limit : types};
}

/* What would be taken with this one: of the moments only the largest need have room. */
static uint64_t taken_with(const struct shares *s, const struct share *h)
{
	return shares_ours(s->max_memory) + s->held + h->held +
	       (h->moment > s->most_moment ? h->moment : s->most_moment);
}

bool shares_let_in(struct shares *s, const struct collector *c, struct share *ret,
		   uint64_t *ret_needs, uint64_t *ret_left)
{
	uint64_t least = c->memory_least_kib * UINT64_C(1024);
	uint64_t asked = s->max_memory / 100 * c->memory_share;
	struct share h = share_of(s, c, asked > least ? asked : least);

	if (taken_with(s, &h) > s->max_memory) {
		/* Less than its share, if that is still enough to do something. */
		uint64_t over = taken_with(s, &h) - s->max_memory;

		h = share_of(s, c, h.limit > least + over ? h.limit - over : least);
	}
	if (taken_with(s, &h) > s->max_memory) {
		*ret_needs = h.held + h.moment;
		*ret_left = shares_for_moments(s);
		return false;
	}
	s->held += h.held;
	if (h.moment > s->most_moment)
		s->most_moment = h.moment;
	*ret = h;
	return true;
}

uint64_t shares_for_moments(const struct shares *s)
{
	uint64_t taken = shares_ours(s->max_memory) + s->held;

	return s->max_memory > taken ? s->max_memory - taken : 0;
}
