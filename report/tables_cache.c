/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rankings of the page cache: files, files per container, shared memory. */
#include "tables.h"

#include "figures.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Who pays for a file, in one line: the largest share by name, and how many others. */
static void charged_to(const struct model_file *f, struct cell *c)
{
	const char *name;

	if (!f->cgroup_count) {
		c->text = NULL;
		return;
	}
	name = f->cgroups[0].cgroup ? f->cgroups[0].cgroup->name : NULL;
	if (!name)
		name = "no cgroup";
	if (f->cgroup_count == 1) {
		c->text = name;
		return;
	}
	snprintf(c->scratch, sizeof(c->scratch), "and %zu more", f->cgroup_count - 1);
	c->text = name;
	c->sub = c->scratch;
}

/* The path inside the container; of System V segments, which all look alike, the name that ipcs
 * and ipcrm know them by. */
static void second_name(const struct model_file *f, struct cell *c)
{
	c->sub = f->container_path;
	if (c->sub || !f->fact || f->fact->ino == FACT_NONE ||
	    strncmp(f->path, "[SysV shm", strlen("[SysV shm")) != 0)
		return;
	snprintf(c->scratch, sizeof(c->scratch), "shmid %" PRIu64, f->fact->ino);
	c->sub = c->scratch;
}

static const char *fstype(const struct model_file *f)
{
	return f->fact ? f->fact->fstype : NULL;
}

static const char *state(const struct model_file *f)
{
	return f->fact ? f->fact->state : NULL;
}

/* ------------------------------------------------------------------ files */

static const struct column file_columns[] = {
	{"File", CELL_PATH, false, "Path on the host; below it, the path inside the container"},
	{"State", CELL_STATE, false, "Whether a name still leads to it"},
	{"Charged to", CELL_TEXT, false, "The cgroup that most of its pages are charged to"},
	{"On", CELL_TEXT, false, "File system type"},
	{"Cached", CELL_BYTES, true, "Bytes in the page cache, exact"},
	{"Active", CELL_BYTES, false, "On the active list: used more than once"},
	{"Dirty", CELL_BYTES, false, "Not yet written back"},
};

static void file_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_file *f = &t->report->model->files[row];

	switch (column) {
	case 0:
		c->text = f->path;
		second_name(f, c);
		break;
	case 1:
		c->text = state(f);
		break;
	case 2:
		charged_to(f, c);
		break;
	case 3:
		c->text = fstype(f);
		break;
	case 4:
		c->value = measured(f->cached_bytes);
		break;
	case 5:
		cell_estimate(c, f->active);
		break;
	default:
		cell_estimate(c, f->dirty);
	}
}

static int files_open(struct table *t)
{
	const struct model *m = t->report->model;

	TABLE_COLUMNS_OF(t, file_columns);
	t->caption = "Files by bytes in the page cache";
	t->none = "The scan found no file in the page cache.";
	t->sorted = 4;
	t->rows = m->file_count;
	t->captured = m->scanned;
	t->cell = file_cell;
	return 0;
}

/* ------------------------------------------------------------------ files per container */

struct share {
	const struct model_cgroup *cgroup;
	const struct model_file_share *share;
};

static int by_share(const void *a, const void *b)
{
	const struct share *x = a, *y = b;

	if (x->share->bytes.bytes != y->share->bytes.bytes)
		return x->share->bytes.bytes < y->share->bytes.bytes ? 1 : -1;
	/* the model's order, so that equal ones do not depend on qsort */
	if (x->cgroup != y->cgroup)
		return x->cgroup < y->cgroup ? -1 : 1;
	return x->share < y->share ? -1 : x->share > y->share;
}

static const struct column share_columns[] = {
	{"File", CELL_PATH, false, "Path inside the container; below it, the path on the host"},
	{"Container or cgroup", CELL_TEXT, false, "Which its pages are charged to"},
	{"State", CELL_STATE, false, "Whether a name still leads to it"},
	{"Cached for it", CELL_BYTES, true, "Bytes of the file that are charged to this cgroup"},
	{"Of its cache", CELL_SHARE, false, "Share of all file cache that is charged to it"},
};

