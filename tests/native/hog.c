/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs that hold memory no process list shows, until they are killed:
 *
 *   hog packet BYTES    a receive ring of an AF_PACKET socket
 *   hog pipes BYTES     pipes full of data, each of 1 MiB
 *   hog bpf BYTES       a BPF array
 *   hog bpf-ring BYTES  a BPF ring buffer (BYTES: a power of two)
 *   hog tcp BYTES       a TCP connection whose reader does not read
 *   hog unix BYTES      the same of AF_UNIX
 *   hog huge BYTES      a mapping of huge pages that is never touched: reserved, and not used
 *   hog udmabuf BYTES   a DMA buffer made of a memfd
 *   hog uring BYTES     io_uring rings
 *   hog messages BYTES  a socket's queue of messages of one byte: slab
 *   hog sockets BYTES   pairs of sockets that nobody uses: about so much of slab
 *   hog ipc BYTES       messages in System V queues, which no descriptor leads to: slab
 *   hog pool BYTES      UDP packets that nobody reads, in pages of a page pool (needs root)
 *   hog zram BYTES      noise on a zram device
 *   hog memfd BYTES     a memfd that was written to and is not mapped
 *   hog sleep           nothing
 *
 * Prints "ready BYTES" when it has them; exits with 77 where this kernel has no such thing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <linux/udmabuf.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB (1u << 20)
#define HUGE_PAGE (2u << 20)

static void die(const char *what)
{
	int no = errno;

	perror(what);
	exit(no == ENOENT || no == ENOSYS || no == EOPNOTSUPP || no == EAFNOSUPPORT ? 77 : 1);
}

static void ready(size_t bytes)
{
	printf("ready %zu\n", bytes);
	fflush(stdout);
	for (;;)
		pause();
}

static void packet(size_t bytes)
{
	/* A large ring is made of many blocks, as tcpdump makes it. */
	struct tpacket_req r = {.tp_block_size = MIB, .tp_frame_size = 65536};
	int version = TPACKET_V2, fd = socket(AF_PACKET, SOCK_RAW, 0);

	r.tp_block_nr = (unsigned)(bytes / r.tp_block_size);
	r.tp_frame_nr = r.tp_block_nr * (r.tp_block_size / r.tp_frame_size);
	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &r, sizeof(r)) < 0)
		die("PACKET_RX_RING");
	ready((size_t)r.tp_block_nr * r.tp_block_size);
}

static void pipes(size_t bytes)
{
	static char data[MIB];
	size_t done = 0;

	while (done < bytes) {
		int fd[2];
		ssize_t n;

		if (pipe(fd) < 0)
			die("pipe");
		if (fcntl(fd[1], F_SETPIPE_SZ, MIB) < 0)
			die("F_SETPIPE_SZ");
		fcntl(fd[1], F_SETFL, O_NONBLOCK);
		n = write(fd[1], data, sizeof(data));
		if (n <= 0)
			die("write to a pipe");
		done += (size_t)n;
	}
	ready(done);
}

static void bpf_map(unsigned type, size_t bytes)
{
	union bpf_attr attr = {.map_type = type, .max_entries = (unsigned)bytes};

	if (type == BPF_MAP_TYPE_ARRAY) {
		attr.key_size = 4;
		attr.value_size = 4096;
		attr.max_entries = (unsigned)(bytes / 4096);
	}
	strcpy(attr.map_name, "hog");
	if (syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)) < 0)
		die("BPF_MAP_CREATE");
	ready(bytes);
}

static size_t fill(int fd, size_t bytes, size_t piece)
{
	char *data = calloc(1, piece);
	size_t done = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (data && done < bytes) {
		ssize_t n = write(fd, data, piece < bytes - done ? piece : bytes - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	free(data);
	return done;
}

static void force(int fd, int option, size_t bytes)
{
	int v = (int)(bytes < INT32_MAX / 2 ? bytes : INT32_MAX / 2);

	if (setsockopt(fd, SOL_SOCKET, option, &v, sizeof(v)) < 0)
		die("SO_SNDBUFFORCE");
}

static void tcp(size_t bytes)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), a;
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(addr);
	size_t done;

	if (s < 0 || c < 0)
		die("socket");
	/* What the receiver does not take waits at the sender: both ends are stuck. */
	force(s, SO_RCVBUFFORCE, bytes);
	force(c, SO_SNDBUFFORCE, bytes);
	if (bind(s, (struct sockaddr *)&addr, len) < 0 || listen(s, 1) < 0 ||
	    getsockname(s, (struct sockaddr *)&addr, &len) < 0 ||
	    connect(c, (struct sockaddr *)&addr, len) < 0)
		die("connect");
	a = accept(s, NULL, NULL);
	if (a < 0)
		die("accept");
	for (done = 0; done < bytes;) {
		size_t n = fill(c, bytes - done, 1 << 16);

		if (!n)
			break;
		done += n;
		usleep(20000);
	}
	ready(done);
}

static void unix_stream(size_t bytes)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		die("socketpair");
	force(fd[0], SO_SNDBUFFORCE, bytes + bytes / 2);
	ready(fill(fd[0], bytes, 1 << 16));
}

