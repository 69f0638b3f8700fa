/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --check: the configuration in words, and what it would mean on this machine now. */
#pragma once

#include "guard.h"

/* 0, or -errno when a scope cannot be watched. */
int check_run(struct guard *g);
