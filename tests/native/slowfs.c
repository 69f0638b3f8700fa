/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slowfs DIR BYTES MS: a FUSE file system with one file, DIR/disk, of so many zeros, each read and
 * write of which takes MS milliseconds, one after the other.  A loop device on it is a disk of
 * known latency.  Prints "ready" once mounted; ends when its stdin does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOST (1u << 20)

static char request[MOST + 65536], answer[MOST + 65536];
static long long bytes;
static long ms;

static void attributes(struct fuse_attr *a, uint64_t node)
{
	memset(a, 0, sizeof(*a));
	a->ino = node;
	a->nlink = 1;
	a->mode = node == FUSE_ROOT_ID ? S_IFDIR | 0700 : S_IFREG | 0600;
	a->size = node == FUSE_ROOT_ID ? 0 : (uint64_t)bytes;
	a->blksize = 4096;
}

static void take_time(void)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* The length of what stands in body, or a negative errno. */
static long serve(const struct fuse_in_header *in, const void *arg, char *body)
{
	struct fuse_init_out *init = (void *)body;
	struct fuse_entry_out *entry = (void *)body;
	struct fuse_attr_out *attr = (void *)body;
	struct fuse_open_out *opened = (void *)body;
	struct fuse_write_out *written = (void *)body;

	switch (in->opcode) {
	case FUSE_INIT:
		memset(init, 0, sizeof(*init));
		init->major = FUSE_KERNEL_VERSION;
		init->minor = FUSE_KERNEL_MINOR_VERSION;
		init->max_readahead = 65536;
		init->max_write = 65536;
		return sizeof(*init);
	case FUSE_LOOKUP:
		if (strcmp(arg, "disk") != 0)
			return -ENOENT;
		memset(entry, 0, sizeof(*entry));
		entry->nodeid = 2;
		entry->attr_valid = entry->entry_valid = 3600;
		attributes(&entry->attr, 2);
		return sizeof(*entry);
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		memset(attr, 0, sizeof(*attr));
		attr->attr_valid = 3600;
		attributes(&attr->attr, in->nodeid);
		return sizeof(*attr);
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		memset(opened, 0, sizeof(*opened));
		opened->open_flags = in->opcode == FUSE_OPEN ? FOPEN_DIRECT_IO : 0;
		return sizeof(*opened);
	case FUSE_READ: {
		const struct fuse_read_in *r = arg;

		take_time();
		memset(body, 0, r->size < MOST ? r->size : MOST);
		return r->size < MOST ? r->size : MOST;
	}
	case FUSE_WRITE:
		take_time();
		memset(written, 0, sizeof(*written));
		written->size = ((const struct fuse_write_in *)arg)->size;
		return sizeof(*written);
	case FUSE_STATFS:
		memset(body, 0, sizeof(struct fuse_statfs_out));
		return sizeof(struct fuse_statfs_out);
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_ACCESS:
		return 0;
	default:
		return -ENOSYS;
	}
}

static int run(int fuse)
{
	for (;;) {
		struct pollfd p[2] = {{.fd = 0, .events = POLLIN}, {.fd = fuse, .events = POLLIN}};
		const struct fuse_in_header *in = (const void *)request;
		struct fuse_out_header *out = (void *)answer;
		long n;

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents)
			return 0;
		n = read(fuse, request, sizeof(request));
		if (n < 0 && errno == ENODEV)
			return 0;
		if (n < (long)sizeof(*in) || in->opcode == FUSE_FORGET ||
		    in->opcode == FUSE_BATCH_FORGET || in->opcode == FUSE_INTERRUPT)
			continue;
		n = serve(in, in + 1, answer + sizeof(*out));
		out->unique = in->unique;
		out->error = n < 0 ? (int)n : 0;
		out->len = (uint32_t)(sizeof(*out) + (size_t)(n > 0 ? n : 0));
		if (write(fuse, answer, out->len) < 0 && errno != ENOENT)
			return 1;
		if (in->opcode == FUSE_INIT) {
			puts("ready");
			fflush(stdout);
		}
	}
}

int main(int argc, char **argv)
{
	char options[128];
	int fuse, r;

	if (argc != 4) {
		fprintf(stderr, "usage: slowfs DIR BYTES MS\n");
		return 2;
	}
	bytes = atoll(argv[2]);
	ms = atol(argv[3]);
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fuse < 0) {
		perror("/dev/fuse");
		return 1;
	}
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,max_read=65536", fuse);
	if (mount("slowfs", argv[1], "fuse.slowfs", MS_NOSUID | MS_NODEV, options)) {
		perror(argv[1]);
		return 1;
	}
	r = run(fuse);
	umount2(argv[1], MNT_DETACH);
	close(fuse);
	return r;
}
