/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A FUSE file system that never answers: /dev/fuse is opened and mounted at DIR, INIT is answered,
 * every other request is taken and left without an answer: who waits for one survives SIGKILL.
 * Prints "ready" once mounted; when its stdin ends it goes, which releases everybody who hangs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static int answer_init(int fuse)
{
	static char request[1 << 17];
	const struct fuse_in_header *in = (const struct fuse_in_header *)request;
	struct {
		struct fuse_out_header header;
		struct fuse_init_out init;
	} out = {0};
	ssize_t n = read(fuse, request, sizeof(request));

	if (n < (ssize_t)sizeof(*in) || in->opcode != FUSE_INIT)
		return -1;
	out.header.len = sizeof(out);
	out.header.unique = in->unique;
	out.init.major = FUSE_KERNEL_VERSION;
	out.init.minor = FUSE_KERNEL_MINOR_VERSION;
	out.init.max_write = 4096;
	return write(fuse, &out, sizeof(out)) == sizeof(out) ? 0 : -1;
}

/* A request that has been read counts as sent: the kernel then waits for its answer for ever. */
static void swallow(int fuse)
{
	static char request[1 << 17];

	for (;;) {
		struct pollfd p[2] = {{.fd = 0, .events = POLLIN}, {.fd = fuse, .events = POLLIN}};

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents && read(0, request, sizeof(request)) <= 0)
			return;
		if (p[1].revents && read(fuse, request, sizeof(request)) < 0 && errno == ENODEV)
			return;
	}
}

int main(int argc, char **argv)
{
	char options[128];
	int fuse;

	if (argc != 2) {
		fprintf(stderr, "usage: hangfs DIR\n");
		return 2;
	}
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fuse < 0) {
		perror("/dev/fuse");
		return 1;
	}
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	if (mount("hangfs", argv[1], "fuse.hangfs", MS_NOSUID | MS_NODEV, options)) {
		perror(argv[1]);
		return 1;
	}
	if (answer_init(fuse)) {
		fprintf(stderr, "hangfs: FUSE_INIT: %s\n", strerror(errno));
		umount2(argv[1], MNT_DETACH);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	swallow(fuse);
	close(fuse); /* aborts the connection: everybody gets ENOTCONN */
	umount2(argv[1], MNT_DETACH);
	return 0;
}
