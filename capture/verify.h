/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command `verify FILE`: says in words what bundle/verify.h found. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "bundle/verify.h"

/* One line per problem and a last one with the verdict; with quiet, nothing about a whole archive.
 * Returns the number of problems. */
unsigned verify_print(FILE *out, const char *file, const struct bundle_verdict *v, bool quiet);

/* Returns the exit code: 0 whole, 3 damaged or partial, 4 not an archive. */
int verify_run(const char *file, bool quiet);
