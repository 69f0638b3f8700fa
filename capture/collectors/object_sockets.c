/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets: what waits in their queues, and the rings of packet sockets.
 *
 * A queue is walked buffer by buffer: the head of each lies in slab as a rule and is counted there
 * (object_heads.c), its fragments are pages of no counter, unless sendfile(2) put pages of the page
 * cache there.  Where a
 * queue could not be walked its length by the socket's own counters (sk_rmem_alloc,
 * sk_wmem_queued) stands in, and what of it is pages is not known.  Sources: net/core/skbuff.c,
 * include/net/sock.h, net/packet/af_packet.c
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../kmem/decode.h"
#include "object_walk.h"

#define MAX_FRAGS 64u
#define SHINFO_ROOM 2048
#define SOCK_ROOM 4096

struct queue {
	uint64_t bytes, page_bytes, pool_bytes, data, skbs;
	bool whole; /* walked to its end */
};

enum page_owner object_page_owner(struct object_walk *w, uint64_t page)
{
	unsigned char p[256];
	uint64_t head, mapping = 0;

	if (w->l->page.size > sizeof(p) || kmem_read(w->s, page, p, w->l->page.size) < 0)
		return PAGE_OF_NOBODY;
	head = page_head(w->l, p, page);
	if (head && kmem_read(w->s, head, p, w->l->page.size) < 0)
		return PAGE_OF_NOBODY;
	switch (page_classify(w->l, p, NULL, &mapping)) {
	case KIND_PAGE_POOL:
		return PAGE_OF_POOL;
	case KIND_SLAB:
	case KIND_LARGE_KMALLOC:
		return PAGE_OF_SLAB;
	default:
		return page_word(p, w->l->page.mapping) ? PAGE_OF_FILE : PAGE_OF_NOBODY;
	}
}

static void fragments(struct object_walk *w, const unsigned char *info, uint64_t n, struct queue *q)
{
	const struct object_layout *l = &w->ol;

	for (uint64_t i = 0; i < n; i++) {
		const unsigned char *f = info + l->skb.frags.offset + i * l->skb.frag_size;
		uint64_t page = field_get(f, l->skb.frag_page), len = field_get(f, l->skb.frag_len);
		enum page_owner owner;

		/* Bit 0: memory of a device, since 6.12. */
		if (!plausible_object(page))
			continue;
		owner = object_page_owner(w, page);
		if (owner == PAGE_OF_POOL)
			q->pool_bytes += len;
		else if (owner == PAGE_OF_NOBODY)
			q->page_bytes += len;
	}
}

/* The data behind a head, and what stands at its end: what it takes of truesize. */
static void count_head(struct object_walk *w, uint64_t head, uint64_t end, struct queue *q)
{
	uint64_t bytes = end + ((w->ol.skb.info_size + 63) & ~63u);

	switch (object_head_owner(w, head)) {
	case PAGE_OF_POOL:
		q->pool_bytes += bytes;
		return;
	case PAGE_OF_NOBODY:
		/* Fragments of pages are no larger; large kmallocs are, and before 6.18 they have
		 * no mark. */
		if (bytes <= w->s->page_size)
			q->page_bytes += bytes;
		return;
	default:
		return;
	}
}

/* One buffer, and those chained to it.  *ret_next: the next one of the queue. */
static bool one_skb(struct object_walk *w, uint64_t skb, struct queue *q, uint64_t *ret_next,
		    uint64_t *ret_chain)
{
	const struct object_layout *l = &w->ol;
	unsigned char b[1024], info[SHINFO_ROOM];
	size_t room = l->skb.frags.offset + MAX_FRAGS * l->skb.frag_size;
	uint64_t head, end, n;

	*ret_chain = 0;
	if (!plausible_object(skb) || kmem_read(w->s, skb, b, l->skb.size) < 0)
		return false;
	*ret_next = field_get(b, l->skb.next);
	q->bytes += field_get(b, l->skb.truesize);
	q->data += field_get(b, l->skb.len);
	q->skbs++;
	head = field_get(b, l->skb.head);
	end = field_get(b, l->skb.end);
	if (room > sizeof(info))
		room = l->skb.frags.offset + 17 * l->skb.frag_size;
	/* An offset from head, or, on kernels for 32 bits, an address. */
	if (!head || end > 1u << 20 || room > sizeof(info) ||
	    kmem_read(w->s, head + end, info, l->skb.frags.offset) < 0)
		return true;
	count_head(w, head, end, q);
	n = field_get(info, l->skb.nr_frags);
	if (n > MAX_FRAGS || l->skb.frags.offset + n * l->skb.frag_size > sizeof(info))
		return true;
	if (n && kmem_read(w->s, head + end, info, l->skb.frags.offset + n * l->skb.frag_size) < 0)
		return true;
	fragments(w, info, n, q);
	*ret_chain = field_get(info, l->skb.frag_list);
	return true;
}

