/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * speedscope.app's own format (its file-format-schema.json): shared frames, one sampled profile for
 * each thread, root first.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../capture/base/json.h"
#include "stacks.h"

static void frames(struct json *j, const struct hotspot *h)
{
	json_key(j, "shared");
	json_object(j);
	json_key(j, "frames");
	json_array(j);
	for (size_t i = 0; i < h->name_count; i++) {
		json_object(j);
		json_kstr(j, "name", h->names[i].function);
		json_kstr(j, "file", h->names[i].module);
		json_object_end(j);
	}
	json_object(j);
	json_kstr(j, "name", "[truncated]");
	json_object_end(j);
	json_array_end(j);
	json_object_end(j);
}

static void stack(struct json *j, const struct hotspot *h, const struct hot_stack *s)
{
	json_array(j);
	if (s->truncated)
		json_u64(j, h->name_count);
	for (uint32_t i = 0; i < s->count; i++)
		json_u64(j, h->frames[s->first + i]);
	json_array_end(j);
}

/* order: samples on the CPU by thread, [first, end) of one. */
static void profile(struct json *j, const struct hotspot *h, const size_t *order, size_t first,
		    size_t end)
{
	const struct hot_thread *t = &h->threads[h->samples[order[first]].thread];
	char name[160];

	if (t->tid == FACT_NONE)
		snprintf(name, sizeof(name), "[unknown]");
	else
		snprintf(name, sizeof(name), "%s %" PRIu64 "/%" PRIu64 " %s", t->process_comm,
			 t->pid, t->tid, t->comm);
	json_object(j);
	json_kstr(j, "type", "sampled");
	json_kstr(j, "name", name);
	json_kstr(j, "unit", "none");
	json_ku64(j, "startValue", 0);
	json_ku64(j, "endValue", end - first);
	json_key(j, "samples");
	json_array(j);
	for (size_t i = first; i < end; i++)
		stack(j, h, &h->stacks[h->samples[order[i]].stack]);
	json_array_end(j);
	json_key(j, "weights");
	json_array(j);
	for (size_t i = first; i < end; i++)
		json_u64(j, 1);
	json_array_end(j);
	json_object_end(j);
}

static int by_thread(const void *a, const void *b, void *ctx)
{
	const struct hot_sample *samples = ctx;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	if (samples[x].thread != samples[y].thread)
		return samples[x].thread < samples[y].thread ? -1 : 1;
	return x < y ? -1 : x > y;
}

int export_speedscope(const struct model *m, export_write_fn write, void *ctx, struct err *e)
{
	const struct hotspot *h = m->hotspot;
	size_t *order, n = 0;
	struct json j;

	if (!h || !h->on_cpu)
		return err_set(e, ENODATA, "the archive has no samples of stacks");
	order = calloc(h->on_cpu, sizeof(*order));
	if (!order)
		return err_errno(e, ENOMEM, "speedscope");
	for (size_t i = 0; i < h->sample_count && n < h->on_cpu; i++)
		if (h->samples[i].state == STACK_ON_CPU)
			order[n++] = i;
	qsort_r(order, n, sizeof(*order), by_thread, h->samples);

	json_init(&j, write, ctx);
	json_object(&j);
	json_kstr(&j, "$schema", "https://www.speedscope.app/file-format-schema.json");
	json_kstr(&j, "exporter", "ossnap-analyze " OSSNAP_VERSION);
	frames(&j, h);
	json_key(&j, "profiles");
	json_array(&j);
	for (size_t i = 0; i < n;) {
		size_t end = i;

		while (end < n && h->samples[order[end]].thread == h->samples[order[i]].thread)
			end++;
		profile(&j, h, order, i, end);
		i = end;
	}
	json_array_end(&j);
	json_object_end(&j);
	free(order);
	return json_end(&j);
}
