/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kernels that are not here tell of memory: answers of RDMA and network devices by netlink,
 * fdinfo of graphics drivers, page_owner.  The bytes are made here by the kernel's own numbers
 * (include/uapi), the texts are those of the kernel's documentation and of machines that have it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <rdma/rdma_netlink.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../capture/base/cleanup.h"
#include "../../capture/base/clock.h"
#include "../../capture/child/emit.h"
#include "../../capture/collectors/netlink.h"
#include "../../capture/collectors/object_walk.h"
#include "../../capture/collectors/page_owner.h"

#define MI (1ULL << 20)

static struct object_table table;

static int make_table(void **state)
{
	return object_table_init(&table, 4 << 20);
}

static int drop_table(void **state)
{
	object_table_release(&table);
	return 0;
}

struct bytes {
	unsigned char b[4096];
	size_t len;
};

static void raw(struct bytes *m, const void *data, size_t len)
{
	assert_true(m->len + len <= sizeof(m->b));
	memcpy(m->b + m->len, data, len);
	m->len += len;
	while (m->len % 4)
		m->b[m->len++] = 0;
}

static size_t begin(struct bytes *m, uint16_t type)
{
	uint16_t head[2] = {0, type};

	raw(m, head, 4);
	return m->len - 4;
}

static void end(struct bytes *m, size_t at)
{
	uint16_t len = (uint16_t)(m->len - at);

	memcpy(m->b + at, &len, 2);
}

static void attr(struct bytes *m, uint16_t type, const void *data, size_t len)
{
	uint16_t head[2] = {(uint16_t)(4 + len), type};

	raw(m, head, 4);
	raw(m, data, len);
}

static void attr32(struct bytes *m, uint16_t type, uint32_t v)
{
	attr(m, type, &v, 4);
}

static void attr64(struct bytes *m, uint16_t type, uint64_t v)
{
	attr(m, type, &v, 8);
}

static const struct object *row(enum object_kind kind, uint64_t id)
{
	return object_find(&table, kind, id);
}

/* Regions as rdma(8) `resource show mr` prints them: two of processes, one of the kernel's. */
static void rdma_regions(void **state)
{
	struct bytes m = {0};
	size_t all, one;

	attr32(&m, RDMA_NLDEV_ATTR_DEV_INDEX, 0);
	attr(&m, RDMA_NLDEV_ATTR_DEV_NAME, "mlx5_0", 7);
	all = begin(&m, RDMA_NLDEV_ATTR_RES_MR | NLA_F_NESTED);
	one = begin(&m, RDMA_NLDEV_ATTR_RES_MR_ENTRY | NLA_F_NESTED);
	attr32(&m, RDMA_NLDEV_ATTR_RES_RKEY, 0x1234);
	attr64(&m, RDMA_NLDEV_ATTR_RES_MRLEN, 512 * MI);
	attr32(&m, RDMA_NLDEV_ATTR_RES_MRN, 7);
	attr32(&m, RDMA_NLDEV_ATTR_RES_PID, 4242);
	end(&m, one);
	one = begin(&m, RDMA_NLDEV_ATTR_RES_MR_ENTRY | NLA_F_NESTED);
	attr64(&m, RDMA_NLDEV_ATTR_RES_MRLEN, 4096);
	attr32(&m, RDMA_NLDEV_ATTR_RES_MRN, 8);
	attr32(&m, RDMA_NLDEV_ATTR_RES_PID, 4242);
	end(&m, one);
	one = begin(&m, RDMA_NLDEV_ATTR_RES_MR_ENTRY | NLA_F_NESTED);
	attr64(&m, RDMA_NLDEV_ATTR_RES_MRLEN, UINT64_MAX / 2);
	attr32(&m, RDMA_NLDEV_ATTR_RES_MRN, 9);
	attr(&m, RDMA_NLDEV_ATTR_RES_KERN_NAME, "nvme-rdma", 10);
	end(&m, one);
	end(&m, all);
	assert_int_equal(object_rdma_regions(&table, 3, "mlx5_0", m.b, m.len), 0);
	assert_int_equal(table.count, 1);
	assert_int_equal(table.rows[0].bytes, 512 * MI);
	assert_int_equal(table.rows[0].page_bytes, 0);
	assert_int_equal(table.rows[0].memory, MEMORY_PROCESS);
	assert_string_equal(table.rows[0].name, "memory registered with mlx5_0");
	assert_int_equal(table.holder_count, 1);
	assert_int_equal(table.holders[0].pid, 4242);
	assert_int_equal(table.small[OBJECT_RDMA].bytes, 4096);
	/* The same again, and as much of it as there is: nothing more, and nothing outside. */
	for (size_t n = 0; n <= m.len; n++)
		object_rdma_regions(&table, 3, "mlx5_0", m.b, n);
	assert_int_equal(table.count, 1);
	assert_int_equal(table.small[OBJECT_RDMA].count, 1);
}