/* head: of the sk_buff_head, whose first member links to the first buffer and closes the circle. */
static struct queue walk_queue(struct object_walk *w, uint64_t head, const unsigned char *bytes,
			       uint64_t qlen)
{
	uint64_t skb, chain, next;
	struct queue q = {0};

	memcpy(&skb, bytes, sizeof(skb));
	for (uint64_t i = 0; skb != head && i < qlen + 16; i++) {
		if (!w->skbs_left) {
			w->skbs_skipped += qlen - i;
			return q;
		}
		w->skbs_left--;
		if (!one_skb(w, skb, &q, &skb, &chain))
			return q;
		/* truesize of the first counts the chain; its pages are found there. */
		for (unsigned k = 0; chain && k < 64; k++) {
			struct queue part = {0};

			if (!one_skb(w, chain, &part, &next, &(uint64_t){0}))
				break;
			q.page_bytes += part.page_bytes;
			q.pool_bytes += part.pool_bytes;
			chain = next;
		}
	}
	q.whole = skb == head;
	return q;
}

static uint64_t at_least(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* ------------------------------------------------------------------ what it is called */

static const char *family_name(uint64_t family, uint64_t protocol, uint64_t type)
{
	switch (family) {
	case AF_UNIX:
		return type == SOCK_STREAM  ? "unix stream"
		       : type == SOCK_DGRAM ? "unix datagram"
					    : "unix seqpacket";
	case AF_INET:
		return protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : "ip";
	case AF_INET6:
		return protocol == IPPROTO_TCP ? "tcp6" : protocol == IPPROTO_UDP ? "udp6" : "ip6";
	case AF_PACKET:
		return "packet";
	case AF_NETLINK:
		return "netlink";
	case AF_VSOCK:
		return "vsock";
	case AF_XDP:
		return "xdp";
	default:
		return "";
	}
}

static void describe(const struct object_layout *l, const unsigned char *sk, uint64_t family,
		     struct object *o)
{
	char from[INET_ADDRSTRLEN], to[INET_ADDRSTRLEN];
	struct in_addr a, b;

	if (family == AF_INET && field_present(l->sock.saddr) && field_present(l->sock.dport)) {
		memcpy(&a, sk + l->sock.saddr.offset, 4);
		memcpy(&b, sk + l->sock.daddr.offset, 4);
		inet_ntop(AF_INET, &a, from, sizeof(from));
		inet_ntop(AF_INET, &b, to, sizeof(to));
		snprintf(o->detail, sizeof(o->detail), "%s:%u %s:%u", from,
			 (unsigned)field_get(sk, l->sock.sport), to,
			 ntohs((uint16_t)field_get(sk, l->sock.dport)));
	} else if (family == AF_INET6 && field_present(l->sock.dport)) {
		snprintf(o->detail, sizeof(o->detail), "port %u, peer's port %u",
			 (unsigned)field_get(sk, l->sock.sport),
			 ntohs((uint16_t)field_get(sk, l->sock.dport)));
	}
}

static uint32_t net_of(struct object_walk *w, const unsigned char *sk)
{
	uint64_t net = field_get(sk, w->ol.sock.net);
	uint32_t ino = 0;

	if (!field_present(w->ol.sock.net_ino) || !plausible_object(net) ||
	    kmem_read(w->s, net + w->ol.sock.net_ino.offset, &ino, sizeof(ino)) < 0)
		return 0;
	return ino;
}

/* ------------------------------------------------------------------ packet rings */

static uint64_t ring_bytes(struct object_walk *w, const unsigned char *ring)
{
	const struct object_layout *l = &w->ol;
	uint64_t order = field_get(ring, l->packet.order), len = field_get(ring, l->packet.vec_len);

	if (!field_get(ring, l->packet.vec) || order > 20 || len > 1u << 24)
		return 0;
	return (len << order) * w->s->page_size;
}

static void packet_socket(struct object_walk *w, uint64_t sk, struct object *o)
{
	const struct object_layout *l = &w->ol;
	unsigned char p[KMEM_ITEM_MAX];

	if (!l->packet.size || kmem_read(w->s, sk, p, l->packet.size) < 0)
		return;
	o->capacity =
		ring_bytes(w, p + l->packet.rx.offset) + ring_bytes(w, p + l->packet.tx.offset);
	if (!o->capacity) {
		o->capacity = OBJECT_NONE;
		return;
	}
	o->kind = OBJECT_PACKET_RING;
	o->bytes += o->capacity;
	if (o->page_bytes != OBJECT_NONE)
		o->page_bytes += o->capacity;
}

/* ------------------------------------------------------------------ one socket */

static bool read_sock(struct object_walk *w, const struct task_file *f, unsigned char *ret,
		      uint64_t *ret_sk)
{
	const struct object_layout *l = &w->ol;

	return l->sock.size && l->sock.size <= SOCK_ROOM &&
	       kmem_read(w->s, f->private_data + l->sock.sk.offset, ret_sk, sizeof(*ret_sk)) == 0 &&
	       plausible_object(*ret_sk) && kmem_read(w->s, *ret_sk, ret, l->sock.size) == 0;
}

static uint64_t queue_len(const struct object_layout *l, const unsigned char *sk,
			  struct kmem_field head)
{
	struct kmem_field f = {head.offset + l->sock.qlen.offset, l->sock.qlen.size};

	return field_get(sk, f);
}

static void measure(struct object_walk *w, const unsigned char *sk, uint64_t addr, bool tcp,
		    struct object *o)
{
	const struct object_layout *l = &w->ol;
	uint64_t rlen = queue_len(l, sk, l->sock.receive), wlen = queue_len(l, sk, l->sock.write);
	uint64_t rmem = field_get(sk, l->sock.rmem), wmem = field_get(sk, l->sock.wmem_queued);
	uint64_t backlog = field_get(sk, l->sock.backlog_len);
	struct queue r = {.whole = true}, t = {.whole = true};

	if (rlen)
		r = walk_queue(w, addr + l->sock.receive.offset, sk + l->sock.receive.offset, rlen);
	/* The write queue of a stream that is not TCP is empty, or is of buffers as well. */
	if (wlen)
		t = walk_queue(w, addr + l->sock.write.offset, sk + l->sock.write.offset, wlen);
	if (rmem >> 31) /* signed counters, read while they change */
		rmem = 0;
	if (wmem >> 31)
		wmem = 0;
	o->bytes = at_least(r.bytes, rmem) + at_least(t.bytes, tcp ? wmem : 0) + backlog;
	o->page_bytes = r.page_bytes + t.page_bytes;
	o->pool_bytes = r.pool_bytes + t.pool_bytes;
	o->waiting = r.data;
	/* What was sent and is not acknowledged, or came out of order, stands in trees that are not
	 * walked; TCP keeps its data in fragments. */
	if (tcp)
		o->page_bytes += o->bytes - (r.bytes + t.bytes);
	else if (!r.whole || !t.whole)
		o->page_bytes = OBJECT_NONE;
	snprintf(o->name + strlen(o->name), sizeof(o->name) - strlen(o->name), "%s",
		 at_least(r.bytes, rmem) >= at_least(t.bytes, wmem) ? ", waiting to be read"
								    : ", waiting to be sent");
}

/* sizeof(struct tcp_sock) or what it is, by the protocol. */
static uint32_t object_size(struct object_walk *w, const unsigned char *sk)
{
	uint64_t proto = field_get(sk, w->ol.slab.proto);
	uint32_t size = 0;

	if (!field_present(w->ol.slab.obj_size) || !plausible_object(proto) ||
	    kmem_read(w->s, proto + w->ol.slab.obj_size.offset, &size, sizeof(size)) < 0)
		return 0;
	return size < 1u << 16 ? size : 0;
}

void object_socket(struct object_walk *w, const struct task_file *f, uint64_t ino)
{
	const struct object_layout *l = &w->ol;
	uint64_t addr, family, protocol, type;
	unsigned char sk[SOCK_ROOM];
	struct object o;

	for (int kind = OBJECT_PACKET_RING; kind <= OBJECT_SOCKET; kind++)
		if (object_seen(w->t, kind, ino)) {
			object_hold(w->t, kind, ino, f->pid);
			return;
		}
	if (!read_sock(w, f, sk, &addr))
		return;
	object_socket_group(w, field_get(sk, l->sock.memcg), f->pid);
	w->task_slab += l->slab.socket + object_size(w, sk);
	family = field_get(sk, l->sock.family);
	protocol = field_get(sk, l->sock.protocol);
	type = field_get(sk, l->sock.type);
	o = (struct object){.kind = OBJECT_SOCKET,
			    .memory = MEMORY_PAGES,
			    .id = ino,
			    .capacity = OBJECT_NONE,
			    .count = 1};
	snprintf(o.name, sizeof(o.name), "%s", family_name(family, protocol, type));
	measure(w, sk, addr, protocol == IPPROTO_TCP && (family == AF_INET || family == AF_INET6),
		&o);
	if (family == AF_PACKET)
		packet_socket(w, addr, &o);
	if (o.page_bytes + o.pool_bytes <
	    o.bytes / 2) /* many small buffers: the heads weigh more than the data */
		o.memory = MEMORY_SLAB;
	if (o.bytes < OBJECT_LEAST) {
		object_add_small(w->t, &o);
		return;
	}
	if (o.kind == OBJECT_PACKET_RING)
		snprintf(o.name, sizeof(o.name), "packet ring");
	describe(l, sk, family, &o);
	o.netns = net_of(w, sk);
	object_add(w->t, &o);
	object_hold(w->t, o.kind, ino, f->pid);
}
