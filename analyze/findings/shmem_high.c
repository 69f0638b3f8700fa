/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shmem.high: shared memory (tmpfs, memfd, System V, shared mappings) holds a large part of the
 * machine.  No reclaim frees it, only swap takes it; databases hold it on purpose, so it is a
 * finding only when half of memory is gone, and a warning only when little else is left.
 */
#include "rules.h"

#define HALF 0.5
#define LARGE 0.2
#define LITTLE_LEFT 0.15
/* A part of this share of shared memory is worth a sentence. */
#define WORTH_SAYING 0.1

static double unlinked_bytes(const struct model *m)
{
	double sum = 0;

	for (size_t i = 0; i < m->file_count; i++) {
		const char *state = m->files[i].fact->state;

		if (m->files[i].shmem && state &&
		    (!strcmp(state, "deleted") || !strcmp(state, "unnamed")))
			sum += (double)m->files[i].cached_bytes;
	}
	return sum;
}

/* Who has the largest file that no directory shows. */
static void largest_unnamed(const struct model *m, struct findings *out, struct finding *f,
			    double shmem)
{
	for (size_t i = 0; i < m->file_count; i++) {
		const struct model_file *file = &m->files[i];
		const struct fact_process *p = file->mapper   ? file->mapper
					       : file->holder ? file->holder
							      : file->maker;

		if (!file->shmem || file->path[0] != '[')
			continue;
		if ((double)file->cached_bytes < WORTH_SAYING * shmem)
			return;
		if (!p)
			continue;
		finding_because(out, f, "#shared-memory", "%s, %s, is %s by %s (pid %" PRIu64 ")",
				file->path, size_words(out, (double)file->cached_bytes),
				file->mapper   ? "mapped"
				: file->holder ? "held open"
					       : "made",
				p->comm ? p->comm : "?", p->pid);
		return;
	}
}

int rule_shmem_high(const struct model *m, struct findings *out)
{
	double total = figure(m->memory_total), shmem = meminfo(m, "Shmem");
	double available = figure(m->memory_available);
	bool little = room_left(m) < fmin(LITTLE_LEFT * total, ROOM);
	struct finding *f;

	if (!(total > 0) || !(shmem >= HALF * total || (shmem >= LARGE * total && little)))
		return 0;
	const struct model_directory *d = m->shm_directories;
	double first = m->shm_directory_count ? (double)d[0].bytes : 0;
	bool one = m->shm_directory_count && first >= 0.5 * shmem;

	f = finding_add(out, "shmem.high", little ? SEVERITY_WARNING : SEVERITY_INFO,
			little ? CONFIDENCE_HIGH : CONFIDENCE_MEDIUM,
			"Shared memory holds %s of %s%s%s%s%s", size_words(out, shmem),
			size_words(out, total), one ? "; " : "", one ? size_words(out, first) : "",
			one ? " of it is in " : "", one ? d->path : "");
	if (!f)
		return 0;
	f->weight = shmem;
	finding_because(out, f, "#memory", "Shmem is %s, %d%% of memory; %s are available",
			size_words(out, shmem), percent(shmem, total), size_words(out, available));
	for (size_t i = 0; i < m->shm_directory_count && i < 3; i++) {
		d = &m->shm_directories[i];
		if ((double)d->bytes >= WORTH_SAYING * shmem)
			finding_because(out, f, "#shared-memory", "%s holds %s in %s %s", d->path,
					size_words(out, (double)d->bytes),
					count_words(out, (double)d->files),
					d->files == 1 ? "file" : "files");
	}
	double unlinked = unlinked_bytes(m);

	if (unlinked >= WORTH_SAYING * shmem)
		finding_because(
			out, f, "#shared-memory",
			"%s of it have no name any more or never had one (deleted files, memfd, "
			"System V): ls and du do not show them",
			size_words(out, unlinked));
	for (size_t i = 0, n = 0; i < m->process_count && n < 2; i++) {
		double bytes = figure(m->processes[i]->shmem_bytes);

		if (bytes >= 0.25 * shmem) {
			finding_because(out, f, "#processes", "%s (pid %" PRIu64 ") maps %s of it",
					m->processes[i]->comm ? m->processes[i]->comm : "?",
					m->processes[i]->pid, size_words(out, bytes));
			n++;
		}
	}
	largest_unnamed(m, out, f, shmem);
	finding_advice(
		out, f,
		"Delete files that are no longer needed in the directories named; dropping caches "
		"does not free shared memory.");
	if (unlinked >= WORTH_SAYING * shmem)
		finding_advice(out, f,
			       "Close or restart the programs that hold the unnamed memory; "
			       "ipcs -m and ipcrm find and remove System V segments nobody uses.");
	finding_advice(out, f,
		       "Give each tmpfs a size (mount -o remount,size=…), and each pod's memory "
		       "volume a sizeLimit.");
	f->wrong_if = "a database keeps its buffers there and the machine was sized for that";
	return 0;
}
