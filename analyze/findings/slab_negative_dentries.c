/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slab.negative-dentries: the kernel remembers very many names that do not exist, because some
 * program keeps asking for them.  Nothing bounds them but memory pressure, and directories with
 * millions of them make umount, inotify and lookups slow long before memory is short.
 */
#include "rules.h"

/* Machines that run for months have some hundred thousand, all over the tree. */
#define MANY 800000
/* Of the dentries; and what one tree must have of them to be worth a finding. */
#define SHARE 0.4
#define IN_ONE_TREE 0.3
/* Of memory: from here on it is not only odd. */
#define WARN 0.05

int rule_slab_negative_dentries(const struct model *m, struct findings *out)
{
	const struct model_slab_cause *c = &m->negative_cause;
	double n = m->dentries_negative, bytes = n / m->dentries * m->dentry_bytes;
	double total = figure(m->memory_total);
	struct finding *f;

	/* Kernels before 5.0 do not count them; then the sample does. */
	if (!(n > 0) && m->dentry_tree_count) {
		n = m->dentry_trees[0].negative.bytes;
		bytes = n / m->dentries * m->dentry_bytes;
	}
	if (!(n >= MANY) || !(n >= SHARE * m->dentries) || !c->path || !(c->share >= IN_ONE_TREE))
		return 0;
	f = finding_add(out, "slab.negative-dentries",
			bytes >= WARN * total ? SEVERITY_WARNING : SEVERITY_INFO, CONFIDENCE_HIGH,
			"%s negative dentries hold %s; %d%% of them are names under %s that were "
			"looked for and do not exist",
			count_words(out, n), size_words(out, bytes), percent(c->share, 1), c->path);
	if (!f)
		return 0;
	f->weight = bytes;
	finding_scope(out, f, "directory", c->path);
	finding_because(out, f, "#dentry-trees",
			"of %s dentries %s are negative; about %s of these are under %s",
			count_words(out, m->dentries), count_words(out, n),
			count_words(out, n * c->share), c->path);
	finding_because(out, f, "#dentry-trees", "by a sample of %s slabs of the dentry cache",
			count_words(out, (double)m->dentry_slabs_read));
	finding_advice(out, f,
		       "Find what asks for names under %s that are not there (strace -f -e "
		       "trace=%%file, or the program that cleans up files it never made), and "
		       "let it look once or list the directory instead.",
		       c->path);
	finding_advice(out, f,
		       "echo 2 > /proc/sys/vm/drop_caches frees them now; removing the directory "
		       "itself frees those in it. They come back until the asking ends.");
	f->wrong_if = "the names are short-lived files that are made and deleted on purpose";
	return 0;
}
