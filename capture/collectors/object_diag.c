/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets as the kernel tells them by sock_diag(7), which needs neither its memory nor privilege:
 * the rings of packet sockets, and by the sockets' own counters what waits in them.  What of the
 * latter is whole pages and what is slab is not told.  A family whose answering module is not there
 * is left out: asking would load it.  Sources: include/uapi/linux/{sock,inet,unix,packet}_diag.h
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "netlink.h"
#include "object_walk.h"

#define ALL_STATES UINT32_MAX

static const struct family {
	int family, protocol;
	const char *name;
	const char *symbol; /* of the module that answers */
} families[] = {
	{AF_PACKET, 0, "packet", "packet_diag_handler_dump"},
	{AF_INET, IPPROTO_TCP, "tcp", "tcp_diag_dump"},
	{AF_INET6, IPPROTO_TCP, "tcp6", "tcp_diag_dump"},
	{AF_INET, IPPROTO_UDP, "udp", "udp_diag_dump"},
	{AF_INET6, IPPROTO_UDP, "udp6", "udp_diag_dump"},
	{AF_UNIX, 0, "unix", "unix_diag_handler_dump"},
};

static const struct family *family_of(int family, int protocol)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (families[i].family == family && families[i].protocol == protocol)
			return &families[i];
	return NULL;
}

/* ------------------------------------------------------------------ the answers */

/* struct sk_meminfo as numbers: fewer on older kernels. */
static void memory_of(const struct netlink_attr *a, struct object *o)
{
	uint32_t v[SK_MEMINFO_BACKLOG + 1] = {0};
	uint64_t received;

	memcpy(v, a->data, a->len < sizeof(v) ? a->len : sizeof(v));
	received = v[SK_MEMINFO_RMEM_ALLOC];
	/* What was sent and not taken yet: queued by TCP, allocated by the others. */
	o->bytes =
		received + v[SK_MEMINFO_BACKLOG] +
		(v[SK_MEMINFO_WMEM_QUEUED] ? v[SK_MEMINFO_WMEM_QUEUED] : v[SK_MEMINFO_WMEM_ALLOC]);
	o->waiting = received;
}

static uint64_t ring_of(const struct netlink_attr *a)
{
	struct packet_diag_ring ring;

	if (a->len < sizeof(ring))
		return 0;
	memcpy(&ring, a->data, sizeof(ring));
	return (uint64_t)ring.pdr_block_size * ring.pdr_block_nr;
}

static void put(struct object_table *t, const struct object *o)
{
	if (!o->id || object_seen(t, o->kind, o->id))
		return;
	if (o->bytes < OBJECT_LEAST)
		object_add_small(t, o);
	else
		object_add(t, o);
}

static void packet_message(struct object_table *t, const unsigned char *payload, size_t len,
			   struct object *o)
{
	struct packet_diag_msg m;
	struct netlink_attr a;
	uint64_t rings = 0;

	if (len < sizeof(m))
		return;
	memcpy(&m, payload, sizeof(m));
	payload += sizeof(m);
	len -= sizeof(m);
	while (netlink_next(&payload, &len, &a)) {
		if (a.type == PACKET_DIAG_RX_RING || a.type == PACKET_DIAG_TX_RING)
			rings += ring_of(&a);
		else if (a.type == PACKET_DIAG_MEMINFO)
			memory_of(&a, o);
	}
	o->id = m.pdiag_ino;
	if (rings) {
		o->kind = OBJECT_PACKET_RING;
		o->capacity = rings;
		o->bytes += rings;
		o->page_bytes = rings;
		o->waiting = OBJECT_NONE;
		snprintf(o->name, sizeof(o->name), "packet ring");
	}
	put(t, o);
}

static void inet_message(struct object_table *t, int family, const unsigned char *payload,
			 size_t len, struct object *o)
{
	struct inet_diag_msg m;
	struct netlink_attr a;
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];

	if (len < sizeof(m))
		return;
	memcpy(&m, payload, sizeof(m));
	payload += sizeof(m);
	len -= sizeof(m);
	while (netlink_next(&payload, &len, &a))
		if (a.type == INET_DIAG_SKMEMINFO)
			memory_of(&a, o);
	o->id = m.idiag_inode;
	if (family == AF_INET && inet_ntop(AF_INET, m.id.idiag_src, from, sizeof(from)) &&
	    inet_ntop(AF_INET, m.id.idiag_dst, to, sizeof(to)))
		snprintf(o->detail, sizeof(o->detail), "%s:%u %s:%u", from, ntohs(m.id.idiag_sport),
			 to, ntohs(m.id.idiag_dport));
	else
		snprintf(o->detail, sizeof(o->detail), "port %u, peer's port %u",
			 ntohs(m.id.idiag_sport), ntohs(m.id.idiag_dport));
	put(t, o);
}

