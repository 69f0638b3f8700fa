/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receive delay: from the driver's handing a packet to the network stack to a process's taking it
 * out of the socket.  While user space has time stamps switched on, every packet carries the first
 * of these times.
 */
#include "delay.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sock {
	__u16 sk_protocol;
};

struct sk_buff {
	struct sock *sk;
	__s64 tstamp;
	unsigned int len;
	__u16 network_header;
	unsigned char *head;
};

#pragma clang attribute pop

/* It came with 6.18, as did that a UDP packet that was read is put aside to be freed, without a
 * trace. */
struct udp_prod_queue {
	int any; /* a mere declaration would be found nowhere */
};

__u32 sees_udp;

SEC("raw_tp")
int look_around(void *ctx)
{
	(void)ctx;
	sees_udp = !bpf_core_type_exists(struct udp_prod_queue);
	return 0;
}

/* Longer ones are another clock's: nobody keeps a packet for an hour. */
#define LONGEST_NS 3600000000000LL
#define IP_TCP 6
#define IP_UDP 17

/* All packets come by here, those that are sent as well: what that costs is to be known. */
static __always_inline int passed(void)
{
	struct delay_counts *c = counted();

	if (c)
		c->passed++;
	return 0;
}

static __always_inline int taken(struct sk_buff *skb, __u64 now, __u32 protocol, __u32 bytes)
{
	struct delay_counts *c = counted();
	struct delay_key key = {.kind = protocol};
	struct delay_value *v;
	__s64 stamp, ns;

	if (!c)
		return 0;
	c->events++;
	stamp = BPF_CORE_READ(skb, tstamp);
	ns = (__s64)now + window.realtime_ns - stamp;
	/* From before time stamps were switched on, or of a clock that was set meanwhile. */
	if (!stamp || ns < 0 || ns > LONGEST_NS) {
		c->skipped++;
		return 0;
	}
	key.tgid = bpf_get_current_pid_tgid() >> 32;
	v = delay_row(&delays, &key, (void *)bpf_get_current_task());
	if (v)
		delay_add(v, ns, bytes);
	else
		c->lost++;
	return 0;
}

/* Of TCP, what a process takes is copied here.  Packets that were joined in the socket's queue
 * carry the time of the last one. */
SEC("raw_tp/skb_copy_datagram_iovec")
int skb_copied(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = time_in_window();
	struct sk_buff *skb = (void *)ctx->args[0];
	struct sock *sk;

	if (!now)
		return 0;
	sk = BPF_CORE_READ(skb, sk);
	if (!sk || BPF_CORE_READ(sk, sk_protocol) != IP_TCP)
		return passed();
	return taken(skb, now, IP_TCP, ctx->args[1]);
}

static __always_inline int is_udp(struct sk_buff *skb)
{
	unsigned char *ip = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header);
	__u8 version = 0, protocol = 0;

	bpf_probe_read_kernel(&version, 1, ip);
	if (version >> 4 == 4)
		bpf_probe_read_kernel(&protocol, 1, ip + 9);
	else if (version >> 4 == 6)
		bpf_probe_read_kernel(&protocol, 1, ip + 6);
	return protocol == IP_UDP;
}

/*
 * Of UDP, small packets are copied without a trace; but once it has been copied, a packet is freed
 * by the one who read it, until 6.17.  What was sent has no time stamp, what was dropped is freed
 * elsewhere.
 */
SEC("raw_tp/consume_skb")
int skb_consumed(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = time_in_window();
	struct sk_buff *skb = (void *)ctx->args[0];

	if (!now)
		return 0;
	if (!BPF_CORE_READ(skb, tstamp) || !is_udp(skb))
		return passed();
	return taken(skb, now, IP_UDP, BPF_CORE_READ(skb, len));
}
