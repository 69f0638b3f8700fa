/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fastoom: kills the right process before the machine hangs, and records why. */
#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../base/clock.h"
#include "check.h"
#include "guard.h"
#include "options.h"

enum { EXIT_OK = 0, EXIT_USAGE = 2, EXIT_CANNOT = 4 };

/* All the memory it will ever have. */
static struct guard guard;

static int complain(const struct err *e, int code)
{
	fprintf(stderr, "fastoom: %s\n", e->text);
	return code;
}

static void warn(void *ctx, const char *text)
{
	fprintf(stderr, "fastoom: %s\n", text);
	++*(unsigned *)ctx;
}

static int load(struct guard *g, const struct options *o, struct err *e)
{
	int n = 0;

	if (o->config_path)
		n = options_read(o, g->scratch, sizeof(g->scratch), e);
	return n < 0 ? n
		     : options_config(o, o->config_path ? g->scratch : NULL, (size_t)n,
				      &g->configs[0], e);
}

static int open_machine(struct guard *g, struct err *e)
{
	int r = sysroot_open(&g->root, "/", e);
	struct err no_cgroups = {0};

	if (r < 0)
		return r;
	r = machine_open(&g->machine, &g->root, e);
	if (r < 0)
		return r;
	if (hierarchy_open(&g->hierarchy, &g->root, &no_cgroups) < 0)
		g->hierarchy.fd = -1;
	readers_init(&g->readers, g->root.proc_fd, g->hierarchy.fd >= 0 && g->hierarchy.v2);
	r = chooser_init(&g->chooser, &g->root, &g->readers, getpid());
	if (r < 0)
		return err_errno(e, r, "/proc");
	return machine_read(&g->machine, clock_ns(CLOCK_MONOTONIC), false, g->scratch,
			    sizeof(g->scratch));
}

static void tell_missing(const struct capabilities *c)
{
	const struct {
		bool can;
		const char *what;
	} all[] = {
		{c->locked, "mlockall: not permitted; the guard itself may be paged out"},
		{c->adj, "oom_score_adj -999: not permitted; the kernel may kill the guard"},
		{c->realtime, "SCHED_RR: not permitted; the guard may run late"},
		{c->pidfd, "pidfd: not in this kernel; pids are checked by their start time"},
		{c->mrelease,
		 "process_mrelease: not in this kernel; memory comes free as victims exit"},
		{c->signal_others, "signals to other users' processes: not permitted"},
		{c->see_others, "/proc/1/statm: cannot be read; processes of others are not seen"},
		{c->pressure, "/proc/pressure/memory: no trigger; polling only"},
	};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!all[i].can)
			fprintf(stderr, "fastoom: %s\n", all[i].what);
	}
}

int main(int argc, char **argv)
{
	struct guard *g = &guard;
	struct options o;
	struct err e = {0};
	unsigned missing = 0;

	/* executed from a memory file it would be called by a number */
	prctl(PR_SET_NAME, "fastoom");
	if (options_parse(argc, argv, &o, &e) < 0)
		return complain(&e, EXIT_USAGE);
	if (o.help) {
		options_help();
		return EXIT_OK;
	}
	if (o.version) {
		puts("fastoom " OSSNAP_VERSION);
		return EXIT_OK;
	}
	g->options = &o;
	if (o.check && o.config_path) {
		printf("%s:\n", o.config_path);
		o.each_line = check_line;
	}
	if (load(g, &o, &e) < 0)
		return complain(&e, EXIT_USAGE);
	if (open_machine(g, &e) < 0)
		return complain(&e, EXIT_CANNOT);
	if (o.check)
		return check_run(g) < 0 ? EXIT_CANNOT : EXIT_OK;
	if (guard_watch(g, warn, &missing) == 0)
		return EXIT_CANNOT;
	if (guard_start(g, &e) < 0)
		return complain(&e, EXIT_CANNOT);
	tell_missing(&g->can);
	if (o.duration_ns)
		g->end_ns = clock_ns(CLOCK_MONOTONIC) + o.duration_ns;
	guard_run(g);
	return EXIT_OK;
}
