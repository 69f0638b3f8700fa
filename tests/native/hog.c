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
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
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

static void udmabuf(size_t bytes)
{
	struct udmabuf_create u = {.size = bytes};
	int dev = open("/dev/udmabuf", O_RDWR), mem = memfd_create("hog", MFD_ALLOW_SEALING);

	if (dev < 0 || mem < 0)
		die("/dev/udmabuf");
	if (ftruncate(mem, (off_t)bytes) < 0 || fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		die("memfd");
	u.memfd = (unsigned)mem;
	if (ioctl(dev, UDMABUF_CREATE, &u) < 0)
		die("UDMABUF_CREATE");
	close(mem);
	ready(bytes);
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
	else if (!strcmp(mode, "sleep"))
		ready(0);
	return 2;
}
