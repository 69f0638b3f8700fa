/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page pools: the pages that network devices receive into, those in flight as well, which wait in
 * sockets.  Told since 6.8, of the devices of one network namespace.
 * Source: Documentation/netlink/specs/netdev.yaml, net/core/page_pool_user.c
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "netlink.h"
#include "object_walk.h"

/* include/uapi/linux/netdev.h, which our own headers are too old to have. */
enum {
	CMD_PAGE_POOL_GET = 5,
};
enum {
	POOL_ID = 1,
	POOL_IFINDEX = 2,
	POOL_INFLIGHT_MEM = 5,
	POOL_DETACH_TIME = 6,
	POOL_DMABUF = 7,
	POOL_IO_URING = 8,
};

void object_page_pool_message(struct object_table *t, const unsigned char *payload, size_t len)
{
	uint64_t id = OBJECT_NONE, ifindex = OBJECT_NONE, detached = OBJECT_NONE;
	struct object o = {.kind = OBJECT_PAGE_POOL,
			   .memory = MEMORY_PAGES,
			   .bytes = OBJECT_NONE,
			   .capacity = OBJECT_NONE,
			   .waiting = OBJECT_NONE,
			   .count = 1};
	struct netlink_attr a;
	bool foreign = false;

	if (len < GENL_HDRLEN)
		return;
	payload += GENL_HDRLEN;
	len -= GENL_HDRLEN;
	while (netlink_next(&payload, &len, &a)) {
		if (a.type == POOL_ID)
			id = netlink_number(&a);
		else if (a.type == POOL_IFINDEX)
			ifindex = netlink_number(&a);
		else if (a.type == POOL_INFLIGHT_MEM)
			o.bytes = netlink_number(&a);
		else if (a.type == POOL_DETACH_TIME)
			detached = netlink_number(&a);
		else if (a.type == POOL_DMABUF || a.type == POOL_IO_URING)
			foreign = true; /* memory of a device, or of a process */
	}
	if (id == OBJECT_NONE || o.bytes == OBJECT_NONE || foreign)
		return;
	o.id = id + 1;
	o.page_bytes = o.bytes;
	if (ifindex > UINT32_MAX || !if_indextoname((unsigned)ifindex, o.name))
		snprintf(o.name, sizeof(o.name), "page pool");
	if (detached != OBJECT_NONE)
		snprintf(o.detail, sizeof(o.detail),
			 "its queue is gone, its pages have not come back");
	if (object_seen(t, OBJECT_PAGE_POOL, o.id))
		return;
	if (o.bytes < OBJECT_LEAST)
		object_add_small(t, &o);
	else
		object_add(t, &o);
}

struct asked {
	struct object_table *t;
	uint16_t family;
};

static int pool_message(void *ctx, uint16_t type, const unsigned char *payload, size_t len)
{
	const struct asked *q = ctx;

	if (type == q->family)
		object_page_pool_message(q->t, payload, len);
	return 0;
}

void object_page_pools(struct object_walk *w)
{
	const struct genlmsghdr body = {.cmd = CMD_PAGE_POOL_GET, .version = 1};
	_cleanup_(netlink_close) struct netlink n = netlink_open(NETLINK_GENERIC);
	int r = netlink_family(&n, "netdev", w->until_ns);

	if (r >= 0) {
		struct asked q = {w->t, (uint16_t)r};

		r = netlink_dump(&n, q.family, &body, sizeof(body), w->until_ns, pool_message, &q);
	}
	if (r == -EINTR) /* their rows are there */
		r = 0;
	if (r < 0)
		w->t->untold |= 1u << OBJECT_PAGE_POOL;
	/* A kernel before 6.8 does not tell, nor does one without page pools. */
	if (r < 0 && r != -ENOENT && r != -EOPNOTSUPP)
		emit_note(w->c->out, "page pools: %s", strerror(-r));
}