static void page_pools(void **state)
{
	struct bytes m = {0};
	const unsigned char head[4] = {5, 1};

	raw(&m, head, 4);
	attr32(&m, 1, 11);	  /* id */
	attr32(&m, 2, 0x7ffffff); /* ifindex, of no device here */
	attr32(&m, 4, 65536);	  /* inflight */
	attr64(&m, 5, 256 * MI);  /* inflight-mem */
	object_page_pool_message(&table, m.b, m.len);
	assert_int_equal(row(OBJECT_PAGE_POOL, 12)->page_bytes, 256 * MI);
	assert_string_equal(row(OBJECT_PAGE_POOL, 12)->detail, "");
	m.len = 4;
	attr32(&m, 1, 12);
	attr32(&m, 5, 8 * MI); /* a 32-bit number where it fits */
	attr64(&m, 6, 99);     /* detach-time */
	object_page_pool_message(&table, m.b, m.len);
	assert_int_equal(row(OBJECT_PAGE_POOL, 13)->page_bytes, 8 * MI);
	assert_non_null(strstr(row(OBJECT_PAGE_POOL, 13)->detail, "gone"));
	/* The memory of a device is none of ours. */
	m.len = 4;
	attr32(&m, 1, 13);
	attr32(&m, 5, 8 * MI);
	attr(&m, 7, "", 0);
	object_page_pool_message(&table, m.b, m.len);
	assert_null(row(OBJECT_PAGE_POOL, 14));
	assert_int_equal(table.count, 2);
	for (size_t n = 0; n <= m.len; n++) /* cut: nothing outside is read */
		object_page_pool_message(&table, m.b, n);
}

static int remember(void *ctx, uint16_t type, const unsigned char *payload, size_t len)
{
	uint64_t *sum = ctx;

	*sum += type * 1000 + len;
	return 0;
}

static void message(struct bytes *m, uint16_t type, uint16_t flags, const void *data, uint32_t len)
{
	struct nlmsghdr h = {.nlmsg_len = 16 + len, .nlmsg_type = type, .nlmsg_flags = flags};

	raw(m, &h, sizeof(h));
	raw(m, data, len);
}

