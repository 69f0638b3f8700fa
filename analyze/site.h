/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which function of a stack that allocates is the program's own. */
#pragma once

#include "hotspot.h"

struct site {
	uint32_t name;	 /* of h->names; UINT32_MAX: the stack has none */
	uint32_t caller; /* who called it; UINT32_MAX: not known */
};

/*
 * The innermost frame that is neither of an allocator (by its file, or by its name: xmalloc), nor
 * of the C or C++ library, nor the kernel's; of a Python program its innermost function.  When all
 * of the program's own allocate by their name, the innermost of those.
 */
struct site site_of_stack(const struct hotspot *h, const struct hot_stack *k);
