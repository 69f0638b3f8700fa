/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static size_t bounded(size_t n)
{
	return n < REPORT_MAX_ROWS ? n : REPORT_MAX_ROWS;
}

static const char *share_path(const struct model_cgroup_share *s)
{
	return s->cgroup ? s->cgroup->path : NULL;
}

static void file(struct json *j, const struct model_file *f)
{
	const struct fact_cache_file *k = f->fact;
	char device[48];

	json_object(j);
	json_kstr(j, "path", f->path);
	json_kstr(j, "container_path", f->container_path);
	json_kstr(j, "state", k ? k->state : NULL);
	if (k && k->major != FACT_NONE && k->minor != FACT_NONE) {
		snprintf(device, sizeof(device), "%" PRIu64 ":%" PRIu64, k->major, k->minor);
		json_kstr(j, "device", device);
	} else {
		json_knull(j, "device");
	}
	json_fact(j, "inode", k ? k->ino : FACT_NONE);
	json_fact(j, "generation", k ? k->generation : FACT_NONE);
	json_kstr(j, "fstype", k ? k->fstype : NULL);
	json_fact(j, "size_bytes", k ? k->size : FACT_NONE);
	json_fact(j, "cached_bytes", f->cached_bytes);
	json_bytes(j, "active_bytes", f->active.bytes);
	json_interval(j, "active_interval", f->active.low, f->active.high);
	json_bytes(j, "dirty_bytes", f->dirty.bytes);
	json_interval(j, "dirty_interval", f->dirty.low, f->dirty.high);
	json_kbool(j, "shmem", f->shmem);
	json_fact(j, "swapped_bytes", f->shmem ? f->swapped_bytes : FACT_NONE);
	json_fact(j, "mapped_by_pid", f->mapper ? f->mapper->pid : FACT_NONE);
	json_fact(j, "open_in_pid", f->holder ? f->holder->pid : FACT_NONE);
	json_fact(j, "made_by_pid", f->segment ? f->segment->cpid : FACT_NONE);
	json_fact(j, "attached", f->segment ? f->segment->nattch : FACT_NONE);
	json_key(j, "cgroups");
	json_array(j);
	for (size_t i = 0; i < f->cgroup_count; i++) {
		const struct model_cgroup_share *s = &f->cgroups[i];

		json_object(j);
		json_kstr(j, "path", share_path(s));
		json_bytes(j, "bytes", s->bytes.bytes);
		json_interval(j, "interval", s->bytes.low, s->bytes.high);
		json_object_end(j);
	}
	json_array_end(j);
	json_object_end(j);
}

static void shared_memory(struct json *j, const struct model *m)
{
	json_key(j, "shared_memory");
	json_object(j);
	json_fact(j, "bytes", m->shmem_bytes);
	json_key(j, "directories");
	json_array(j);
	for (size_t i = 0; i < bounded(m->shm_directory_count); i++) {
		const struct model_directory *d = &m->shm_directories[i];

		json_object(j);
		json_kstr(j, "path", d->path);
		json_fact(j, "files", d->files);
		json_interval(j, "files_interval", d->files_interval.low, d->files_interval.high);
		json_fact(j, "bytes", d->bytes);
		json_interval(j, "bytes_interval", d->bytes_interval.low, d->bytes_interval.high);
		json_fact(j, "largest_bytes", d->largest_bytes);
		json_fact(j, "swapped_bytes", d->swapped_bytes);
		json_fact(j, "oldest_epoch_s", d->oldest);
		json_object_end(j);
	}
	json_array_end(j);
	json_object_end(j);
}

static void file_systems(struct json *j, const struct model *m)
{
	json_key(j, "filesystems");
	json_array(j);
	for (size_t i = 0; i < bounded(m->file_system_count); i++) {
		const struct model_file_system *s = &m->file_systems[i];
		char device[48];

		json_object(j);
		json_kstr(j, "fstype", s->fstype);
		if (s->major != FACT_NONE && s->minor != FACT_NONE) {
			snprintf(device, sizeof(device), "%" PRIu64 ":%" PRIu64, s->major,
				 s->minor);
			json_kstr(j, "device", device);
		} else {
			json_knull(j, "device");
		}
		json_kstr(j, "mountpoint", s->mountpoint);
		json_bytes(j, "files", s->files.bytes);
		json_interval(j, "files_interval", s->files.low, s->files.high);
		json_bytes(j, "bytes", s->bytes.bytes);
		json_interval(j, "interval", s->bytes.low, s->bytes.high);
		json_object_end(j);
	}
	json_array_end(j);
}