static void share_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct share *s = &((const struct share *)t->owned)[row];
	const struct model_file *f = s->share->file;

	switch (column) {
	case 0:
		c->text = f->container_path ? f->container_path : f->path;
		c->sub = f->container_path ? f->path : NULL;
		break;
	case 1:
		c->text = s->cgroup->name ? s->cgroup->name : s->cgroup->path;
		break;
	case 2:
		c->text = state(f);
		break;
	case 3:
		cell_estimate(c, s->share->bytes);
		break;
	default:
		if (s->cgroup->cached.bytes > 0)
			c->value = fmin(100, s->share->bytes.bytes / s->cgroup->cached.bytes * 100);
	}
}

static int shares_open(struct table *t)
{
	const struct model *m = t->report->model;
	struct share *shares;
	size_t n = 0;

	TABLE_COLUMNS_OF(t, share_columns);
	t->caption = "Files by bytes charged to one container or cgroup";
	t->none = "No page of the page cache is charged to a cgroup.";
	t->sorted = 3;
	t->captured = m->scanned;
	t->cell = share_cell;
	for (size_t i = 0; i < m->cgroup_count; i++)
		n += m->cgroups[i].file_count;
	if (!n)
		return 0;
	shares = calloc(n, sizeof(*shares));
	if (!shares)
		return -ENOMEM;
	for (size_t i = 0; i < m->cgroup_count; i++)
		for (size_t k = 0; k < m->cgroups[i].file_count; k++)
			shares[t->rows++] = (struct share){&m->cgroups[i], &m->cgroups[i].files[k]};
	qsort(shares, t->rows, sizeof(*shares), by_share);
	t->owned = shares;
	return 0;
}

/* ------------------------------------------------------------------ file systems */

static const struct column system_columns[] = {
	{"Mounted at", CELL_PATH, false,
	 "On the host, the shortest of its mounts; below it, its device"},
	{"Type", CELL_TEXT, false, NULL},
	{"Cached", CELL_BYTES, true, "Sum over its files"},
	{"Files", CELL_COUNT, false, "With at least one page in the page cache"},
};

static void system_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_file_system *s = &t->report->model->file_systems[row];

	switch (column) {
	case 0:
		c->text = s->mountpoint ? s->mountpoint : "[not mounted on the host]";
		if (s->fstype && !strcmp(s->fstype, "bdev")) /* what has no mount */
			c->text = "[block devices]";
		if (s->major == FACT_NONE || s->minor == FACT_NONE)
			break;
		snprintf(c->scratch, sizeof(c->scratch), "%" PRIu64 ":%" PRIu64, s->major,
			 s->minor);
		c->sub = c->scratch;
		break;
	case 1:
		c->text = s->fstype;
		break;
	case 2:
		cell_estimate(c, s->bytes);
		break;
	default:
		cell_estimate(c, s->files);
	}
}

static int systems_open(struct table *t)
{
	const struct model *m = t->report->model;

	TABLE_COLUMNS_OF(t, system_columns);
	t->caption = "File systems by bytes in the page cache";
	t->none = "The scan found no file system with a page in the page cache.";
	t->sorted = 2;
	t->rows = m->file_system_count;
	t->captured = m->scanned && m->file_systems;
	t->cell = system_cell;
	return 0;
}

/* ------------------------------------------------------------------ shared memory */

static const struct column directory_columns[] = {
	{"Directory", CELL_PATH, false, "On the host"},
	{"Files", CELL_COUNT, false, NULL},
	{"Bytes", CELL_BYTES, true, "Sum over its files"},
	{"Largest file", CELL_BYTES, false, NULL},
	{"Average", CELL_BYTES, false, "Bytes per file"},
	{"Swapped", CELL_BYTES, false, "Of the files found, on top: in swap"},
	{"Oldest", CELL_TEXT, false,
	 "When the one that was not written to for the longest time was"},
};

static void directory_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_directory *d = &t->report->model->shm_directories[row];

	switch (column) {
	case 0:
		c->text = d->path;
		break;
	case 1:
		c->value = measured(d->files);
		if (d->files_interval.high > 0) {
			c->low = d->files_interval.low;
			c->high = d->files_interval.high;
		}
		break;
	case 2:
		c->value = measured(d->bytes);
		if (d->bytes_interval.high > 0) {
			c->low = d->bytes_interval.low;
			c->high = d->bytes_interval.high;
		}
		break;
	case 3:
		c->value = measured(d->largest_bytes);
		break;
	case 4:
		if (d->files && d->files != FACT_NONE && d->bytes != FACT_NONE)
			c->value = (double)d->bytes / (double)d->files;
		break;
	case 5:
		c->value = measured(d->swapped_bytes);
		break;
	default:
		c->text =
			d->oldest == FACT_NONE ? NULL : figure_time((double)d->oldest, c->scratch);
	}
}

