/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `ossnap-capture verify FILE`: is the archive whole?  Also pass one of the analyzer. */
#pragma once

#include "manifest.h"
#include "reader.h"

struct bundle_verdict {
	struct bundle_outcome outcome;
	bool head_ok, manifest_ok;
	struct capture_head head;
	struct capture_manifest manifest;
	uint32_t mismatched; /* hash or size differs from the manifest */
	uint32_t missing;    /* in the manifest, not in the file */
	uint32_t unlisted;   /* in the file, not in the manifest */
	char first_problem[256];
	/* Per member seen, in order: name, and whether its hash stands in the manifest. */
	struct bundle_seen {
		char name[200];
		uint8_t sha256[32];
		uint64_t size;
		bool listed, matches;
		bool truncated; /* when it was captured, says the manifest */
	} * seen;		/* owned; bundle_verdict_deinit() */
	size_t seen_count;
};

/* 0: walked to the end, see verdict; -EINVAL, -E2BIG, -EPROTONOSUPPORT as in reader.h. */
int bundle_verify(int fd, const struct bundle_limits *limits, struct bundle_verdict *ret,
		  struct err *e);
void bundle_verdict_deinit(struct bundle_verdict *v);
/* Whole: manifest there, every hash right, nothing cut, damaged, refused, missing, unlisted or
 * trailing, the head first and of the same name as the top directory, and the capture complete.
 * first_problem says why not, or is empty for a whole archive of a partial capture. */
bool bundle_verdict_whole(const struct bundle_verdict *v);
