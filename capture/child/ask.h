/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Short questions that may touch something that never answers (a probe, /etc on a dead disk):
 * each is answered by a process of its own, all at once, within one time limit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/sysroot.h"

#define ASK_MAX 64

struct question {
	/* Runs in the child.  root: the child's copy of the machine's root. */
	void (*answer)(const void *ctx, const struct sysroot *root, void *ret);
	const void *ctx;
	void *ret;   /* size bytes, changed only when answered */
	size_t size; /* at most 64 KiB */
	bool answered;
	char problem[96];  /* why not: "no answer within 2 s (pid 77 left behind)", "SIGSEGV" */
	pid_t left_behind; /* it did not even die; 0: none */
};

/*
 * Ask n questions.  cancel_fd: readable when we are to hurry; -1: none.  Returns the number
 * answered.
 */
size_t ask_all(struct question *q, size_t n, const struct sysroot *root, uint64_t limit_ns,
	       int cancel_fd);
