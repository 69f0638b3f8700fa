/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The archive's name: [LABEL-]HOST[-TICKET]-YYYYMMDDTHHMMSSZ-XXXXXXXX. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A ustar member's path has 155 bytes for the directory; the name is the first of them. */
#define NAME_MAX_LEN 152
#define NAME_PART_LEN 32 /* of the label, and of the ticket */

/*
 * label, ticket: NULL or "" for none.  random: eight bytes from the kernel.  Label and ticket are
 * cut to 32 bytes, host to 60; what is outside [A-Za-z0-9._-] becomes '_'.
 */
void name_make(char out[NAME_MAX_LEN + 1], const char *label, const char *host, const char *ticket,
	       uint64_t realtime_ns, const uint8_t random[8]);
