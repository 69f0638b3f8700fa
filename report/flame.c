/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flame.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../analyze/hotspot.h"
#include "../capture/base/cleanup.h"
#include "../capture/base/json.h"
#include "flame_tree.h"
#include "pack.h"

/* Names, and in what order children stand; distinct modules. */
struct names {
	const struct hotspot *hot;
	uint32_t *order, *module; /* by name; [name_count] is the cut stacks' first frame */
	const char **modules;
	size_t module_count;
};

struct by_text {
	const char *text, *module;
	uint32_t index;
};

static int by_text(const void *a, const void *b)
{
	const struct by_text *x = a, *y = b;
	int r = strcmp(x->text, y->text);

	if (!r)
		r = strcmp(x->module, y->module);
	return r ? r : (x->index > y->index) - (x->index < y->index);
}

static int by_module(const void *a, const void *b)
{
	const struct by_text *x = a, *y = b;
	int r = strcmp(x->module, y->module);

	return r ? r : (x->index > y->index) - (x->index < y->index);
}

static const char cut_name[] = "[stack cut here]";

static int names_init(struct names *n, const struct hotspot *hot)
{
	size_t count = hot->name_count + 1;
	struct by_text *sorted = malloc(count * sizeof(*sorted));

	*n = (struct names){.hot = hot};
	n->order = malloc(count * sizeof(*n->order));
	n->module = malloc(count * sizeof(*n->module));
	n->modules = malloc(count * sizeof(*n->modules));
	if (!sorted || !n->order || !n->module || !n->modules) {
		free(sorted);
		return -ENOMEM;
	}
	for (size_t i = 0; i < hot->name_count; i++)
		sorted[i] =
			(struct by_text){hot->names[i].function, hot->names[i].module, (uint32_t)i};
	sorted[count - 1] = (struct by_text){cut_name, "", (uint32_t)(count - 1)};
	qsort(sorted, count, sizeof(*sorted), by_text);
	for (size_t i = 0; i < count; i++)
		n->order[sorted[i].index] = (uint32_t)i;
	qsort(sorted, count, sizeof(*sorted), by_module);
	for (size_t i = 0; i < count; i++) {
		if (!i || strcmp(sorted[i].module, sorted[i - 1].module) != 0)
			n->modules[n->module_count++] = sorted[i].module;
		n->module[sorted[i].index] = (uint32_t)(n->module_count - 1);
	}
	free(sorted);
	return 0;
}

static void names_deinit(struct names *n)
{
	free(n->order);
	free(n->module);
	free(n->modules);
}

/* The stacks' names with the mark of a cut one in front, so that it is never taken for a whole. */
static int build_tree(struct flame_tree *ret, const struct names *n, uint32_t *leaf)
{
	const struct hotspot *hot = n->hot;
	struct flame_stack *stacks = malloc((hot->stack_count + 1) * sizeof(*stacks));
	uint32_t *frames = malloc((hot->frame_count + hot->stack_count + 1) * sizeof(*frames));
	size_t used = 0;
	int r = -ENOMEM;

	if (stacks && frames) {
		for (size_t i = 0; i < hot->stack_count; i++) {
			const struct hot_stack *s = &hot->stacks[i];

			stacks[i].names = frames + used;
			if (s->truncated)
				frames[used++] = (uint32_t)hot->name_count;
			if (s->count) /* hot->frames may be NULL: a member can be missing */
				memcpy(frames + used, hot->frames + s->first,
				       s->count * sizeof(*frames));
			used += s->count;
			stacks[i].count = (size_t)(frames + used - stacks[i].names);
		}
		r = flame_tree_build(ret, stacks, hot->stack_count, n->order, FLAME_NODES, leaf);
	}
	free(stacks);
	free(frames);
	return r;
}

/* ------------------------------------------------------------------ writing */

static void put_names(struct json *j, const struct names *n)
{
	size_t count = n->hot->name_count;

	json_key(j, "names");
	json_array(j);
	for (size_t i = 0; i < count; i++)
		json_str(j, n->hot->names[i].function);
	json_str(j, cut_name);
	json_array_end(j);
	json_key(j, "module");
	json_array(j);
	for (size_t i = 0; i <= count; i++)
		json_u64(j, n->module[i]);
	json_array_end(j);
	json_key(j, "modules");
	json_array(j);
	for (size_t i = 0; i < n->module_count; i++)
		json_str(j, n->modules[i]);
	json_array_end(j);
	json_key(j, "kernel");
	json_array(j);
	for (size_t i = 0; i < count; i++)
		json_u64(j, n->hot->names[i].kernel);
	json_u64(j, 0);
	json_array_end(j);
	json_key(j, "python");
	json_array(j);
	for (size_t i = 0; i < count; i++)
		json_u64(j, n->hot->names[i].python);
	json_u64(j, 0);
	json_array_end(j);
}

