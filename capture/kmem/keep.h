/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --record-kernel FILE: what a scan reads of the kernel's memory, and what it takes to read it
 * again elsewhere: FILE (an ELF core, see record.h), FILE.btf, and FILE.root with the few files of
 * /proc and /sys that the scan of a recording looks at.
 */
#pragma once

#include "../options.h"
#include "kmem.h"
#include "scan.h"

struct keep;

/* None of the three may exist.  live is borrowed until keep_end(). */
int keep_start(struct keep **ret, struct kmem_source *live, const struct capture_options *o,
	       const struct sysroot *root, const struct scan_config *config, struct err *e);
/* The scan reads from this. */
struct kmem_source *keep_source(struct keep *k);
/* scanned: what the scan returned.  On failure, of the scan or of this, nothing is left behind. */
int keep_end(struct keep *k, int scanned, struct err *e);

/* The rate at which the recording stays well below max bytes; at least one_in. */
uint32_t keep_one_in(const struct kmem_source *s, uint64_t max, uint32_t one_in);
