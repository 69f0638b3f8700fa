/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Containers: tables/containers.tsv.  An empty field is a name that was not found. */
#include <errno.h>
#include <string.h>

#include "parse.h"
#include "tsv.h"

static const struct fact_field fields_fact_container[] = {
	FACT_STR(fact_container, id, 128),   FACT_STR(fact_container, runtime, 32),
	FACT_STR(fact_container, name, 256), FACT_STR(fact_container, namespace, 256),
	FACT_STR(fact_container, pod, 256),  FACT_STR(fact_container, image, 512),
};
FACT_TYPE(fact_container, "containers", 8, 50000);

static const char *field(const struct tsv *t, const char *name)
{
	const char *s = tsv_str(t, tsv_column(t, name));

	return s && *s ? s : NULL;
}

static int container_member(struct parse *p, void *state, const struct member_ref *m,
			    const char *data, size_t len)
{
	struct tsv t;
	int r = 0;

	if (tsv_init(&t, data, len) < 0)
		return -ENOMEM;
	while (r >= 0 && tsv_next(&t)) {
		struct fact_container row = {
			.id = field(&t, "id"),
			.runtime = field(&t, "runtime"),
			.name = field(&t, "name"),
			.namespace = field(&t, "namespace"),
			.pod = field(&t, "pod"),
			.image = field(&t, "image"),
		};

		if (row.id)
			r = parse_emit(p, &fact_container_type, &row);
		else
			p->bad++;
	}
	p->bad += t.bad;
	tsv_deinit(&t);
	return r;
}

const struct fact_parser container_parser = {.member = container_member};