static void huge(size_t bytes)
{
	if (mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1,
		 0) == MAP_FAILED)
		die("MAP_HUGETLB");
	ready(bytes);
}

#define UDMABUF (32 * MIB) /* of each; the driver allows 64 MiB (size_limit_mb) */

static void udmabuf(size_t bytes)
{
	int dev = open("/dev/udmabuf", O_RDWR);
	size_t done = 0;

	if (dev < 0)
		die("/dev/udmabuf");
	for (; done < bytes; done += UDMABUF) {
		struct udmabuf_create u = {.size = UDMABUF};
		int mem = memfd_create("hog", MFD_ALLOW_SEALING);

		if (mem < 0 || ftruncate(mem, UDMABUF) < 0 ||
		    fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
			die("memfd");
		u.memfd = (unsigned)mem;
		if (ioctl(dev, UDMABUF_CREATE, &u) < 0)
			die("UDMABUF_CREATE");
		close(mem); /* now no counter has its pages */
	}
	ready(done);
}

#define RING_ENTRIES 32768u /* 2 MiB, and as much again for what is returned */

static void uring(size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		struct io_uring_params p = {0};

		if (syscall(SYS_io_uring_setup, RING_ENTRIES, &p) < 0)
			die("io_uring_setup");
		done += p.sq_entries * (64 + 4) + p.cq_entries * 16;
	}
	ready(done);
}

#define MESSAGE_BYTES 768u /* at least: struct sk_buff, and the data behind its head */

static void messages(size_t bytes)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd) < 0)
		die("socketpair");
	force(fd[0], SO_SNDBUFFORCE, bytes * 4);
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	for (size_t done = 0; done < bytes; done += MESSAGE_BYTES)
		if (send(fd[0], "x", 1, 0) != 1)
			die("send");
	ready(bytes);
}

#define PAIR_BYTES (2u * 2048) /* unix_sock, inode, dentry and file of either */

static void sockets(size_t bytes)
{
	for (size_t done = 0; done < bytes; done += PAIR_BYTES) {
		int fd[2];

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
			die("socketpair");
	}
	ready(bytes);
}

#define IPC_MESSAGE 4000u /* and a head of 48: an object of kmalloc-4k */

static void ipc(size_t bytes)
{
	struct {
		long type;
		char text[IPC_MESSAGE];
	} m = {.type = 1};
	size_t done = 0, before;
	FILE *f;

	if (unshare(CLONE_NEWIPC) < 0) /* and with us the queues go */
		die("unshare");
	f = fopen("/proc/sys/kernel/msgmnb", "w"); /* of a queue */
	if (!f || fprintf(f, "%u", 16 * MIB) < 0 || fclose(f) != 0)
		die("/proc/sys/kernel/msgmnb");
	do {
		int q = msgget(IPC_PRIVATE, 0600);

		if (q < 0)
			die("msgget");
		for (before = done; done < bytes; done += 4096)
			if (msgsnd(q, &m, IPC_MESSAGE, IPC_NOWAIT) < 0)
				break;
	} while (done < bytes && done > before);
	ready(done);
}

/* ------------------------------------------------------------------ a page pool */

/* "XDP_PASS": veth copies each packet into a page of its pool for the program to see. */
static void attach(unsigned ifindex)
{
	static const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr load = {.prog_type = BPF_PROG_TYPE_XDP,
			       .insn_cnt = 2,
			       .insns = (uintptr_t)code,
			       .license = (uintptr_t) "GPL"};
	union bpf_attr link = {.link_create = {.target_ifindex = ifindex, .attach_type = BPF_XDP}};
	long prog = syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));

	link.link_create.prog_fd = (uint32_t)prog;
	if (prog < 0 || syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof(link)) < 0)
		die("XDP");
}

static uint32_t queued(int fd, uint32_t *ret_drops)
{
	uint32_t v[9] = {0}; /* SO_MEMINFO: SK_MEMINFO_RMEM_ALLOC first, SK_MEMINFO_DROPS last */
	socklen_t len = sizeof(v);

	if (getsockopt(fd, SOL_SOCKET, 55, v, &len) < 0)
		die("SO_MEMINFO");
	*ret_drops = v[8];
	return v[0];
}

/* Headroom of 256, the packet, struct skb_shared_info: two to a page. */
#define POOL_PACKET 2048ull

