/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unwind tables are made where files of others are read: in a child without privilege and behind a
 * system-call filter, which asks a second one to open the files.  The rows go straight into memory
 * that the BPF programs read; a file that makes the child hang or die costs its own table only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../bpf/stacks.h"
#include "../base/sysroot.h"

#define MAKER_LOADS 8

struct maker_question {
	uint32_t file; /* the asker's */
	uint32_t pid;
	uint64_t start, end, ino; /* of one of its mappings */
	uint32_t major, minor;
	const char *path; /* "[vdso]": the kernel's */
};

struct maker_load { /* executable ones */
	uint64_t offset, vaddr, filesz;
};

struct maker_answer {
	uint32_t file;
	int32_t no; /* why there are no rows: -ENODATA: it has none to give; 0: there are */
	uint32_t first, last;
	uint32_t load_count;
	struct maker_load loads[MAKER_LOADS];
};

struct maker {
	const struct sysroot *root;
	struct stacks_row *rows; /* shared with the children */
	uint32_t max_rows, used_rows;
	pid_t opener, reader; /* 0: not running */
	int fd;		      /* to the reader; -1: none */
	unsigned died;
	bool busy; /* a question is out */
	uint32_t asked_file;
	uint64_t asked_ns;
	uint64_t stuck, dead; /* for the record */
};

void maker_init(struct maker *m, const struct sysroot *root, struct stacks_row *rows,
		uint32_t max_rows);
void maker_deinit(struct maker *m);
/* One question at a time.  0, -EBUSY, or -EPIPE when it is given up. */
int maker_ask(struct maker *m, const struct maker_question *q, uint64_t now);
/* True with an answer; a child that hangs or died is replaced and answers -ETIMEDOUT or -ECHILD. */
bool maker_answered(struct maker *m, uint64_t now, struct maker_answer *ret);
