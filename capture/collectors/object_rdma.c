/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory registered with RDMA devices, and by whom.  A region of user space is memory of that
 * process, which is counted there; registered it is pinned: not swapped, not moved, not reclaimed.
 * Source: include/uapi/rdma/rdma_netlink.h, drivers/infiniband/core/nldev.c
 */
#include <errno.h>
#include <linux/netlink.h>
#include <rdma/rdma_netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "netlink.h"
#include "object_walk.h"

#define MAX_DEVICES 64u
#define DEVICE_NAME 32

struct devices {
	struct {
		uint32_t index;
		char name[DEVICE_NAME];
	} rows[MAX_DEVICES];
	unsigned count, beyond;
};

static int device_message(void *ctx, uint16_t type, const unsigned char *payload, size_t len)
{
	struct devices *d = ctx;
	struct netlink_attr a;
	uint64_t index = OBJECT_NONE;
	char name[DEVICE_NAME] = "";

	(void)type;
	while (netlink_next(&payload, &len, &a)) {
		if (a.type == RDMA_NLDEV_ATTR_DEV_INDEX)
			index = netlink_number(&a);
		else if (a.type == RDMA_NLDEV_ATTR_DEV_NAME)
			netlink_text(&a, name, sizeof(name));
	}
	if (index > UINT32_MAX)
		return 0;
	if (d->count == MAX_DEVICES) {
		d->beyond++;
		return 0;
	}
	d->rows[d->count].index = (uint32_t)index;
	snprintf(d->rows[d->count++].name, DEVICE_NAME, "%s", name);
	return 0;
}

static void region(struct object_table *t, uint32_t device, const char *device_name,
		   const struct netlink_attr *entry)
{
	const unsigned char *data = entry->data;
	size_t len = entry->len;
	uint64_t bytes = OBJECT_NONE, pid = OBJECT_NONE, number = OBJECT_NONE;
	char kernel[32] = "";
	struct netlink_attr a;
	struct object o = {.kind = OBJECT_RDMA,
			   .memory = MEMORY_PROCESS,
			   .capacity = OBJECT_NONE,
			   .waiting = OBJECT_NONE,
			   .count = 1};

	while (netlink_next(&data, &len, &a)) {
		if (a.type == RDMA_NLDEV_ATTR_RES_MRLEN)
			bytes = netlink_number(&a);
		else if (a.type == RDMA_NLDEV_ATTR_RES_PID)
			pid = netlink_number(&a);
		else if (a.type == RDMA_NLDEV_ATTR_RES_MRN)
			number = netlink_number(&a);
		else if (a.type == RDMA_NLDEV_ATTR_RES_KERN_NAME)
			netlink_text(&a, kernel, sizeof(kernel));
	}
	/* A kernel's user registers what is counted elsewhere, or all of memory. */
	if (bytes == OBJECT_NONE || *kernel || pid > UINT32_MAX)
		return;
	o.id = ((uint64_t)device << 32 | (number & UINT32_MAX)) + 1;
	o.bytes = bytes;
	if (object_seen(t, OBJECT_RDMA, o.id))
		return;
	snprintf(o.name, sizeof(o.name), "memory registered with %s", device_name);
	if (o.bytes < OBJECT_LEAST) {
		object_add_small(t, &o);
		return;
	}
	object_add(t, &o);
	object_hold(t, OBJECT_RDMA, o.id, (uint32_t)pid);
}

int object_rdma_regions(struct object_table *t, uint32_t device, const char *device_name,
			const unsigned char *payload, size_t len)
{
	struct netlink_attr a, entry;

	while (netlink_next(&payload, &len, &a)) {
		if (a.type != RDMA_NLDEV_ATTR_RES_MR)
			continue;
		while (netlink_next(&a.data, &a.len, &entry))
			if (entry.type == RDMA_NLDEV_ATTR_RES_MR_ENTRY)
				region(t, device, device_name, &entry);
	}
	return 0;
}

struct asked {
	struct object_table *t;
	uint32_t device;
	const char *name;
};

static int region_message(void *ctx, uint16_t type, const unsigned char *payload, size_t len)
{
	const struct asked *q = ctx;

	(void)type;
	return object_rdma_regions(q->t, q->device, q->name, payload, len);
}

static uint16_t command(unsigned op)
{
	return (uint16_t)RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, op);
}

void object_rdma(struct object_walk *w)
{
	_cleanup_(netlink_close) struct netlink n = {.fd = -1};
	struct devices d = {0};
	struct stat st;
	int r;

	/* Asking for it where there are no devices could load the module that answers. */
	if (w->c->root->sys_fd < 0 || fstatat(w->c->root->sys_fd, "class/infiniband", &st, 0) < 0)
		return;
	n = netlink_open(NETLINK_RDMA);
	r = netlink_dump(&n, command(RDMA_NLDEV_CMD_GET), "", 0, w->until_ns, device_message, &d);
	/* -EINTR: what was told stands, though it changed meanwhile. */
	for (unsigned i = 0; i < d.count && (r >= 0 || r == -EINTR); i++) {
		struct asked q = {w->t, d.rows[i].index, d.rows[i].name};
		unsigned char body[16];
		size_t len = 0;

		netlink_put(body, sizeof(body), &len, RDMA_NLDEV_ATTR_DEV_INDEX, &q.device,
			    sizeof(q.device));
		r = netlink_dump(&n, command(RDMA_NLDEV_CMD_RES_MR_GET), body, len, w->until_ns,
				 region_message, &q);
	}
	if (r < 0 && r != -EINTR) {
		w->t->untold |= 1u << OBJECT_RDMA;
		emit_note(w->c->out, "memory registered with RDMA devices: %s", strerror(-r));
	}
	emit_loss(w->c->out, "RDMA devices beyond the bound", d.beyond);
}
