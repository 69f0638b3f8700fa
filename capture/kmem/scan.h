/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page-cache scan: page → mapping → inode → path within its file system, and page → cgroup.
 * It works on any kmem_source and writes into tables of bounded size; collectors/page_cache.c
 * turns them into the members FORMAT.md describes.  Sampling takes one random page of each
 * stratum of one_in consecutive frames, and visits the strata in random order in batches, so that
 * a scan stopped by its time or CPU budget is still an unbiased sample.
 */
#pragma once
