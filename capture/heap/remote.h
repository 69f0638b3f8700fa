/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another process's memory, read with process_vm_readv: it is not stopped and nothing is written
 * into it.  It goes on running, so whatever was read may be older or newer than what was read
 * before: readers check every pointer they follow and bound every loop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define REMOTE_PAGE 4096u

struct remote {
	pid_t pid;
	int pagemap_fd;	     /* /proc/PID/pagemap; -1: all pages count as present */
	uint64_t read_bytes; /* so far */
	uint64_t faults;     /* reads that failed or were short */
};

/* dir: /proc/PID, opened.  0 or a negative errno: EPERM means we may not look into it. */
int remote_open(struct remote *ret, pid_t pid, int dir);
void remote_close(struct remote *r);

/* How many bytes were read, 0 when none could be. */
size_t remote_read(struct remote *r, uint64_t address, void *buf, size_t len);
/* All or nothing. */
bool remote_get(struct remote *r, uint64_t address, void *buf, size_t len);

/* The first 16 bytes of each of up to 256 pages into out, zeros for those that are not resident. */
void remote_read_heads(struct remote *r, uint64_t address, size_t pages, uint64_t (*out)[2]);

/*
 * The resident pages of [address, address + len), both page-aligned, into buf; the others are
 * zeros there.  Pages that are swapped out or were never touched are not read: that would bring
 * them in.  present (one byte per page, may be NULL) says which were read.  Returns how many.
 */
size_t remote_read_resident(struct remote *r, uint64_t address, void *buf, size_t len,
			    uint8_t *present);
