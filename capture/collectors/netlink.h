/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking the kernel for a list by netlink, and taking its answers apart.  The parsing half takes
 * bytes, so that it can be tested with answers of machines that are not here; whatever lengths they
 * claim, nothing outside the given bytes is read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netlink {
	int fd;	      /* a socket of one protocol, or a negative errno */
	uint32_t seq; /* of the latest question; what answers another one is skipped */
	bool changed; /* what was asked for changed while it was listed */
};

/* Its answers come within a second each. */
struct netlink netlink_open(int protocol);
void netlink_close(struct netlink *n); /* for _cleanup_() */

/* One message of the answer, without its header.  A negative return ends the list. */
typedef int (*netlink_fn)(void *ctx, uint16_t type, const unsigned char *payload, size_t len);

/*
 * NLM_F_DUMP of that type with body behind the header; fn for each message until NLMSG_DONE, or
 * until until_ns (CLOCK_MONOTONIC).  0, fn's error, or the kernel's: -EOPNOTSUPP, -ENOENT.
 * -EINTR: all was told, but it changed meanwhile, and something may be missing or twice.  After
 * another error the list may go on in the kernel, which then answers no other question (-EBUSY).
 */
int netlink_dump(struct netlink *n, uint16_t type, const void *body, size_t len, uint64_t until_ns,
		 netlink_fn fn, void *ctx);

/* The messages of one datagram: as netlink_dump() takes them.  1: more is to come. */
int netlink_messages(struct netlink *n, const unsigned char *data, size_t len, netlink_fn fn,
		     void *ctx);

struct netlink_attr {
	uint16_t type; /* without the flags */
	const unsigned char *data;
	size_t len;
};
/* The next attribute of *data, *len bytes, which are moved on.  False: no (whole) one is left. */
bool netlink_next(const unsigned char **data, size_t *len, struct netlink_attr *ret);
/* Of 1, 2, 4 or 8 bytes; UINT64_MAX otherwise. */
uint64_t netlink_number(const struct netlink_attr *a);
/* Into ret, NUL-terminated, cut to fit. */
void netlink_text(const struct netlink_attr *a, char *ret, size_t cap);
/* Append an attribute to a body being built, padded.  False: no room. */
bool netlink_put(unsigned char *body, size_t cap, size_t *len, uint16_t type, const void *data,
		 size_t size);

/* The number of a generic netlink family, or a negative errno. */
int netlink_family(struct netlink *n, const char *name, uint64_t until_ns);
