/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The unprivileged half.  worker_run() forks a child that keeps two descriptors (the archive, the
 * pipe), locks itself in (sandbox.h), verifies the archive, parses its members and streams facts
 * back.  The parent never sees a byte of the archive that did not come through wire_receive().
 */
#pragma once

#include <sys/types.h>

#include "facts/facts.h"
#include "options.h"

/*
 * path must be a regular file.  Returns the exit code of the contract for this archive: 0, 3
 * (damaged or partial; facts are there), 4 (not an archive or refused), 5 (killed by the sandbox);
 * e explains 4 and 5 and, for 3, the damage.
 */
int worker_run(const char *path, const struct analyze_options *o, struct facts *ret, struct err *e);

/* The parent's half of it, for tests: read what the child pid says on fd, judge it, reap it. */
int worker_answer(int fd, pid_t pid, const char *path, struct facts *ret, struct err *e);
