/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The run: plan → preflight → start all → wait → stop → finalise.  One clock, one deadline.
 * Returns the exit code of the contract.
 */
#pragma once

#include "base/sysroot.h"
#include "options.h"

int window_run(const struct capture_options *o, const struct sysroot *root);