static void messages_and_their_end(void **state)
{
	struct netlink n = {.fd = -1};
	struct bytes m = {0};
	uint64_t sum = 0;
	int no = 0;

	message(&m, 20, NLM_F_MULTI, "abcde", 5);
	message(&m, NLMSG_NOOP, 0, "", 0);
	assert_int_equal(netlink_messages(&n, m.b, m.len, remember, &sum), 1);
	assert_int_equal(sum, 20005);
	message(&m, NLMSG_DONE, NLM_F_MULTI, &no, 4);
	assert_int_equal(netlink_messages(&n, m.b, m.len, remember, &sum), 0);
	m.len = 0;
	message(&m, 20, NLM_F_MULTI | NLM_F_DUMP_INTR, "abcde", 5);
	message(&m, NLMSG_DONE, NLM_F_MULTI, &no, 4);
	assert_int_equal(netlink_messages(&n, m.b, m.len, remember, &sum), -EINTR);
	/* It stands in the message after the change, which need not be in the last datagram. */
	m.len = 0;
	n.changed = false;
	message(&m, 20, NLM_F_MULTI | NLM_F_DUMP_INTR, "abcde", 5);
	assert_int_equal(netlink_messages(&n, m.b, m.len, remember, &sum), 1);
	m.len = 0;
	message(&m, NLMSG_DONE, NLM_F_MULTI, &no, 4);
	assert_int_equal(netlink_messages(&n, m.b, m.len, remember, &sum), -EINTR);
	m.len = 0;
	no = -EOPNOTSUPP;
	message(&m, NLMSG_ERROR, 0, &no, 4);
	assert_int_equal(netlink_messages(&n, m.b, m.len, remember, &sum), -EOPNOTSUPP);
	/* A length beyond the datagram, or below the header's. */
	m.b[0] = 200;
	assert_int_equal(netlink_messages(&n, m.b, m.len, remember, &sum), -EBADMSG);
	m.b[0] = 3;
	assert_int_equal(netlink_messages(&n, m.b, m.len, remember, &sum), -EBADMSG);
}

static void answer(int fd, uint16_t type, uint32_t seq, const void *data, uint32_t len)
{
	struct bytes m = {0};

	message(&m, type, NLM_F_MULTI, data, len);
	memcpy(m.b + offsetof(struct nlmsghdr, nlmsg_seq), &seq, sizeof(seq));
	assert_int_equal(send(fd, m.b, m.len, 0), m.len);
}

/* What is left of a list that was not read to its end is no part of the next one. */
static void answers_of_another_question(void **state)
{
	struct netlink n = {0};
	uint64_t sum = 0, until = clock_ns(CLOCK_MONOTONIC) + 60000000000ULL;
	int pair[2], no = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	n.fd = pair[0];
	answer(pair[1], 20, 1, "abcde", 5);
	answer(pair[1], NLMSG_ERROR, 1, &(int){-ENOENT}, 4);
	assert_int_equal(netlink_dump(&n, 20, "", 0, until, remember, &sum), -ENOENT);
	assert_int_equal(sum, 20005);
	sum = 0;
	answer(pair[1], 20, 1, "abcde", 5);
	answer(pair[1], NLMSG_DONE, 1, &no, 4);
	answer(pair[1], 30, 2, "abc", 3);
	answer(pair[1], NLMSG_DONE, 2, &no, 4);
	assert_int_equal(netlink_dump(&n, 30, "", 0, until, remember, &sum), 0);
	assert_int_equal(sum, 30003);
	/* A call that was interrupted is no list that changed. */
	answer(pair[1], NLMSG_ERROR, 3, &(int){-EINTR}, 4);
	assert_int_equal(netlink_dump(&n, 30, "", 0, until, remember, &sum), -EAGAIN);
	netlink_close(&n);
	close(pair[1]);
	n = (struct netlink){.fd = -EPERM}; /* no socket was to be had */
	assert_int_equal(netlink_dump(&n, 30, "", 0, until, remember, &sum), -EPERM);
}

/* A receive ring of 512 blocks of 1 MiB, as struct packet_diag_msg and packet_diag_ring have it. */
static void packet_ring_by_diag(void **state)
{
	const uint32_t ring[7] = {MI, 512, 65536, 8192, 0, 0, 0};
	const uint32_t memory[9] = {4096};
	const struct {
		uint8_t family, type;
		uint16_t num;
		uint32_t ino, cookie[2];
	} head = {AF_PACKET, SOCK_RAW, 0, 777, {0, 0}};
	struct bytes m = {0};

	raw(&m, &head, sizeof(head));
	attr(&m, 2, ring, sizeof(ring));     /* PACKET_DIAG_RX_RING */
	attr(&m, 6, memory, sizeof(memory)); /* PACKET_DIAG_MEMINFO */
	for (size_t n = 0; n < m.len; n++) {
		struct object_table part;

		assert_int_equal(object_table_init(&part, 1 << 20), 0);
		object_diag_message(&part, AF_PACKET, 0, m.b, n);
		object_table_release(&part);
	}
	assert_int_equal(object_diag_message(&table, AF_PACKET, 0, m.b, m.len), 0);
	assert_int_equal(row(OBJECT_PACKET_RING, 777)->page_bytes, 512 * MI);
	assert_int_equal(row(OBJECT_PACKET_RING, 777)->bytes, 512 * MI + 4096);
	assert_int_equal(object_diag_message(&table, AF_INET, IPPROTO_SCTP, m.b, m.len), -EINVAL);
}