static int directories_open(struct table *t)
{
	const struct model *m = t->report->model;

	TABLE_COLUMNS_OF(t, directory_columns);
	t->caption = "Directories by bytes of shared memory (tmpfs, shm) in them";
	t->none = "No directory holds shared memory.";
	t->sorted = 2;
	t->rows = m->shm_directory_count;
	t->captured = m->scanned;
	t->cell = directory_cell;
	return 0;
}

static const struct column shm_columns[] = {
	{"File", CELL_PATH, false, "Path on the host; below it, the path inside the container"},
	{"State", CELL_STATE, false, "Whether a name still leads to it"},
	{"Charged to", CELL_TEXT, false, "The cgroup that most of its pages are charged to"},
	{"Bytes", CELL_BYTES, true, "Bytes in memory, exact"},
	{"Size", CELL_BYTES, false, "As ls shows it; more than in memory when sparse or swapped"},
	{"Swapped", CELL_BYTES, false, "On top of what is in memory"},
	{"Mapped by", CELL_TEXT, false,
	 "Of the largest processes the one that maps most of it; else who has it open"},
	{"Made by", CELL_TEXT, false, "Of System V segments; below it, how many are attached"},
};

static void mapped_by(const struct model_file *f, struct cell *c)
{
	if (!f->mapper && f->holder) {
		snprintf(c->scratch, sizeof(c->scratch), "pid %" PRIu64 " has it open",
			 f->holder->pid);
		c->text = f->holder->comm ? f->holder->comm : "?";
		c->sub = c->scratch;
	}
	if (!f->mapper)
		return;
	if (f->mappers > 1)
		snprintf(c->scratch, sizeof(c->scratch), "pid %" PRIu64 ", and %" PRIu64 " more",
			 f->mapper->pid, f->mappers - 1);
	else
		snprintf(c->scratch, sizeof(c->scratch), "pid %" PRIu64, f->mapper->pid);
	c->text = f->mapper->comm ? f->mapper->comm : "?";
	c->sub = c->scratch;
}

static void made_by(const struct model_file *f, struct cell *c)
{
	if (!f->segment)
		return;
	snprintf(c->scratch, sizeof(c->scratch), "pid %" PRIu64 "%s, %" PRIu64 " attached",
		 f->segment->cpid, f->maker ? "" : " (gone)",
		 f->segment->nattch == FACT_NONE ? 0 : f->segment->nattch);
	c->text = f->maker && f->maker->comm ? f->maker->comm : "?";
	c->sub = c->scratch;
}

static void shm_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_file *f = ((const struct model_file *const *)t->owned)[row];

	switch (column) {
	case 0:
		c->text = f->path;
		second_name(f, c);
		break;
	case 1:
		c->text = state(f);
		break;
	case 2:
		charged_to(f, c);
		break;
	case 3:
		c->value = measured(f->cached_bytes);
		break;
	case 4:
		c->value = f->fact ? measured(f->fact->size) : (double)NAN;
		break;
	case 5:
		c->value = measured(f->swapped_bytes);
		break;
	case 6:
		mapped_by(f, c);
		break;
	default:
		made_by(f, c);
	}
}

static int shm_open_table(struct table *t)
{
	const struct model *m = t->report->model;
	const struct model_file **files;
	size_t n = 0;

	TABLE_COLUMNS_OF(t, shm_columns);
	t->caption = "Files of shared memory: tmpfs, System V, memfd, anonymous mappings that are "
		     "shared";
	t->none = "No file of shared memory is in use.";
	t->sorted = 3;
	t->captured = m->scanned;
	t->cell = shm_cell;
	for (size_t i = 0; i < m->file_count; i++)
		n += m->files[i].shmem;
	if (!n)
		return 0;
	files = calloc(n, sizeof(struct model_file *));
	if (!files)
		return -ENOMEM;
	for (size_t i = 0; i < m->file_count; i++)
		if (m->files[i].shmem)
			files[t->rows++] = &m->files[i];
	t->owned = files;
	return 0;
}

const struct table_def tables_cache[] = {
	{"files", files_open},
	{"container-files", shares_open},
	{"file-systems", systems_open},
	{"shared-directories", directories_open},
	{"shared-files", shm_open_table},
	{0},
};
