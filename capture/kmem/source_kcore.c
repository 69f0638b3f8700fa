/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmem.h"
#include <errno.h>
int kmem_open_kcore(struct kmem_source **ret, const struct sysroot *root,
		    const struct kmem_layout *l, struct err *e)
{
	return err_set(e, ENOENT, "/proc/kcore: No such file or directory");
}
int kmem_open_core(struct kmem_source **ret, const char *file, const struct sysroot *root,
		   const struct kmem_layout *l, struct err *e)
{
	return err_set(e, ENOENT, "core");
}