/* Preorder: the way up to the parent is mostly 1, which compresses to nothing. */
static void put_tree(struct json *j, const struct flame_tree *t)
{
	json_key(j, "up");
	json_array(j);
	for (size_t i = 0; i < t->count; i++)
		json_u64(j, i - t->parent[i]);
	json_array_end(j);
	json_key(j, "name");
	json_array(j);
	for (size_t i = 0; i < t->count; i++)
		json_u64(j, t->name[i]);
	json_array_end(j);
	json_ku64(j, "cut", t->cut);
}

struct group {
	const char *cgroup;
	uint64_t pid;
	const char *comm;
	uint32_t thread;
};

static int by_cgroup(const void *a, const void *b)
{
	return strcmp(((const struct group *)a)->cgroup, ((const struct group *)b)->cgroup);
}

static int by_process(const void *a, const void *b)
{
	const struct group *x = a, *y = b;
	int r = (x->pid > y->pid) - (x->pid < y->pid);

	return r ? r : strcmp(x->comm, y->comm);
}

/* index[thread]: which of the distinct ones; first[index]: one of its threads.  How many. */
static size_t number_groups(struct group *g, size_t count, int (*order)(const void *, const void *),
			    uint32_t *index, uint32_t *first)
{
	size_t n = 0;

	qsort(g, count, sizeof(*g), order);
	for (size_t i = 0; i < count; i++) {
		if (!i || order(&g[i], &g[i - 1]) != 0)
			first[n++] = g[i].thread;
		index[g[i].thread] = (uint32_t)(n - 1);
	}
	return n;
}

static void put_id(struct json *j, uint64_t id)
{
	if (id == FACT_NONE)
		json_null(j);
	else
		json_u64(j, id);
}

static void put_column(struct json *j, const char *key, const uint32_t *v, size_t count)
{
	json_key(j, key);
	json_array(j);
	for (size_t i = 0; i < count; i++)
		json_u64(j, v[i]);
	json_array_end(j);
}

static int put_threads(struct json *j, const struct hotspot *hot)
{
	size_t n = hot->thread_count, cgroups, processes;
	struct group *g = malloc((n + 1) * sizeof(*g));
	uint32_t *cgroup = malloc((n + 1) * sizeof(*cgroup)),
		 *process = malloc((n + 1) * sizeof(*process));
	uint32_t *of_cgroup = malloc((n + 1) * sizeof(*of_cgroup));
	uint32_t *of_process = malloc((n + 1) * sizeof(*of_process));
	int r = -ENOMEM;

	if (!g || !cgroup || !process || !of_cgroup || !of_process)
		goto out;
	for (size_t i = 0; i < n; i++)
		g[i] = (struct group){hot->threads[i].cgroup, hot->threads[i].pid,
				      hot->threads[i].process_comm, (uint32_t)i};
	cgroups = number_groups(g, n, by_cgroup, cgroup, of_cgroup);
	processes = number_groups(g, n, by_process, process, of_process);
	json_key(j, "threads");
	json_object(j);
	json_key(j, "tid");
	json_array(j);
	for (size_t i = 0; i < n; i++)
		put_id(j, hot->threads[i].tid);
	json_array_end(j);
	json_key(j, "comm");
	json_array(j);
	for (size_t i = 0; i < n; i++)
		json_str(j, hot->threads[i].comm);
	json_array_end(j);
	put_column(j, "process", process, n);
	put_column(j, "cgroup", cgroup, n);
	json_object_end(j);
	json_key(j, "cgroups");
	json_array(j);
	for (size_t i = 0; i < cgroups; i++)
		json_str(j, hot->threads[of_cgroup[i]].cgroup);
	json_array_end(j);
	json_key(j, "processes");
	json_object(j);
	json_key(j, "pid");
	json_array(j);
	for (size_t i = 0; i < processes; i++)
		put_id(j, hot->threads[of_process[i]].pid);
	json_array_end(j);
	json_key(j, "comm");
	json_array(j);
	for (size_t i = 0; i < processes; i++)
		json_str(j, hot->threads[of_process[i]].process_comm);
	json_array_end(j);
	json_object_end(j);
	r = 0;
out:
	free(g);
	free(cgroup);
	free(process);
	free(of_cgroup);
	free(of_process);
	return r;
}

static uint64_t micro(uint64_t ns)
{
	return ns / 1000 < UINT64_C(1) << 53 ? ns / 1000 : 0;
}

/* Of growth, behind the states of threads: by page faults, by allocations; what stayed, what not;
 * and that of which it is not known. */
#define STATE_GROWTH 16u
#define STATE_NOT_LOOKED_AT 20u

