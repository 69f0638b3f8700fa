/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receive delay of packets.  A socket of ours that wants time stamps makes the kernel stamp every
 * packet as it comes from the driver, for as long as the socket is open; on a machine that keeps
 * time by network, or has tcpdump running, it does so anyway.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/types.h>

#include "bpf_probe.h"
#include "delay_run.h"
#include "net_receive.skel.h"

struct net_receive_state {
	struct delay_run run; /* the first member */
	struct net_receive_bpf *skel;
	int stamps; /* the socket that wants them */
};

static void net_receive_probe(const struct capture_options *o, const struct sysroot *root,
			      struct probe_result *ret)
{
	bpf_probe_ask(o, root, ret);
}

static struct bpf_object_skeleton *open_skeleton(void *run, const struct bpf_object_open_opts *opts)
{
	struct net_receive_state *s = run;

	s->skel = net_receive_bpf__open_opts(opts);
	return s->skel ? s->skel->skeleton : NULL;
}

/* IPv4, else IPv6: a machine may have but one of them. */
static int switch_stamps_on(struct err *e)
{
	const int on = 1;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0) {
		int no = errno;

		if (fd >= 0)
			close(fd);
		return err_set(e, no == EAFNOSUPPORT ? ENOTSUP : no,
			       "time stamps of packets (SO_TIMESTAMPNS): %s", strerror(no));
	}
	return fd;
}

static int loaded(struct delay_run *r, struct err *e)
{
	struct net_receive_state *s = (struct net_receive_state *)r;

	r->window = &s->skel->bss->window;
	s->stamps = switch_stamps_on(e);
	if (s->stamps < 0)
		return s->stamps;
	if (s->skel->bss->sees_udp)
		return 0;
	/* Some still come by there: fewer than there were is worse than none. */
	delay_run_without(r, s->skel->progs.skb_consumed);
	emit_note(r->c->out, "UDP is not seen: this kernel frees packets that were read "
			     "without a trace");
	return 0;
}

static int net_receive_start(struct collect *c)
{
	static const struct delay_probe probe = {
		.name = "net_receive",
		.state_size = sizeof(struct net_receive_state),
		.cost = {.event = 350, .passed = 150, .idle = 70},
		.open = open_skeleton,
		.loaded = loaded,
	};
	int r = delay_run_start(c, &probe);

	/* The stamps of all packets end with it; in a child that failed, with the child. */
	if (r == 0)
		close(((struct net_receive_state *)c->state)->stamps);
	return r;
}

static void net_words(const struct delay_run *r, const void *key, struct delay_words *ret)
{
	const struct delay_key *k = key;

	switch (k->kind) {
	case IPPROTO_TCP:
		snprintf(ret->kind, sizeof(ret->kind), "tcp");
		break;
	case IPPROTO_UDP:
		snprintf(ret->kind, sizeof(ret->kind), "udp");
		break;
	default:
		snprintf(ret->kind, sizeof(ret->kind), "%u", k->kind);
	}
}

static int net_receive_write(struct collect *c)
{
	return delay_write(c->state, net_words);
}

const struct collector collector_net_receive = {
	.name = "net-receive",
	.summary = "how long packets lie between the driver and the process that reads them",
	.needs = "CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN; kernel BTF",
	.timed = true,
	.memory_share = 3,
	.memory_least_kib = 1792,
	.loads_types = true,
	.probe = net_receive_probe,
	.start = net_receive_start,
	.write = net_receive_write,
};
