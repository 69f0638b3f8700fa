/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first SIGINT, SIGTERM or SIGHUP asks to finish, the second one leaves at once: even while we
 * are stuck in a write, which is why this is a handler and not a signalfd.
 */
#pragma once

/* Install; SIGPIPE is ignored.  Returns a descriptor that is readable once a signal has come, or a
 * negative errno.  A SIGHUP that is ignored (nohup) stays ignored. */
int signals_install(void);
/* The first signal that came, 0: none. */
int signals_first(void);