static void put_growth(struct json *j, const struct hot_growth *g, size_t column, uint32_t node,
		       uint64_t *last)
{
	uint64_t at = micro(g->time_ns);

	switch (column) {
	case 0:
		json_i64(j, (int64_t)(at - *last));
		*last = at;
		break;
	case 1:
		json_u64(j, g->thread);
		break;
	case 2:
		json_u64(j, node);
		break;
	case 3:
		json_u64(j, 0);
		break;
	case 4:
		json_u64(j, g->kept == GROWTH_NOT_LOOKED_AT
				    ? STATE_NOT_LOOKED_AT + g->kind
				    : STATE_GROWTH + 2u * g->kind + (g->kept == GROWTH_GONE));
		break;
	default:
		json_u64(j, g->bytes);
	}
}

/* Every thin-th of the samples on the CPU; all of the others, which carry their time themselves.
 * Behind them those of growth, whose times start anew. */
static void put_samples(struct json *j, const struct hotspot *hot, const uint32_t *leaf,
			size_t thin)
{
	static const char *const keys[] = {"t", "thread", "node", "cpu", "state", "us"};

	json_key(j, "samples");
	json_object(j);
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		uint64_t last = 0;
		size_t seen = 0;

		json_key(j, keys[k]);
		json_array(j);
		for (size_t i = 0; i < hot->sample_count; i++) {
			const struct hot_sample *s = &hot->samples[i];
			uint64_t at = micro(s->time_ns);

			if (!s->state && seen++ % thin)
				continue;
			switch (k) {
			case 0:
				json_i64(j, (int64_t)(at - last));
				last = at;
				break;
			case 1:
				json_u64(j, s->thread);
				break;
			case 2:
				json_u64(j, leaf[s->stack]);
				break;
			case 3:
				json_u64(j, s->cpu == UINT32_MAX ? 0 : s->cpu);
				break;
			case 4:
				json_u64(j, s->state);
				break;
			default:
				json_u64(j, s->state ? micro(s->ns) : 0);
			}
		}
		for (size_t i = 0; i < hot->growth_count; i++)
			put_growth(j, &hot->growth[i], k, leaf[hot->growth[i].stack], &last);
		json_array_end(j);
	}
	json_object_end(j);
}

static double window_of(const struct hotspot *hot)
{
	uint64_t last = hot->sample_count ? hot->samples[hot->sample_count - 1].time_ns : 0;
	double window = (double)last / 1e9;

	if (hot->start_ns != FACT_NONE && hot->end_ns != FACT_NONE && hot->end_ns > hot->start_ns)
		window = fmax(window, (double)(hot->end_ns - hot->start_ns) / 1e9);
	return window > 0 ? window : 1;
}

static int put_all(struct json *j, const struct report *r, const struct hotspot *hot)
{
	size_t thin = hot->on_cpu / FLAME_SAMPLES + 1;
	uint32_t *leaf = malloc((hot->stack_count + 1) * sizeof(*leaf)), cpus = 0;
	struct flame_tree t = {0};
	struct names n;
	int e = names_init(&n, hot);

	if (!leaf)
		e = -ENOMEM;
	if (!e)
		e = build_tree(&t, &n, leaf);
	if (!e) {
		for (size_t i = 0; i < hot->sample_count; i++)
			if (hot->samples[i].cpu != UINT32_MAX && hot->samples[i].cpu >= cpus)
				cpus = hot->samples[i].cpu + 1;
		if (r->facts->archive.count && r->facts->archive.rows[0].cpus != FACT_NONE &&
		    r->facts->archive.rows[0].cpus > cpus && r->facts->archive.rows[0].cpus < 65536)
			cpus = (uint32_t)r->facts->archive.rows[0].cpus;
		json_object(j);
		json_kf64(j, "hz", hot->hz > 0 ? hot->hz : 1);
		json_kf64(j, "window", window_of(hot));
		json_ku64(j, "cpus", cpus);
		json_ku64(j, "thin", thin);
		put_names(j, &n);
		put_tree(j, &t);
		e = put_threads(j, hot);
		put_samples(j, hot, leaf, thin);
		json_object_end(j);
	}
	flame_tree_free(&t);
	names_deinit(&n);
	free(leaf);
	return e;
}

void flame_write(struct out *o, const struct report *r, const char *prefix)
{
	const struct hotspot *hot = r->model->hotspot;
	struct pack *p;
	struct json j;
	int e;

	if (!hot || (!hot->sample_count && !hot->growth_count)) {
		out_fmt(o,
			"<p class=\"absent\">%s <a href=\"#%snot-seen\">What could not be seen</a> "
			"says why.</p>",
			hot ? "Not one sample was taken." : "Not captured.", prefix);
		return;
	}
	out_fmt(o, "<div class=\"flame\" id=\"%sflame\"><template>", prefix);
	p = pack_open(o);
	if (p) {
		json_init(&j, pack_write, p);
		e = put_all(&j, r, hot);
		pack_close(p, e ? e : json_end(&j));
	}
	out_str(o, "</template></div>\n"
		   "<noscript><p class=\"note\">The flame graph is drawn by a script; the table "
		   "below says the same in words.</p></noscript>\n");
}
