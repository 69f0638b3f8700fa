/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where bytes made by others are read. */
#pragma once

/*
 * Give up everything but reading descriptors that are open, asking over sockets that are open, and
 * memory.  Any other system call ends the process.  On a kernel that refuses the filter or the user
 * nobody the other half holds alone.
 */
void jail_enter(void);