/* Only old kernels give groups caches of their own. */
static void slabs(struct json *j, const struct model_cgroup *g)
{
	json_bytes(j, "slab_bytes", g->slab.bytes);
	json_interval(j, "slab_interval", g->slab.low, g->slab.high);
	json_key(j, "slabs");
	json_array(j);
	for (size_t i = 0; i < bounded(g->slab_count); i++) {
		json_object(j);
		json_kstr(j, "name", g->slabs[i].cache);
		json_bytes(j, "bytes", g->slabs[i].bytes.bytes);
		json_interval(j, "interval", g->slabs[i].bytes.low, g->slabs[i].bytes.high);
		json_object_end(j);
	}
	json_array_end(j);
}

static void cgroup(struct json *j, const struct model_cgroup *g)
{
	json_object(j);
	json_kstr(j, "path", g->path);
	json_kstr(j, "state", g->dying ? "dying" : "online");
	json_bytes(j, "cached_bytes", g->cached.bytes);
	json_interval(j, "interval", g->cached.low, g->cached.high);
	json_key(j, "files");
	json_array(j);
	for (size_t i = 0; i < bounded(g->file_count); i++) {
		json_object(j);
		json_kstr(j, "path", g->files[i].file ? g->files[i].file->path : NULL);
		json_bytes(j, "bytes", g->files[i].bytes.bytes);
		json_interval(j, "interval", g->files[i].bytes.low, g->files[i].bytes.high);
		json_object_end(j);
	}
	json_array_end(j);
	if (g->slab_count)
		slabs(j, g);
	json_object_end(j);
}

void json_page_cache(struct json *j, const struct report *r)
{
	const struct fact_scan *s = r->facts->scan.count ? r->facts->scan.rows : NULL;
	const struct model *m = r->model;

	if (!s && !m->scanned) {
		json_knull(j, "page_cache");
		return;
	}
	json_key(j, "page_cache");
	json_object(j);
	json_kstr(j, "source", s && s->source && *s->source ? s->source : "none");
	json_kstr(j, "reason", s ? s->reason : NULL);
	json_fact(j, "one_in", s ? s->one_in : FACT_NONE);
	json_fact(j, "pages_total", s ? s->pages_total : FACT_NONE);
	json_fact(j, "pages_read", s ? s->pages_read : FACT_NONE);
	json_flag(j, "finished", s ? s->finished : FACT_NONE);
	json_bytes(j, "meminfo_bytes", m->meminfo_bytes);
	json_bytes(j, "found_bytes", m->scanned ? m->found_bytes : (double)NAN);
	json_interval(j, "found_interval", m->scanned ? m->found_low : (double)NAN, m->found_high);
	json_bytes(j, "residual_bytes", m->scanned ? m->residual_bytes : (double)NAN);
	json_interval(j, "residual_interval", m->scanned ? m->residual_low : (double)NAN,
		      m->residual_high);
	if (!m->scanned) {
		json_knull(j, "files");
		json_knull(j, "shared_memory");
		json_knull(j, "filesystems");
		json_knull(j, "cgroups");
		json_object_end(j);
		return;
	}
	json_key(j, "files");
	json_array(j);
	for (size_t i = 0; i < bounded(m->file_count); i++)
		file(j, &m->files[i]);
	json_array_end(j);
	shared_memory(j, m);
	file_systems(j, m);
	json_key(j, "cgroups");
	json_array(j);
	for (size_t i = 0; i < bounded(m->cgroup_count); i++)
		if (m->cgroups[i].file_count || isfinite(m->cgroups[i].cached.bytes))
			cgroup(j, &m->cgroups[i]);
	json_array_end(j);
	json_object_end(j);
}
