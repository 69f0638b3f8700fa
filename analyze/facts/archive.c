/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The archive itself and what its collectors said.  The worker fills these rows from the head,
 * the manifest and the verification; there is no member to parse. */
#include "parse.h"

static const struct fact_field fields_fact_archive[] = {
	FACT_STR(fact_archive, name, 256),
	FACT_STR(fact_archive, tool, 64),
	FACT_STR(fact_archive, format_version, 16),
	FACT_STR(fact_archive, label, 64),
	FACT_STR(fact_archive, ticket, 64),
	FACT_STR(fact_archive, arguments, 1024),
	FACT_STR(fact_archive, sha256, 64),
	FACT_STR(fact_archive, damage, 512),
	FACT_U64(fact_archive, complete),
	FACT_U64(fact_archive, damaged_members),
	FACT_U64(fact_archive, refused_members),
	FACT_U64(fact_archive, missing_members),
	FACT_U64(fact_archive, cut),
	FACT_U64(fact_archive, has_manifest),
	FACT_U64(fact_archive, salvaged),
	FACT_F64(fact_archive, captured_at),
	FACT_F64(fact_archive, window_s),
	FACT_F64(fact_archive, planned_s),
	FACT_F64(fact_archive, observer_cpu_s),
	FACT_F64(fact_archive, observer_wall_s),
	FACT_U64(fact_archive, observer_max_rss_bytes),
	FACT_U64(fact_archive, bytes_written),
	FACT_STR(fact_archive, interrupted, 16),
	FACT_STR(fact_archive, hostname, 256),
	FACT_STR(fact_archive, kernel, 256),
	FACT_STR(fact_archive, os, 256),
	FACT_STR(fact_archive, arch, 32),
	FACT_STR(fact_archive, lockdown, 24),
	FACT_STR(fact_archive, capabilities, 24),
	FACT_STR(fact_archive, redaction, 16),
	FACT_U64(fact_archive, cpus),
	FACT_U64(fact_archive, page_size),
	FACT_U64(fact_archive, euid),
	FACT_U64(fact_archive, in_container),
};
FACT_TYPE(fact_archive, "archive", 1, 1);

static const struct fact_field fields_fact_collector[] = {
	FACT_STR(fact_collector, name, 32),	 FACT_STR(fact_collector, status, 16),
	FACT_STR(fact_collector, reason, 512),	 FACT_STR(fact_collector, notes, 2304),
	FACT_F64(fact_collector, cpu_s),	 FACT_F64(fact_collector, start_s),
	FACT_F64(fact_collector, end_s),	 FACT_U64(fact_collector, dropped),
	FACT_U64(fact_collector, max_rss_bytes), FACT_U64(fact_collector, abandoned_pid),
};
FACT_TYPE(fact_collector, "collectors", 2, 64);
