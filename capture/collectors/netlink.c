/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"

#define ANSWER (32u << 10) /* the kernel fills no more at once (netlink_dump()) */
#define PATIENCE_MS 1000
#define BODY_MAX 256

static size_t padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

struct netlink netlink_open(int protocol)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct netlink n = {.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)};

	if (n.fd < 0) {
		n.fd = -errno;
	} else if (connect(n.fd, (struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
		int no = errno;

		close(n.fd);
		n.fd = -no;
	}
	return n;
}

void netlink_close(struct netlink *n)
{
	cleanup_fd(&n->fd);
}

/* ------------------------------------------------------------------ taking apart */

bool netlink_next(const unsigned char **data, size_t *len, struct netlink_attr *ret)
{
	struct nlattr a;
	size_t step;

	if (*len < sizeof(a))
		return false;
	memcpy(&a, *data, sizeof(a));
	if (a.nla_len < sizeof(a) || a.nla_len > *len)
		return false;
	*ret = (struct netlink_attr){a.nla_type & NLA_TYPE_MASK, *data + sizeof(a),
				     a.nla_len - sizeof(a)};
	step = padded(a.nla_len);
	if (step > *len)
		step = *len;
	*data += step;
	*len -= step;
	return true;
}

uint64_t netlink_number(const struct netlink_attr *a)
{
	uint64_t v = 0;

	if (a->len != 1 && a->len != 2 && a->len != 4 && a->len != 8)
		return UINT64_MAX;
	memcpy(&v, a->data, a->len); /* the machines we run on are little-endian */
	return v;
}

void netlink_text(const struct netlink_attr *a, char *ret, size_t cap)
{
	size_t n = strnlen((const char *)a->data, a->len);

	if (n >= cap)
		n = cap - 1;
	memcpy(ret, a->data, n);
	ret[n] = '\0';
}

static int message(struct netlink *s, const struct nlmsghdr *h, const unsigned char *payload,
		   netlink_fn fn, void *ctx)
{
	size_t n = h->nlmsg_len - sizeof(*h);
	int no = 0, r = 0;

	if (h->nlmsg_seq != s->seq) /* of a question whose answer was not read to its end */
		return 1;
	s->changed |= h->nlmsg_flags & NLM_F_DUMP_INTR;
	/* Both end with an errno; that of the end of a list is 0, or why it ends early. */
	if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE) {
		if (n >= sizeof(no))
			memcpy(&no, payload, sizeof(no));
		return no > 0 ? -EBADMSG : no < 0 ? no : s->changed ? -EINTR : 0;
	}
	if (h->nlmsg_type != NLMSG_NOOP)
		r = fn(ctx, h->nlmsg_type, payload, n);
	return r < 0 ? r : 1;
}

int netlink_messages(struct netlink *s, const unsigned char *data, size_t len, netlink_fn fn,
		     void *ctx)
{
	while (len >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr h;
		size_t step;
		int r;

		memcpy(&h, data, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > len)
			return -EBADMSG;
		r = message(s, &h, data + sizeof(h), fn, ctx);
		if (r != 1)
			return r;
		step = padded(h.nlmsg_len);
		if (step > len)
			step = len;
		data += step;
		len -= step;
	}
	return 1;
}

/* ------------------------------------------------------------------ asking */

bool netlink_put(unsigned char *body, size_t cap, size_t *len, uint16_t type, const void *data,
		 size_t size)
{
	struct nlattr a = {.nla_len = (uint16_t)(sizeof(a) + size), .nla_type = type};

	if (size > cap || *len > cap || cap - *len < sizeof(a) + padded(size))
		return false;
	memset(body + *len, 0, sizeof(a) + padded(size));
	memcpy(body + *len, &a, sizeof(a));
	memcpy(body + *len + sizeof(a), data, size);
	*len += sizeof(a) + padded(size);
	return true;
}

static int answers(struct netlink *s, uint64_t until_ns, netlink_fn fn, void *ctx)
{
	unsigned char data[ANSWER];
	int r = 1;

	while (r == 1) {
		struct pollfd p = {.fd = s->fd, .events = POLLIN};
		ssize_t n;

		if (clock_ns(CLOCK_MONOTONIC) >= until_ns)
			return -ETIME;
		n = poll(&p, 1, PATIENCE_MS);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n <= 0)
			return -ETIMEDOUT;
		n = recv(s->fd, data, sizeof(data), MSG_TRUNC);
		if (n < 0)
			return -errno;
		if ((size_t)n > sizeof(data))
			return -EMSGSIZE;
		r = netlink_messages(s, data, (size_t)n, fn, ctx);
	}
	return r;
}

static int ask(struct netlink *s, uint16_t type, const void *body, size_t len)
{
	unsigned char request[sizeof(struct nlmsghdr) + BODY_MAX] = {0};
	struct nlmsghdr h = {.nlmsg_len = (uint32_t)(sizeof(h) + len),
			     .nlmsg_type = type,
			     .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			     .nlmsg_seq = ++s->seq};

	s->changed = false;
	if (len > BODY_MAX)
		return -EMSGSIZE;
	memcpy(request, &h, sizeof(h));
	memcpy(request + sizeof(h), body, len);
	return send(s->fd, request, sizeof(h) + len, 0) < 0 ? -errno : 0;
}

int netlink_dump(struct netlink *n, uint16_t type, const void *body, size_t len, uint64_t until_ns,
		 netlink_fn fn, void *ctx)
{
	int r = n->fd < 0 ? n->fd : ask(n, type, body, len);

	if (r >= 0)
		r = answers(n, until_ns, fn, ctx);
	return r == -EINTR && !n->changed ? -EAGAIN : r; /* not all was told then */
}

struct family {
	const char *name;
	int number;
};

static int family_message(void *ctx, uint16_t type, const unsigned char *payload, size_t len)
{
	struct family *f = ctx;
	struct netlink_attr a;
	char name[32] = "";
	int number = 0;

	if (type != GENL_ID_CTRL || len < GENL_HDRLEN)
		return 0;
	payload += GENL_HDRLEN;
	len -= GENL_HDRLEN;
	while (netlink_next(&payload, &len, &a)) {
		if (a.type == CTRL_ATTR_FAMILY_ID && a.len == 2)
			number = (int)netlink_number(&a);
		else if (a.type == CTRL_ATTR_FAMILY_NAME)
			netlink_text(&a, name, sizeof(name));
	}
	if (!strcmp(name, f->name) && number)
		f->number = number;
	return 0;
}

int netlink_family(struct netlink *n, const char *name, uint64_t until_ns)
{
	const struct genlmsghdr body = {.cmd = CTRL_CMD_GETFAMILY, .version = 1};
	struct family f = {name, -ENOENT};
	/* All of them: asked for one that is not there, the kernel would look for a module. */
	int r = netlink_dump(n, GENL_ID_CTRL, &body, sizeof(body), until_ns, family_message, &f);

	return r < 0 && r != -EINTR ? r : f.number;
}
