/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls that an older C library does not wrap, and reads on descriptors kept open. */
#pragma once

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int sys_pidfd_open(pid_t pid);		 /* a descriptor, or -errno */
int sys_pidfd_signal(int pidfd, int no); /* 0 or -errno */
int sys_mrelease(int pidfd);		 /* 0 or -errno */
void sys_ioprio_default(void);		 /* the IO priority that goes with the CPU's */

/* Wait while *word == value, at most ns.  Returns when woken, changed, interrupted or late. */
void sys_wait(_Atomic uint32_t *word, uint32_t value, uint64_t ns);
void sys_wake(_Atomic uint32_t *word);

/* The whole file from its start, NUL-terminated; its length, or -errno.  What does not fit is cut.
 */
ssize_t read_open(int fd, char *buf, size_t cap);

/* Names in a directory that is open for reading, one call of fn each until it returns nonzero;
 * entries are only of type if type is not DT_UNKNOWN.  Uses buf, allocates nothing. */
int each_name(int dirfd, unsigned char type, char *buf, size_t cap,
	      int (*fn)(void *ctx, const char *name), void *ctx);

/* "PID/NAME" in out; returns out. */
char *pid_path(char out[40], pid_t pid, const char *name);
