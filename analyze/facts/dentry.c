/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tables/dentries.tsv: dentries of a sample of slabs, by the directory they are in. */
#include <errno.h>

#include "parse.h"
#include "tsv.h"

#define DENTRY_PATH 4096

static const struct fact_field fields_fact_dentries[] = {
	FACT_U64(fact_dentries, major),	     FACT_U64(fact_dentries, minor),
	FACT_STR(fact_dentries, fstype, 32), FACT_STR(fact_dentries, path, DENTRY_PATH),
	FACT_U64(fact_dentries, positive),   FACT_U64(fact_dentries, negative),
	FACT_U64(fact_dentries, truncated),
};
FACT_TYPE(fact_dentries, "dentries", 30, 100000);

static int dentry_member(struct parse *p, void *state, const struct member_ref *m, const char *data,
			 size_t len)
{
	struct tsv t;
	int r = 0;

	if (tsv_init(&t, data, len) < 0)
		return -ENOMEM;
	int dev = tsv_column(&t, "dev"), fstype = tsv_column(&t, "fstype"),
	    path = tsv_column(&t, "path"), positive = tsv_column(&t, "positive"),
	    negative = tsv_column(&t, "negative"), truncated = tsv_column(&t, "truncated");

	while (r >= 0 && tsv_next(&t)) {
		struct fact_dentries row;

		fact_clear(&fact_dentries_type, &row);
		tsv_dev(&t, dev, &row.major, &row.minor);
		row.fstype = tsv_str(&t, fstype);
		row.path = tsv_str(&t, path);
		row.positive = tsv_u64(&t, positive);
		row.negative = tsv_u64(&t, negative);
		row.truncated = tsv_u64(&t, truncated);
		r = parse_emit(p, &fact_dentries_type, &row);
	}
	p->bad += t.bad;
	tsv_deinit(&t);
	return r;
}

const struct fact_parser dentry_parser = {
	.state_size = 1,
	.member = dentry_member,
};
