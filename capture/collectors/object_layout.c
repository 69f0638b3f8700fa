/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The members of the kernel's structures that the kernel-objects collector reads. */
#include "../base/cleanup.h"
#include "object_walk.h"

#define FIELD(f) offsetof(struct object_layout, f)

static const struct {
	size_t field;
	const char *structure, *names;
} members[] = {
	{FIELD(pipe.head), "pipe_inode_info", "head"},
	{FIELD(pipe.tail), "pipe_inode_info", "tail"},
	{FIELD(pipe.ring_size), "pipe_inode_info", "ring_size"},
	{FIELD(pipe.bufs), "pipe_inode_info", "bufs"},
	{FIELD(pipe.tmp_page), "pipe_inode_info", "tmp_page"}, /* 6.14: an array of two */
	{FIELD(pipe.buf_page), "pipe_buffer", "page"},
	{FIELD(pipe.buf_len), "pipe_buffer", "len"},
	{FIELD(pipe.buf_ops), "pipe_buffer", "ops"},
	{FIELD(sock.sk), "socket", "sk"},
	{FIELD(sock.family), "sock", "__sk_common.skc_family"},
	{FIELD(sock.state), "sock", "__sk_common.skc_state"},
	{FIELD(sock.sport), "sock", "__sk_common.skc_num"},
	{FIELD(sock.dport), "sock", "__sk_common.skc_dport"},
	{FIELD(sock.saddr), "sock", "__sk_common.skc_rcv_saddr"},
	{FIELD(sock.daddr), "sock", "__sk_common.skc_daddr"},
	{FIELD(sock.net), "sock", "__sk_common.skc_net.net"},
	{FIELD(sock.net_ino), "net", "ns.inum"},
	{FIELD(sock.protocol), "sock", "sk_protocol"},
	{FIELD(sock.type), "sock", "sk_type"},
	{FIELD(sock.receive), "sock", "sk_receive_queue"},
	{FIELD(sock.write), "sock", "sk_write_queue"},
	{FIELD(sock.qlen), "sk_buff_head", "qlen"},
	{FIELD(sock.rmem), "sock", "sk_backlog.rmem_alloc"},
	{FIELD(sock.backlog_len), "sock", "sk_backlog.len"},
	{FIELD(sock.wmem_queued), "sock", "sk_wmem_queued"},
	{FIELD(skb.next), "sk_buff", "next"},
	{FIELD(skb.truesize), "sk_buff", "truesize"},
	{FIELD(skb.len), "sk_buff", "len"},
	{FIELD(skb.head), "sk_buff", "head"},
	{FIELD(skb.end), "sk_buff", "end"},
	{FIELD(skb.nr_frags), "skb_shared_info", "nr_frags"},
	{FIELD(skb.frag_list), "skb_shared_info", "frag_list"},
	{FIELD(skb.frags), "skb_shared_info", "frags"},
	{FIELD(packet.rx), "packet_sock", "rx_ring"},
	{FIELD(packet.tx), "packet_sock", "tx_ring"},
	{FIELD(packet.vec), "packet_ring_buffer", "pg_vec"},
	{FIELD(packet.vec_len), "packet_ring_buffer", "pg_vec_len"},
	{FIELD(packet.order), "packet_ring_buffer", "pg_vec_order"},
	{FIELD(bpf.map_id), "bpf_map", "id"},
	{FIELD(bpf.prog_aux), "bpf_prog", "aux"},
	{FIELD(bpf.aux_id), "bpf_prog_aux", "id"},
	{FIELD(bpf.link_prog), "bpf_link", "prog"},
	{FIELD(dma_buf.size_bytes), "dma_buf", "size"},
	{FIELD(dma_buf.exporter), "dma_buf", "exp_name"},
	{FIELD(dma_buf.name), "dma_buf", "name"},
	{FIELD(dma_buf.priv), "dma_buf", "priv"},
	{FIELD(dma_buf.udmabuf_pages), "udmabuf", "folios|pages"}, /* 6.12, before that pages */
	{FIELD(uring.sq_entries), "io_ring_ctx", "sq_entries"},
	{FIELD(uring.cq_entries), "io_ring_ctx", "cq_entries"},
	{FIELD(uring.flags), "io_ring_ctx", "flags"},
	{FIELD(sock.memcg), "sock", "sk_memcg"}, /* with memory cgroups */
	{FIELD(slab.proto), "sock", "__sk_common.skc_prot"},
	{FIELD(slab.obj_size), "proto", "obj_size"},
};

static bool all(const struct kmem_field *f, size_t n)
{
	while (n--)
		if (!field_present(f[n]))
			return false;
	return true;
}

void object_layout_init(struct object_layout *l, const struct btf *btf)
{
	/* 6.9: struct skb_frag instead of a bio_vec, with a netmem_ref for the page. */
	const char *frag = kmem_find_size(btf, "skb_frag") ? "skb_frag" : "bio_vec";

	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		kmem_find_field(btf, members[i].structure, members[i].names,
				(struct kmem_field *)((char *)l + members[i].field));
	kmem_find_field(btf, frag, "netmem|bv_page", &l->skb.frag_page);
	kmem_find_field(btf, frag, "len|bv_len", &l->skb.frag_len);
	l->skb.frag_size = kmem_find_size(btf, frag);
	l->skb.size = kmem_find_size(btf, "sk_buff");
	l->skb.info_size = kmem_find_size(btf, "skb_shared_info");
	l->sock.size = kmem_find_size(btf, "sock");
	l->pipe.size = kmem_find_size(btf, "pipe_inode_info");
	l->pipe.buf_size = kmem_find_size(btf, "pipe_buffer");
	l->packet.size = kmem_find_size(btf, "packet_sock");
	l->slab.file = kmem_find_size(btf, "file");
	l->slab.socket = kmem_find_size(btf, "socket_alloc");
	/* With its first ring of sixteen buffers, and its inode. */
	l->slab.pipe = l->pipe.size + 16 * l->pipe.buf_size + kmem_find_size(btf, "inode");
	/* A subject that lacks what it needs is given up as a whole. */
	if (!all(&l->pipe.head, 4) || !all(&l->pipe.buf_page, 3) || l->pipe.size > KMEM_ITEM_MAX ||
	    !l->pipe.buf_size || l->pipe.buf_size > 256)
		l->pipe.size = 0;
	if (!all(&l->sock.sk, 3) || !all(&l->sock.type, 7) || !all(&l->skb.next, 9) ||
	    !field_present(l->skb.frag_len) || l->skb.size > 1024 || l->skb.frags.offset > 1024 ||
	    l->skb.frag_size < 12 || l->skb.frag_size > 32)
		l->sock.size = 0;
	if (!all(&l->packet.rx, 5) || l->packet.size > KMEM_ITEM_MAX)
		l->packet.size = 0;
}
