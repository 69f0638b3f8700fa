/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What /proc says of a process when its first sample comes: its executable mappings, parent, name
 * and group.  A helper reads: /proc/PID/maps waits for the process' lock.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "helper.h"

#define PROCREAD_TEXT (1u << 20) /* of lines of executable mappings, at most */

struct procread_answer {
	int32_t pid; /* the question */
	int32_t no;  /* errno of what could not be read, or 0 */
	int32_t ppid;
	char comm[16];
	char cgroup[1024]; /* of the memory hierarchy */
	uint32_t cut;	   /* there were more mappings than fit */
	uint32_t len;
	char text[PROCREAD_TEXT]; /* the lines, each with its newline */
};

int procread_create(struct helper **ret, const struct sysroot *root);
/* *ret is valid until the next call.  0, or a negative errno: -ETIMEDOUT when it did not answer,
 * -ESRCH when there is no such process. */
int procread_ask(struct helper *h, pid_t pid, struct procread_answer **ret);
