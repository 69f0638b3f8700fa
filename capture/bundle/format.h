/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and names of the archive format.  FORMAT.md beside this file describes it. */
#pragma once

#define BUNDLE_FORMAT "ossnap-archive"
#define BUNDLE_MAJOR 1
#define BUNDLE_MINOR 0
#define BUNDLE_VERSION "1.0"

#define BUNDLE_HEAD "capture.json"
#define BUNDLE_MANIFEST "manifest.json"

#define BUNDLE_MAX_MEMBERS 4096
#define BUNDLE_PART_SIZE (4u << 20) /* a member's data at most, when written by us */
#define BUNDLE_MAX_NAME 255	    /* top directory included, when read */
#define BUNDLE_WINDOW_LOG 20	    /* zstd window written: 1 MiB; readers accept 8 MiB */
#define BUNDLE_LEVEL 3
