/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process whose command line cannot be read, as it happens with a dead network file system:
 * somebody reads its memory through /proc/PID/mem, a page of a FUSE file that never comes, with
 * its mmap_lock held; one of its threads wants the lock for writing; from then on every reader of
 * /proc/PID/cmdline waits behind it.  (A cmdline on the page itself is refused since 4.17.)
 * Mounts at DIR, prints its pid; when its standard input ends it lets go of everybody.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_NODE 2
#define FILE_SIZE 4096

static void reply(int fuse, uint64_t unique, int error, const void *data, size_t len)
{
	char out[512];
	const struct fuse_out_header h = {
		.len = (uint32_t)(sizeof(h) + len), .error = -error, .unique = unique};

	memcpy(out, &h, sizeof(h));
	if (len)
		memcpy(out + sizeof(h), data, len);
	if (write(fuse, out, h.len) < 0 && errno != ENOENT)
		_exit(1);
}

static struct fuse_attr attributes(uint64_t node)
{
	struct fuse_attr a = {.ino = node, .nlink = 1, .blksize = 4096};

	a.mode = node == FILE_NODE ? S_IFREG | 0444 : S_IFDIR | 0755;
	a.size = node == FILE_NODE ? FILE_SIZE : 0;
	return a;
}

static void answer(int fuse, const struct fuse_in_header *in)
{
	struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION,
				     .minor = FUSE_KERNEL_MINOR_VERSION,
				     .max_write = 4096};
	struct fuse_entry_out entry = {.nodeid = FILE_NODE,
				       .entry_valid = 60,
				       .attr_valid = 60,
				       .attr = attributes(FILE_NODE)};
	struct fuse_attr_out attr = {.attr_valid = 60, .attr = attributes(in->nodeid)};
	struct fuse_open_out opened = {0};

	switch (in->opcode) {
	case FUSE_INIT:
		reply(fuse, in->unique, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		reply(fuse, in->unique, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		reply(fuse, in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		reply(fuse, in->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_READ:
	case FUSE_FORGET:
	case FUSE_INTERRUPT:
		break; /* for ever */
	default:
		reply(fuse, in->unique, ENOSYS, NULL, 0);
	}
}

static _Noreturn void serve(int fuse, pid_t parent)
{
	static char request[1 << 17];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent && read(fuse, request, sizeof(request)) > 0)
		answer(fuse, (const struct fuse_in_header *)request);
	_exit(0);
}

/* Holds the lock for reading. */
static _Noreturn void read_memory(pid_t pid, const void *at)
{
	char path[64], c;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, &c, 1, (off_t)(uintptr_t)at) < 0)
		_exit(1);
	_exit(0);
}

/* Wants it for writing. */
static void *change_map(void *unused)
{
	usleep(300000); /* the reader is first */
	return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int fail(const char *what, const char *dir)
{
	fprintf(stderr, "stuckcmdline: %s: %s\n", what, strerror(errno));
	if (dir)
		umount2(dir, MNT_DETACH);
	return 1;
}

int main(int argc, char **argv)
{
	char options[128], path[512], c;
	pid_t server, reader, self = getpid();
	pthread_t thread;
	void *map;
	int fuse, fd;

	if (argc != 2)
		return 2;
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fuse < 0)
		return fail("/dev/fuse", NULL);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	if (mount("stuckcmdline", argv[1], "fuse", MS_NOSUID | MS_NODEV, options))
		return fail(argv[1], NULL);
	server = fork();
	if (!server)
		serve(fuse, self);
	close(fuse);
	snprintf(path, sizeof(path), "%s/f", argv[1]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (server < 0 || fd < 0)
		return fail(path, argv[1]);
	map = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return fail("mmap", argv[1]);
	/* Once the map is locked nothing here may fault or allocate. */
	dprintf(1, "%d\n", (int)self);
	if (pthread_create(&thread, NULL, change_map, NULL))
		return fail("thread", argv[1]);
	reader = fork();
	if (!reader)
		read_memory(self, map);
	if (reader < 0)
		return fail("fork", argv[1]);
	while (read(0, &c, 1) > 0)
		;
	kill(server, SIGKILL); /* the connection ends, and with it every wait */
	waitpid(server, NULL, 0);
	waitpid(reader, NULL, 0);
	pthread_join(thread, NULL);
	umount2(argv[1], MNT_DETACH);
	return 0;
}
