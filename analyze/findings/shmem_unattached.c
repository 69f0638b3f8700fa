/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shmem.unattached: System V segments that no process is attached to.  They outlive whoever made
 * them, in no process's memory and under no name that ls shows.
 */
#include "rules.h"

/* Considerable: 1% of memory, not less than what is worth a look, not more than 1 GiB. */
#define SHARE 0.01
#define LEAST (64 * MIB)
#define MOST (1 * GIB)

static double bytes_of(const struct fact_shm *s)
{
	double rss = figure(s->rss_bytes), swap = figure(s->swap_bytes);

	return (isnan(rss) ? 0 : rss) + (isnan(swap) ? 0 : swap);
}

static const char *maker(const struct model *m, struct findings *out, const struct fact_shm *s)
{
	for (size_t i = 0; i < m->process_count; i++)
		if (m->processes[i]->pid == s->cpid && m->processes[i]->vanished != 1 &&
		    m->processes[i]->comm)
			return arena_printf(out->arena, "pid %" PRIu64 " (%s)", s->cpid,
					    m->processes[i]->comm);
	return arena_printf(out->arena, "pid %" PRIu64 ", which is gone", s->cpid);
}

int rule_shmem_unattached(const struct model *m, struct findings *out)
{
	const struct facts *f = m->facts;
	const struct fact_shm *top[3] = {0};
	double sum = 0, total = figure(m->memory_total);
	uint64_t n = 0;
	struct finding *finding;

	for (size_t i = 0; i < f->shm.count; i++) {
		const struct fact_shm *s = &f->shm.rows[i];
		size_t at = 3;

		if (s->nattch != 0)
			continue;
		n++;
		sum += bytes_of(s);
		while (at && (!top[at - 1] || bytes_of(top[at - 1]) < bytes_of(s)))
			at--;
		for (size_t k = 2; k > at; k--)
			top[k] = top[k - 1];
		if (at < 3)
			top[at] = s;
	}
	if (!(total > 0) || !(sum >= fmin(MOST, fmax(LEAST, SHARE * total))))
		return 0;
	finding = finding_add(out, "shmem.unattached", SEVERITY_WARNING, CONFIDENCE_HIGH,
			      "%s System V shared memory %s that nobody is attached to %s %s",
			      count_words(out, (double)n), n == 1 ? "segment" : "segments",
			      n == 1 ? "holds" : "hold", size_words(out, sum));
	if (!finding)
		return 0;
	finding->weight = sum;
	for (size_t i = 0; i < 3 && top[i]; i++) {
		double swap = figure(top[i]->swap_bytes);

		finding_because(out, finding, "#shared-memory",
				"shmid %" PRIu64 " has %s%s%s, made by %s", top[i]->shmid,
				size_words(out, bytes_of(top[i])),
				swap > 0 ? ", in swap of it " : "",
				swap > 0 ? size_words(out, swap) : "", maker(m, out, top[i]));
	}
	finding_advice(out, finding,
		       "When no program will come back for it, ipcrm -m %" PRIu64
		       " gives the largest back; ipcs -m -p shows who made and last used each.",
		       top[0] ? top[0]->shmid : 0);
	finding_advice(out, finding,
		       "Let the program mark its segments for removal right after attaching "
		       "(shmctl IPC_RMID): the kernel then frees them with the last process.");
	finding->wrong_if = "a database was stopped a moment ago and is about to attach again";
	return 0;
}
