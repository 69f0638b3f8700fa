/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recording: a source that passes everything on to another one and keeps what was read, as an ELF
 * core that kmem_open_core() replays.  Only what the walk touched is in it, so that a failure in
 * the field becomes a small file and a unit test.
 */
#pragma once

#include "kmem.h"

/* The note that says where struct page's map is and which frames are RAM. */
#define RECORD_NOTE_NAME "ossnap"
#define RECORD_NOTE_TYPE 1u
struct record_note {
	uint64_t version; /* 2 */
	uint64_t vmemmap_base, page_struct_size, page_size, range_count;
	uint64_t one_in, seed; /* of the scan that was recorded; 0: not known */
			       /* followed by range_count × {start_pfn, end_pfn} */
};

/*
 * inner is borrowed and must outlive *ret.  fd: a new file, not taken over; at most max bytes are
 * written.  Ranges may be narrowed in *ret before the scan.
 */
int kmem_record_open(struct kmem_source **ret, struct kmem_source *inner, int fd, uint64_t max,
		     struct err *e);
/* Write the headers; the file is a core only after this.  -EFBIG: max was reached, the recording
 * lacks something. */
int kmem_record_finish(struct kmem_source *s, struct err *e);
