/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ossnap-capture: what the customer runs.  The whole program on one page. */
#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/sysroot.h"
#include "options.h"
#include "verify.h"
#include "window.h"

/* The exit codes of the contract. */
enum {
	EXIT_COMPLETE = 0,
	EXIT_USAGE = 2,
	EXIT_NO_ARCHIVE = 4,
	EXIT_REFUSED = 5,
};

static int complain(const struct err *e, int status)
{
	fprintf(stderr, "ossnap-capture: %s\n", e->text);
	return status;
}

int main(int argc, char **argv)
{
	_cleanup_(sysroot_close) struct sysroot root = {.root_fd = -1, .proc_fd = -1, .sys_fd = -1};
	struct capture_options o;
	struct err e = {0};
	int r;

	window_open_stdio();
	r = capture_options_parse(&o, argc, argv, &e);
	if (r > 0)
		return fflush(stdout) == 0 ? EXIT_COMPLETE : EXIT_NO_ARCHIVE;
	if (r < 0)
		return complain(&e, r == -ENOTSUP ? EXIT_REFUSED : EXIT_USAGE);
	if (o.command == COMMAND_LIST)
		return window_list(stdout);
	if (o.command == COMMAND_VERIFY)
		return verify_run(o.verify_file, o.quiet);
	if (sysroot_open(&root, o.root, &e) < 0)
		return complain(&e, EXIT_REFUSED);
	if (o.command == COMMAND_CHECK)
		return window_check(&o, &root);
	return window_run(&o, &root);
}
