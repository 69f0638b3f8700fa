/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was asked for by name and cannot be had is refused before anything is written, rather than
 * found out after the window: an archive without it is not what was wanted.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sbuf.h"
#include "collectors/hierarchy.h"
#include "fastoom/options.h"
#include "plan.h"

static int refuse_pid(pid_t pid, const struct sysroot *root, struct err *e)
{
	char name[16];

	snprintf(name, sizeof(name), "%d", (int)pid);
	if (faccessat(root->proc_fd, name, F_OK, 0) == 0)
		return 0;
	/* hidepid hides it from /proc, but it is there: the collector will say so. */
	if (!kill(pid, 0) || errno != ESRCH)
		return 0;
	return err_set(e, ESRCH, "--pid %d: there is no such process", (int)pid);
}

static int refuse_cgroup(const char *arg, const struct sysroot *root, struct err *e)
{
	struct hierarchy h[HIERARCHIES_MAX];
	size_t n = hierarchies_find(root, h);
	char group[4096], path[4200];

	int r = hierarchy_path(h, n, arg, group, sizeof(group));
	if (r)
		return err_set(e, -r, "--cgroup %s: %s", arg, strerror(-r));
	for (size_t i = 0; i < n; i++) {
		const char *below = group;
		size_t prefix = strlen(h[i].prefix);

		/* Above what is mounted here: nobody can tell. */
		if (prefix && !hierarchy_below(group, h[i].prefix))
			return 0;
		below += prefix;
		snprintf(path, sizeof(path), "%s%s", h[i].mount, below);
		if (faccessat(root->root_fd, path, F_OK, 0) == 0 || errno != ENOENT)
			return 0;
	}
	if (!n)
		return err_set(e, ENOENT, "--cgroup %s: no cgroup hierarchy is mounted here", arg);
	return err_set(e, ENOENT, "--cgroup %s: there is no such cgroup below /%s%s%s", arg,
		       h[0].mount, n > 1 ? " or /" : "", n > 1 ? h[1].mount : "");
}

/* Its probe has said no already.  A recorded tree without its memory is asked for as procfs. */
static int refuse_source(const struct plan *p, const struct capture_options *o,
			 const struct sysroot *root, struct err *e)
{
	bool by_name = o->memory_source != MEMORY_AUTO;

	if (!by_name && !o->btf_file && !o->record_kernel)
		return 0;
	if (root->recorded && o->memory_source == MEMORY_PROCFS)
		return 0;
	for (size_t i = 0; i < p->count; i++) {
		const struct plan_row *r = &p->rows[i];

		if (!r->wanted || strcmp(r->collector->name, "page-cache") != 0 ||
		    r->probe.status == COLLECTOR_TIMEOUT || plan_runs(r))
			continue;
		return err_set(e, r->probe.no ? r->probe.no : ENOTSUP, "%s: %s",
			       by_name	     ? "--memory-source"
			       : o->btf_file ? "--btf"
					     : "--record-kernel",
			       r->probe.reason);
	}
	return 0;
}

/* A guard that would follow nothing, or another configuration than was meant, is none. */
static int refuse_guard(const struct capture_options *o, struct err *e)
{
	struct options guard = {.config_path = o->guard};
	struct config *config;
	char text[CONFIG_FILE_MAX];
	struct err why = {0};
	int r;

	if (!o->guard || !*o->guard)
		return 0;
	config = malloc(sizeof(*config));
	if (!config)
		return err_errno(e, ENOMEM, "--guard");
	r = options_read(&guard, text, sizeof(text), &why);
	if (r >= 0)
		r = options_config(&guard, text, (size_t)r, config, &why);
	free(config);
	return r < 0 ? err_set(e, why.no, "--guard: %s", why.text) : 0;
}

int plan_refuse(const struct plan *p, const struct capture_options *o, const struct sysroot *root,
		struct err *e)
{
	char reasons[400];
	struct sbuf b = SBUF(reasons);
	int no = ENOTSUP;

	/* A recording may leave out what nobody read. */
	int r = o->pid && !root->recorded ? refuse_pid(o->pid, root, e) : 0;
	if (!r && o->cgroup && !root->recorded)
		r = refuse_cgroup(o->cgroup, root, e);
	if (!r)
		r = refuse_source(p, o, root, e);
	if (!r)
		r = refuse_guard(o, e);
	if (r || p->runnable)
		return r;
	reasons[0] = 0;
	for (size_t i = 0; i < p->count; i++) {
		const struct plan_row *row = &p->rows[i];

		if (!row->wanted)
			continue;
		sbuf_printf(&b, "%s%s: %s: %s", b.len ? "; " : "", row->collector->name,
			    collector_status_name(row->probe.status), row->probe.reason);
		if (row->probe.no)
			no = row->probe.no;
	}
	return err_set(e, no, "nothing left to capture: %s", reasons);
}
