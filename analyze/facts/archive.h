/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what verification found to the rows and the words that say so. */
#pragma once

#include "../../capture/base/sbuf.h"
#include "../../capture/bundle/verify.h"
#include "parse.h"

int archive_emit_collectors(const struct fact_sink *sink, const struct capture_manifest *m);
/* damage: NULL when there is none. */
int archive_emit(const struct fact_sink *sink, const struct bundle_verdict *v, const char *sha256,
		 const char *damage, bool salvaged, uint64_t malformed);

/* The damage in words; false and nothing when there is none (the archive may still be partial). */
bool archive_describe(const struct bundle_verdict *v, bool salvage, struct sbuf *out);
/* Why the manifest calls the archive partial. */
void archive_describe_partial(const struct capture_manifest *m, struct sbuf *out);