/* As amdgpu of 6.12 prints it. */
static const char amdgpu[] = "pos:\t0\nflags:\t02100002\nmnt_id:\t26\nino:\t515\n"
			     "drm-driver:\tamdgpu\ndrm-client-id:\t42\ndrm-pdev:\t0000:03:00.0\n"
			     "drm-total-cpu:\t0\ndrm-shared-cpu:\t0\n"
			     "drm-total-gtt:\t300 MiB\ndrm-shared-gtt:\t100 MiB\n"
			     "drm-resident-gtt:\t300 MiB\n"
			     "drm-total-vram:\t2 GiB\ndrm-shared-vram:\t16 MiB\n"
			     "drm-resident-vram:\t1048576 KiB\ndrm-purgeable-vram:\t0\n"
			     "drm-memory-vram:\t1048576 KiB\ndrm-engine-gfx:\t123 ns\n";
/* As i915 of 6.1 and 6.8 do. */
static const char i915[] = "drm-driver:\ti915\ndrm-client-id:\t42\ndrm-pdev:\t0000:00:02.0\n"
			   "drm-total-system0:\t200 MiB\ndrm-resident-system0:\t150 MiB\n"
			   "drm-total-stolen-system0:\t64 MiB\ndrm-engine-render:\t1 ns\n";
static const char old_amdgpu[] = "drm-driver:\tamdgpu\npasid:\t32770\n"
				 "drm-memory-vram:\t64 MiB\n";