static void pool(size_t bytes)
{
	unsigned char p[14 + 20 + 8 + 1400] = {[12] = 8,
					       [14] = 0x45,
					       [16] = (20 + 8 + 1400) >> 8,
					       [17] = (20 + 8 + 1400) & 255,
					       [22] = 64,
					       [23] = 17,
					       [26] = 10,
					       9,
					       9,
					       2,
					       10,
					       9,
					       9,
					       1};
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(0x0a090901)}};
	struct sockaddr_ll out = {.sll_family = AF_PACKET};
	struct ifreq ifr = {.ifr_name = "hog1"};
	uint32_t sum = 0, drops, one = 0, before = 0;
	unsigned still = 0;
	int s, r;

	if (unshare(CLONE_NEWNET) < 0)
		die("unshare");
	if (system("ip link add hog0 type veth peer name hog1 && ip addr add 10.9.9.1/24 dev hog1 "
		   "&& "
		   "ip link set hog0 up && ip link set hog1 up") != 0) {
		fprintf(stderr, "no veth\n");
		exit(77);
	}
	attach(if_nametoindex("hog1"));
	r = socket(AF_INET, SOCK_DGRAM, 0);
	s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	if (r < 0 || s < 0 || bind(r, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("socket");
	shutdown(s, SHUT_RD);
	force(r, SO_RCVBUFFORCE, bytes * 2);
	if (ioctl(r, SIOCGIFHWADDR, &ifr) < 0)
		die("SIOCGIFHWADDR");
	memcpy(p, ifr.ifr_hwaddr.sa_data, 6);
	for (int i = 14; i < 34; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	p[24] = (unsigned char)(~sum >> 8);
	p[25] = (unsigned char)~sum;
	p[37] = 9; /* the port; no checksum */
	p[38] = (8 + 1400) >> 8;
	p[39] = (8 + 1400) & 255;
	out.sll_ifindex = (int)if_nametoindex("hog0");
	/* Some that are not in a hurry tell what each weighs. */
	for (int i = 0; i < 256; i++) {
		sendto(s, p, sizeof(p), 0, (struct sockaddr *)&out, sizeof(out));
		usleep(200);
	}
	one = queued(r, &drops) / 256;
	if (!one || drops)
		die("no packet arrived");
	while (before / one * POOL_PACKET < bytes && still < 200) {
		for (int i = 0; i < 64; i++)
			sendto(s, p, sizeof(p), 0, (struct sockaddr *)&out, sizeof(out));
		usleep(200);
		uint32_t now = queued(r, &drops);

		still = now == before ? still + 1 : 0;
		before = now;
	}
	ready(before / one * POOL_PACKET);
}

static void memfd(size_t bytes)
{
	int fd = memfd_create("hog", MFD_CLOEXEC);

	if (fd < 0)
		die("memfd_create");
	ready(fill(fd, bytes, MIB));
}

static void zram(size_t bytes)
{
	static char data[MIB];
	char path[64];
	int n, fd = open("/sys/class/zram-control/hot_add", O_RDONLY);
	sigset_t all, before;
	FILE *f;

	if (fd < 0)
		die("zram");
	/* No end between making the disk and naming it. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	n = (int)read(fd, data, 16);
	if (n <= 0)
		die("zram");
	data[n] = '\0';
	n = atoi(data);
	bytes = bytes / MIB * MIB;
	printf("zram%d\n", n); /* for who takes it away again */
	fflush(stdout);
	sigprocmask(SIG_SETMASK, &before, NULL);
	snprintf(path, sizeof(path), "/sys/block/zram%d/disksize", n);
	f = fopen(path, "w");
	if (!f || fprintf(f, "%zu", bytes) < 0 || fclose(f) != 0)
		die(path);
	snprintf(path, sizeof(path), "/dev/zram%d", n);
	fd = open(path, O_WRONLY | O_DIRECT);
	if (fd < 0)
		die(path);
	for (size_t done = 0; done < bytes; done += MIB) {
		void *p =
			mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			die("mmap");
		for (size_t at = 0; at < MIB; at += 256)
			if (getentropy((char *)p + at, 256) < 0)
				die("getentropy");
		if (write(fd, p, MIB) != MIB)
			die("write to zram");
		munmap(p, MIB);
	}
	ready(bytes);
}

int main(int argc, char **argv)
{
	struct rlimit all = {1 << 20, 1 << 20};
	const char *mode = argc > 1 ? argv[1] : "";
	size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

	setrlimit(RLIMIT_NOFILE, &all);
	all = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	setrlimit(RLIMIT_MEMLOCK, &all);
	if (!strcmp(mode, "packet"))
		packet(n);
	else if (!strcmp(mode, "pipes"))
		pipes(n);
	else if (!strcmp(mode, "bpf"))
		bpf_map(BPF_MAP_TYPE_ARRAY, n);
	else if (!strcmp(mode, "bpf-ring"))
		bpf_map(27, n); /* BPF_MAP_TYPE_RINGBUF */
	else if (!strcmp(mode, "tcp"))
		tcp(n);
	else if (!strcmp(mode, "unix"))
		unix_stream(n);
	else if (!strcmp(mode, "huge"))
		huge(n);
	else if (!strcmp(mode, "udmabuf"))
		udmabuf(n);
	else if (!strcmp(mode, "uring"))
		uring(n);
	else if (!strcmp(mode, "messages"))
		messages(n);
	else if (!strcmp(mode, "sockets"))
		sockets(n);
	else if (!strcmp(mode, "ipc"))
		ipc(n);
	else if (!strcmp(mode, "pool"))
		pool(n);
	else if (!strcmp(mode, "memfd"))
		memfd(n);
	else if (!strcmp(mode, "zram"))
		zram(n);
	else if (!strcmp(mode, "sleep"))
		ready(0);
	return 2;
}
