/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the members of the kernel's structures are, by BTF and by nothing else.  layout.c is the
 * one place that names each rename between kernels.  A member this kernel does not have is
 * KMEM_ABSENT; what cannot be done without it is then not done, and said.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../base/err.h"

struct btf;
#define KMEM_ABSENT UINT32_MAX
