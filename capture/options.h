/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of ossnap-capture, parsed.  Names and defaults: the contract. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum capture_command { COMMAND_CAPTURE, COMMAND_LIST, COMMAND_CHECK, COMMAND_VERIFY };
enum capture_progress { PROGRESS_AUTO, PROGRESS_PLAIN, PROGRESS_JSON, PROGRESS_NONE };
enum capture_redact { REDACT_NONE, REDACT_DEFAULT, REDACT_STRICT };
enum memory_source {
	MEMORY_AUTO,
	MEMORY_KCORE,
	MEMORY_BPF,
	MEMORY_CORE,
	MEMORY_KPAGEFLAGS,
	MEMORY_PROCFS,
};

#define HEAP_PIDS_MAX 8 /* of --heap */

struct capture_options {
	enum capture_command command;
	const char *verify_file;
	uint64_t duration_ns;
	const char *output;	    /* NULL: current directory */
	const char *collect, *skip; /* comma-separated, NULL: all that apply */
	enum memory_source memory_source;
	const char *core_file; /* with MEMORY_CORE */
	const char *root;      /* --root DIR, NULL: the live machine */
	const char *btf_file;
	const char *record_kernel; /* FILE to record kernel memory in; NULL: no */
	uint32_t sample_one_in;	   /* 0: auto, 1: all */
	pid_t pid;		   /* 0: whole machine */
	const char *cgroup;	   /* NULL: whole machine */
	pid_t heap[HEAP_PIDS_MAX]; /* --heap */
	size_t heap_count;
	uint64_t max_size, max_memory, min_free;
	double max_cpu; /* % of one CPU */
	enum capture_redact redact;
	const char *ticket, *label;
	const char *guard; /* fastoom's configuration, "" for its defaults; NULL: no guard */
	bool plan, estimate_only, quiet;
	unsigned verbose;
	enum capture_progress progress;
};

/*
 * Returns 0 to go on, 1 when --help or --version has been printed (exit 0), -EINVAL with e set
 * for a usage error (exit 2), -ENOTSUP for what is refused before starting (exit 5).
 */
int capture_options_parse(struct capture_options *ret, int argc, char **argv, struct err *e);
