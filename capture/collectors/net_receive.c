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

/* A packet, with everything. */
#define EVENT_NS 350

struct net_receive_state {
	struct delay_run run; /* the first member */
	struct net_receive_bpf *skel;
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

static int net_receive_start(struct collect *c)
{
	struct net_receive_state *s = calloc(1, sizeof(*s));
	int stamps = -1;
	struct err e = {0};
	int r;

	if (!s)
		return -ENOMEM;
	c->state = s;
	s->run.name = "net_receive";
	s->run.event_ns = EVENT_NS;
	r = delay_run_load(&s->run, c, open_skeleton, &e);
	if (r == 0) {
		stamps = switch_stamps_on(&e);
		r = stamps < 0 ? stamps : 0;
	}
	if (r == 0) {
		s->run.window = &s->skel->bss->window;
		if (!s->skel->bss->sees_udp)
			emit_note(c->out, "UDP is not seen: this kernel frees packets that were "
					  "read without a trace");
		r = delay_run_watch(&s->run, &e);
	}
	if (stamps >= 0)
		close(stamps);
	if (r < 0)
		bpf_probe_status(c, r, &e);
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
	struct net_receive_state *s = c->state;
	int r = delay_write_table(&s->run, "net_receive", &s->run.maps[0].sums, net_words);

	return r < 0 ? r : delay_write_design(&s->run);
}

const struct collector collector_net_receive = {
	.name = "net-receive",
	.summary = "how long packets lie between the driver and the process that reads them",
	.needs = "CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN; kernel BTF",
	.timed = true,
	.memory_share = 6,
	.probe = net_receive_probe,
	.start = net_receive_start,
	.write = net_receive_write,
};
