/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What /proc says of a process when its first sample comes: its executable mappings, parent, name
 * and group.  Reading /proc/PID/maps waits for a lock that a stuck process may hold for ever, so a
 * helper process reads; one that does not answer is killed and replaced.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/sysroot.h"

#define PROCREAD_TEXT (1u << 20) /* of lines of executable mappings, at most */

struct procread;

struct procread_answer {
	int32_t no; /* errno of what could not be read, or 0 */
	int32_t ppid;
	char comm[16];
	char cgroup[1024]; /* of the memory hierarchy */
	uint32_t cut;	   /* there were more mappings than fit */
	uint32_t len;
	char text[PROCREAD_TEXT]; /* the lines, each with its newline */
};

int procread_create(struct procread **ret, const struct sysroot *root);
void procread_destroy(struct procread *p);
/* Blocks for a quarter of a second at most.  *ret is valid until the next call.  0, or a negative
 * errno: -ETIMEDOUT when it did not answer, -ESRCH when there is no such process. */
int procread_ask(struct procread *p, pid_t pid, struct procread_answer **ret);
/* A helper that could not be killed; 0: none. */
pid_t procread_left_behind(const struct procread *p);