static const char *made_path(const char *dir, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* Ours answers as little as one that waits in the driver.  False: not to be found. */
static bool stop_the_helper(void)
{
	_cleanup_file_ FILE *f = NULL;
	char path[64];
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	return f && fscanf(f, "%d", &pid) == 1 && kill(pid, SIGSTOP) == 0;
}

static void graphics_that_hang(void **state)
{
	char dir[] = "/tmp/ossnap-drm-XXXXXX";
	struct sysroot root = {.root_fd = -1, .sys_fd = -1};
	_cleanup_file_ FILE *out = tmpfile();
	struct collect c = {.root = &root};
	struct object_walk w = {.c = &c, .t = &table};
	uint64_t told, silent;
	FILE *good;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(mkdir(made_path(dir, "1"), 0700), 0);
	assert_int_equal(mkdir(made_path(dir, "1/fdinfo"), 0700), 0);
	good = fopen(made_path(dir, "1/fdinfo/3"), "w");
	assert_non_null(good);
	assert_true(fputs(amdgpu, good) >= 0);
	assert_int_equal(fclose(good), 0);
	root.proc_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(root.proc_fd >= 0 && out);
	c.out = emit_create(fileno(out), 0);
	assert_non_null(c.out);

	object_drm(&w, 1, 8); /* gone meanwhile */
	assert_int_equal(w.graphics.told, 0);
	/* On a busy machine it may be late when it is not stopped, too. */
	for (unsigned i = 0; i < 3; i++) {
		object_drm(&w, 1, 3);
		if (w.graphics.silent < 3 && stop_the_helper())
			object_drm(&w, 1, 3);
	}
	assert_true(w.graphics.silent >= 3);
	assert_int_equal(table.holder_count ? table.holders[0].fds : 0, w.graphics.told);
	told = w.graphics.told;
	silent = w.graphics.silent;
	object_drm(&w, 1, 3); /* set aside */
	assert_int_equal(w.graphics.told, told);
	assert_int_equal(w.graphics.silent, silent + 1);
	w.graphics.told = 1;
	object_drm_end(&w);
	assert_int_equal(table.untold, 0); /* some is told, and the rest a loss */
	w.graphics.told = 0;
	object_drm_end(&w);
	assert_int_equal(table.untold, 1u << OBJECT_DRM | 1u << OBJECT_VRAM);

	emit_finish(c.out);
	emit_destroy(c.out);
	close(root.proc_fd);
	unlink(made_path(dir, "1/fdinfo/3"));
	rmdir(made_path(dir, "1/fdinfo"));
	rmdir(made_path(dir, "1"));
	rmdir(dir);
}

static void class_of_a_file(void **state)
{
	const uint32_t card = 226 << 20 | 128;

	assert_int_equal(object_class_of_file("/dev/dri/renderD128", S_IFCHR | 0660, card),
			 FILE_CLASS_DRM);
	assert_int_equal(object_class_of_file("/srv/gpu", S_IFCHR | 0660, card), FILE_CLASS_DRM);
	/* The class is that of all files of its file system then. */
	assert_int_equal(object_class_of_file("/dev/dri/notes", S_IFREG | 0644, 0),
			 FILE_CLASS_NONE);
	assert_int_equal(object_class_of_file("/dev/dri/x", S_IFREG | 0644, card), FILE_CLASS_NONE);
	assert_int_equal(object_class_of_file("/dev/dri/null", S_IFCHR | 0666, 1 << 20 | 3),
			 FILE_CLASS_NONE);
	assert_int_equal(object_class_of_file("/dev/dri/fifo", S_IFIFO | 0600, 0), FILE_CLASS_PIPE);
	assert_int_equal(object_class_of_file("socket:[5]", S_IFSOCK | 0777, 0), FILE_CLASS_SOCKET);
	assert_int_equal(object_class_of_file("anon_inode:bpf-map", 0600, 0), FILE_CLASS_BPF_MAP);
}

static void graphics_clients(void **state)
{
	const struct object *o;

	object_drm_text(&table, amdgpu, 100);
	object_drm_text(&table, amdgpu, 100); /* dup() */
	object_drm_text(&table, amdgpu, 200); /* sent to another process */
	object_drm_text(&table, i915, 100);   /* the same number on another device */
	object_drm_text(&table, old_amdgpu, 100);
	object_drm_text(&table, "drm-driver:\n\ndrm-client-id:\t-1\ndrm-total-:\t5\n:", 1);
	assert_int_equal(table.count, 3);
	o = &table.rows[0];
	assert_int_equal(o->kind, OBJECT_DRM);
	assert_int_equal(o->bytes, 300 * MI);
	assert_int_equal(o->page_bytes, 200 * MI); /* what is shared may be counted elsewhere */
	assert_string_equal(o->name, "amdgpu 0000:03:00.0");
	o = &table.rows[1];
	assert_int_equal(o->kind, OBJECT_VRAM);
	assert_int_equal(o->bytes, 1024 * MI); /* "2 GiB" is no unit of these files */
	assert_int_equal(o->memory, MEMORY_VRAM);
	assert_int_equal(o->page_bytes, 0);
	o = &table.rows[2];
	assert_int_equal(o->bytes, 150 * MI);
	assert_true(o->page_bytes == OBJECT_NONE); /* shared memory objects: in Shmem */
	assert_int_equal(table.holder_count, 5);
	assert_int_equal(table.holders[0].fds, 2);
}

static const struct owner *owner(const struct owners *o, const char *function)
{
	for (size_t i = 0; i < o->count; i++)
		if (!strcmp(o->rows[i].function, function))
			return &o->rows[i];
	return NULL;
}

static void lines(struct owners *o, const char *text)
{
	char line[512];

	while (*text) {
		size_t n = strcspn(text, "\n") + 1;

		if (n > strlen(text))
			n = strlen(text);
		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		owners_line(o, line);
		text += n;
	}
}

/* Documentation/mm/page_owner.rst, and an entry with a module. */
static void page_owner_entries(void **state)
{
	struct owners o;

	assert_int_equal(owners_init(&o), 0);
	lines(&o,
	      "Page allocated via order 0, mask 0x1(__GFP_HIGH), pid 1, tgid 1 (swapper/0), ts 1 "
	      "ns\n"
	      "PFN 0x1000 type Unmovable Block 8 type Unmovable Flags 0x0()\n"
	      " post_alloc_hook+0x14d/0x170\n get_page_from_freelist+0x35c/0x1a90\n"
	      " __alloc_pages_noprof+0x1a5/0x350\n pgd_alloc+0x1d/0x1f0\n mm_init+0x1d8/0x2c0\n\n"
	      "Page allocated via order 9, mask 0x2dc0, pid 7, tgid 7 (modprobe), ts 2 ns\n"
	      "PFN 4608 type Unmovable Block 9 type Unmovable Flags 0x0()\n"
	      " prep_new_page+0xa1/0x120\n alloc_pages+0x1/0x2\n"
	      " leaky_fill+0x30/0x60 [leaky 0123456789abcdef]\n do_one_initcall+0x1/0x2\n"
	      "Charged to memcg /a\n\n"
	      "Page allocated via order 2, mask 0x2dc0, pid 7, tgid 7 (modprobe), ts 2 ns\n"
	      "PFN 9000 type Unmovable Block 9 type Unmovable Flags 0x0()\n"
	      " leaky_fill+0x30/0x60 [leaky]\n\n"
	      "Page allocated via order 99, mask 0\n liar+0x1/0x2\n\n"
	      "Page allocated via order -1, mask 0\n liar+0x1/0x2\n\n"
	      "Page allocated via order 0, cut");
	assert_int_equal(o.count, 2);
	assert_int_equal(owner(&o, "pgd_alloc")->pages, 1);
	assert_int_equal(owner(&o, "leaky_fill")->pages, 516);
	assert_int_equal(owner(&o, "leaky_fill")->blocks, 2);
	assert_string_equal(owner(&o, "leaky_fill")->module, "leaky");
	assert_int_equal(o.last_pfn, 9000);
	owners_release(&o);
}

/* page_owner_stacks/show_stacks of 6.9 and of 6.12. */
static void page_owner_stacks(void **state)
{
	struct owners o;

	assert_int_equal(owners_init(&o), 0);
	lines(&o, " get_page_from_freelist+0xa3d/0x1310\n __alloc_pages_noprof+0x19e/0x1a0\n"
		  " ttm_pool_alloc+0x1f8/0x4b0 [ttm]\n amdgpu_ttm_tt_populate+0x1/0x2 [amdgpu]\n"
		  "stack_count: 4578\n\n"
		  " post_alloc_hook+0x1/0x2\n ttm_pool_alloc+0x8/0x4b0 [ttm]\nnr_base_pages: 22\n\n"
		  "nr_base_pages: 3\n");
	assert_int_equal(owner(&o, "ttm_pool_alloc")->pages, 4600);
	assert_int_equal(owner(&o, "?")->pages, 3);
	/* More functions than there is room for. */
	for (int i = 0; i < OWNERS_MAX + 100; i++) {
		char text[64];

		snprintf(text, sizeof(text), " f%d+0x1/0x2\nnr_base_pages: 1\n", i);
		lines(&o, text);
	}
	assert_int_equal(o.count, OWNERS_MAX);
	assert_int_equal(o.beyond, 102);
	owners_release(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rdma_regions, make_table, drop_table),
		cmocka_unit_test_setup_teardown(page_pools, make_table, drop_table),
		cmocka_unit_test(messages_and_their_end),
		cmocka_unit_test(answers_of_another_question),
		cmocka_unit_test_setup_teardown(packet_ring_by_diag, make_table, drop_table),
		cmocka_unit_test_setup_teardown(graphics_clients, make_table, drop_table),
		cmocka_unit_test_setup_teardown(graphics_that_hang, make_table, drop_table),
		cmocka_unit_test(class_of_a_file),
		cmocka_unit_test(page_owner_entries),
		cmocka_unit_test(page_owner_stacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
