/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two JSON members, as structs.  Writing uses base/json.h, reading uses yajl.  Reading checks
 * every bound: counts, string lengths, ranges; what is out of range is refused, not clamped.  Keys
 * that are not known are skipped, known ones given twice are refused.  Absent or null doubles are
 * NAN (not measured), absent texts empty, an absent max_rss_bytes 0, which no process has.
 *
 * Writing makes every text fit the reader: bytes that are not UTF-8 become \xNN, and what is then
 * too long is cut.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/json.h"
#include "format.h"
#include "writer.h"

#define MANIFEST_MAX_COLLECTORS 64
#define MANIFEST_MAX_LOSS 8
#define MANIFEST_MAX_NOTES 8

/* The order is the order of the words in the contract. */
enum collector_status {
	COLLECTOR_OK,
	COLLECTOR_PARTIAL,
	COLLECTOR_TIMEOUT,
	COLLECTOR_DENIED,
	COLLECTOR_UNSUPPORTED,
	COLLECTOR_SKIPPED,
	COLLECTOR_ERROR,
	COLLECTOR_STATUS_COUNT,
};
const char *collector_status_name(enum collector_status s);
int collector_status_parse(const char *word, enum collector_status *ret);
/* denied, timeout, error and partial make an archive partial. */
bool collector_status_complete(enum collector_status s);

struct capture_head {
	char name[160], tool[64], label[64], ticket[64]; /* label, ticket: "" when none */
	char arguments[1024];				 /* joined by spaces, redacted */
	unsigned version_major, version_minor;
	struct clock_anchor clock;
	uint64_t window_start_monotonic_ns;
	double duration_s;
	char collectors[1024]; /* planned, comma-separated */
	char memory_source[32], sample[32];
	uint64_t max_size, max_memory, min_free;
	double max_cpu;
	uint32_t euid;
	char capabilities[24], lockdown[24];
	char hostname[256], kernel[256], os[256], arch[32], btf_id[48];
	uint32_t cpus, page_size;
	bool container; /* captured from inside a container */
	char redaction[16];
};

struct collector_loss {
	char cause[64];
	uint64_t count;
};

struct collector_result {
	char name[32];
	enum collector_status status;
	int no; /* errno, 0 when none */
	char reason[512];
	double start_ms, end_ms, cpu_s;
	uint64_t max_rss_bytes;
	uint64_t dropped; /* Σ loss */
	struct collector_loss loss[MANIFEST_MAX_LOSS];
	size_t loss_count;
	char notes[MANIFEST_MAX_NOTES][256];
	size_t note_count;
	int abandoned_pid; /* a child that could not be killed, 0: none */
};

struct redaction_count {
	char kind[32], where[64];
	uint64_t count;
};

struct capture_manifest {
	unsigned version_major, version_minor;
	bool complete;
	int exit_code;
	char interrupted[16]; /* signal name, "" when none */
	uint64_t finished_realtime_ns, finished_monotonic_ns, window_end_monotonic_ns;
	double observer_cpu_s, observer_wall_s;
	uint64_t observer_max_rss_bytes, bytes_written;
	struct collector_result collectors[MANIFEST_MAX_COLLECTORS];
	size_t collector_count;
	struct redaction_count redacted[32];
	size_t redacted_count;
};

void capture_head_write(struct json *j, const struct capture_head *h);
void capture_manifest_write(struct json *j, const struct capture_manifest *m,
			    const struct bundle_member *members, size_t member_count);

/* -EBADMSG: not such JSON, or out of bounds (e names the key); -EPROTONOSUPPORT: newer major. */
int capture_head_parse(const char *text, size_t len, struct capture_head *ret, struct err *e);
/* Each member goes to fn as it is read (may be NULL). */
int capture_manifest_parse(const char *text, size_t len, struct capture_manifest *ret,
			   int (*fn)(void *ctx, const struct bundle_member *m), void *ctx,
			   struct err *e);
