/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of window.h over the real table of collectors. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "window.h"
#include "window_private.h"

int window_run(const struct capture_options *o, const struct sysroot *root)
{
	return window_run_table(o, root, collectors);
}

int window_list(FILE *out)
{
	for (const struct collector *const *c = collectors; *c; c++)
		fprintf(out, "%-12s %s\n%-12s needs: %s\n", (*c)->name, (*c)->summary, "",
			(*c)->needs);
	return fflush(out) || ferror(out) ? 4 : 0;
}

int window_check(const struct capture_options *o, const struct sysroot *root)
{
	_cleanup_free_ struct plan *p = malloc(sizeof(*p));
	struct err e = {0};
	const struct ladder *memory = NULL;
	struct ladder ladder;
	int code = 0;

	if (!p)
		return 4;
	if (plan_select(p, collectors, o, &e)) {
		fprintf(stderr, "ossnap-capture: %s\n", e.text);
		return 2;
	}
	plan_probe(p, o, root, -1);
	for (size_t i = 0; i < p->count; i++) {
		const struct plan_row *r = &p->rows[i];

		if (!r->wanted)
			continue;
		if (plan_reads_memory(r)) {
			ladder_try(&ladder, o, root);
			memory = &ladder;
			plan_add_ladder(p, memory);
		}
		if (!plan_runs(r))
			code = 3;
	}
	return plan_print_check(p, o, memory, stdout) ? 4 : code;
}

void window_open_stdio(void)
{
	/* A descriptor that was closed would be taken by the next file we open, an archive perhaps.
	 * The placeholder can be neither read nor written, so that using it goes on failing. */
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/", O_PATH) != fd)
			abort();
}
