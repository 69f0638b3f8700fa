/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stacks whose shares are known: 10 s on two CPUs at 99 Hz.  CPU 0 runs main → work all the time;
 * CPU 1 runs main → serve, but from 4.0 s to 4.5 s main → serve → spin, through names that an
 * attacker chose.  Each tenth stack of CPU 0 is cut.  One thread sleeps for 3 s, one waits 2 s for
 * the disk.  With `frames`, CPU 1 also runs through that many frames that differ.
 */
#pragma once

#include "sample.h"

enum { STACK_NAMES = 6 + (int)NASTY, STACKS_FIXED = 6, SAMPLE_HZ = 99, SAMPLE_SECONDS = 10 };

static inline void sample_stack(struct hotspot *h, bool truncated, const uint32_t *names, size_t n)
{
	h->stacks[h->stack_count++] =
		(struct hot_stack){(uint32_t)h->frame_count, (uint32_t)n, truncated};
	memcpy(h->frames + h->frame_count, names, n * sizeof(*names));
	h->frame_count += n;
}

static inline void sample_stacks(struct sample *s, size_t frames)
{
	static struct hotspot hotspots[4];
	static size_t used;
	struct hotspot *h = &hotspots[used++ % 4];
	static const char *const functions[] = {"[unknown]", "main", "work",
						"serve",     "spin", "do_sleep"};
	uint32_t nasty[3 + NASTY] = {1, 3, 4}, deep[32];
	const size_t depth = 30, extra = frames / depth;
	const unsigned ticks = SAMPLE_HZ * SAMPLE_SECONDS;
	char text[64];

	*h = (struct hotspot){.hz = SAMPLE_HZ,
			      .expected = 2 * ticks,
			      .received = 2 * ticks,
			      .start_ns = 0,
			      .end_ns = SAMPLE_SECONDS * 1000000000ULL};
	h->names = sample_rows(s, STACK_NAMES + frames, sizeof(*h->names));
	h->frames = sample_rows(s, 64 + NASTY + extra * (depth + 1), sizeof(*h->frames));
	h->stacks = sample_rows(s, STACKS_FIXED + extra, sizeof(*h->stacks));
	h->threads = sample_rows(s, 4, sizeof(*h->threads));
	h->samples = sample_rows(s, 2 * ticks + 2, sizeof(*h->samples));
	for (size_t i = 0; i < 6; i++)
		h->names[h->name_count++] = (struct hot_name){.function = functions[i],
							      .module = i == 5 ? "[kernel]" : "app",
							      .kernel = i == 5};
	for (size_t i = 0; i < NASTY; i++) {
		nasty[3 + i] = (uint32_t)h->name_count;
		h->names[h->name_count++] = (struct hot_name){.function = nasty_names[i],
							      .module = nasty_names[NASTY - 1 - i],
							      .python = i % 2};
	}
	sample_stack(h, true, NULL, 0);
	sample_stack(h, false, (const uint32_t[]){1, 2}, 2);
	sample_stack(h, true, (const uint32_t[]){2}, 1);
	sample_stack(h, false, (const uint32_t[]){1, 3}, 2);
	sample_stack(h, false, nasty, 3 + NASTY);
	sample_stack(h, false, (const uint32_t[]){1, 5}, 2);
	for (size_t i = 0; i < extra; i++) {
		deep[0] = 1;
		for (size_t k = 0; k < depth; k++) {
			snprintf(text, sizeof(text), "generated_%zu_%zu", i, k);
			deep[1 + k] = (uint32_t)h->name_count;
			h->names[h->name_count++] = (struct hot_name){
				.function = sample_str(s, text), .module = "libgenerated.so"};
		}
		sample_stack(h, false, deep, depth + 1);
	}
	h->threads[0] = (struct hot_thread){FACT_NONE, FACT_NONE, "", "", "", false};
	h->threads[1] = (struct hot_thread){100, 100, "worker", "app", "/kubepods/a", false};
	h->threads[2] =
		(struct hot_thread){200, 201, "server", nasty_names[0], "/kubepods/b", false};
	h->threads[3] = (struct hot_thread){300, 300, "sleeper", "sleeper", "", false};
	h->thread_count = 4;
	for (unsigned i = 0; i < ticks; i++) {
		uint64_t at = i * (1000000000ULL / SAMPLE_HZ);
		bool burst = at >= 4000000000ULL && at < 4500000000ULL;

		h->samples[h->sample_count++] =
			(struct hot_sample){at, 1, i % 10 ? 1 : 2, 0, STACK_ON_CPU, 0, 0};
		h->samples[h->sample_count++] = (struct hot_sample){
			at,
			2,
			burst ? 4 : extra ? STACKS_FIXED + (uint32_t)(i * 7919ULL % extra) : 3,
			1,
			STACK_ON_CPU,
			0,
			0};
	}
	h->samples[h->sample_count++] = (struct hot_sample){
		9900000000ULL, 3, 5, UINT32_MAX, STACK_SLEEP, 3000000000ULL, 3000000000ULL};
	h->samples[h->sample_count++] = (struct hot_sample){
		9910000000ULL, 3, 5, UINT32_MAX, STACK_DISK, 2000000000ULL, 2000000000ULL};
	h->on_cpu = 2 * ticks;
	s->model.hotspot = h;
}
