/* SPDX-License-Identifier: GPL-2.0-or-later */
/* C++ and Rust names as their authors wrote them. */
#pragma once

#include "parse.h"

#define DEMANGLE_INPUT_MAX 2048u

/*
 * name without its encoding (parameters of C++ and hashes of Rust are left out), in p's arena until
 * the next call; NULL when it has none, or is longer than DEMANGLE_INPUT_MAX, or would become
 * longer than FACT_SYMBOL_MAX: a few bytes can stand for gigabytes.
 */
const char *demangle(struct parse *p, const char *name);
