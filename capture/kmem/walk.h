/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In which order memory is visited: at random, and at any moment spread over all of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* splitmix64: good enough to pick pages, and the seed in the archive repeats it. */
static inline uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static inline uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t t = a % b;

		a = b;
		b = t;
	}
	return a;
}

/* A walk through 0 … n−1 that visits each once, starting anywhere, in strides of about 0.618 n:
 * at any moment what was visited is spread evenly, and each is equally likely to be in it. */
struct walk {
	uint64_t n, at, step, left;
};

static inline void walk_init(struct walk *w, uint64_t n, uint64_t *random)
{
	w->n = w->left = n;
	w->at = n ? next_random(random) % n : 0;
	w->step = n > 2 ? (uint64_t)((double)n * 0.6180339887498949) : 1;
	while (n > 2 && gcd(w->step, n) != 1)
		w->step++;
}

static inline bool walk_next(struct walk *w, uint64_t *ret)
{
	if (!w->left)
		return false;
	*ret = w->at;
	w->at = (w->at + w->step) % w->n;
	w->left--;
	return true;
}