static void unix_message(struct object_table *t, const unsigned char *payload, size_t len,
			 struct object *o)
{
	struct unix_diag_msg m;
	struct netlink_attr a;

	if (len < sizeof(m))
		return;
	memcpy(&m, payload, sizeof(m));
	payload += sizeof(m);
	len -= sizeof(m);
	/* A buffer belongs to who sent it until it is read: it counts once, there. */
	while (netlink_next(&payload, &len, &a))
		if (a.type == UNIX_DIAG_MEMINFO)
			memory_of(&a, o);
	o->waiting = OBJECT_NONE;
	o->id = m.udiag_ino;
	put(t, o);
}

int object_diag_message(struct object_table *t, int family, int protocol,
			const unsigned char *payload, size_t len)
{
	const struct family *f = family_of(family, protocol);
	struct object o = {.kind = OBJECT_SOCKET,
			   .memory = MEMORY_UNKNOWN,
			   .page_bytes = OBJECT_NONE,
			   .capacity = OBJECT_NONE,
			   .waiting = OBJECT_NONE,
			   .count = 1};

	if (!f)
		return -EINVAL;
	snprintf(o.name, sizeof(o.name), "%s", f->name);
	if (family == AF_PACKET) {
		o.memory = MEMORY_PAGES;
		packet_message(t, payload, len, &o);
	} else if (family == AF_UNIX) {
		unix_message(t, payload, len, &o);
	} else {
		inet_message(t, family, payload, len, &o);
	}
	return 0;
}

/* ------------------------------------------------------------------ the questions */

struct asked {
	struct object_table *t;
	const struct family *f;
};

static int message(void *ctx, uint16_t type, const unsigned char *payload, size_t len)
{
	const struct asked *q = ctx;

	if (type != SOCK_DIAG_BY_FAMILY)
		return 0;
	return object_diag_message(q->t, q->f->family, q->f->protocol, payload, len);
}

static int ask(struct object_walk *w, const struct family *f)
{
	/* Each has its own: one whose list was not read to its end answers no other question. */
	_cleanup_(netlink_close) struct netlink n = netlink_open(NETLINK_SOCK_DIAG);
	struct packet_diag_req packet = {.sdiag_family = AF_PACKET,
					 .pdiag_show = PACKET_SHOW_RING_CFG | PACKET_SHOW_MEMINFO};
	struct unix_diag_req local = {.sdiag_family = AF_UNIX,
				      .udiag_states = ALL_STATES,
				      .udiag_show = UDIAG_SHOW_MEMINFO};
	struct inet_diag_req_v2 inet = {.sdiag_family = (uint8_t)f->family,
					.sdiag_protocol = (uint8_t)f->protocol,
					.idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1),
					.idiag_states = ALL_STATES};
	struct asked q = {w->t, f};
	const void *body = f->family == AF_PACKET ? (void *)&packet
			   : f->family == AF_UNIX ? (void *)&local
						  : (void *)&inet;
	size_t len = f->family == AF_PACKET ? sizeof(packet)
		     : f->family == AF_UNIX ? sizeof(local)
					    : sizeof(inet);

	return netlink_dump(&n, SOCK_DIAG_BY_FAMILY, body, len, w->until_ns, message, &q);
}

int object_diag(struct object_walk *w)
{
	int failed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int r;

		if (!(w->families >> i & 1))
			continue;
		r = ask(w, &families[i]);
		if (r < 0 && r != -EINTR && r != -ENOENT)
			failed = r;
	}
	return failed;
}

/* Which modules are there, by a function of each: kallsyms has the names, with or without their
 * addresses. */
void object_diag_families(struct object_walk *w)
{
	_cleanup_file_ FILE *f = NULL;
	char line[512];
	int fd = openat(w->c->root->proc_fd, "kallsyms", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		char *name = strrchr(line, ' ');

		if (!name || !strstr(line, "_diag_"))
			continue;
		name[1 + strcspn(name + 1, "\t\n")] = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(families); i++)
			if (!strcmp(name + 1, families[i].symbol))
				w->families |= 1u << i;
	}
}

void object_diag_missing(const struct object_walk *w, char *ret, size_t cap)
{
	size_t len = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(families) && len < cap; i++)
		if (!(w->families >> i & 1))
			len += (size_t)snprintf(ret + len, cap - len, "%s%s", len ? ", " : "",
						families[i].name);
}
