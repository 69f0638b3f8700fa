/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "maker.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../child/child_main.h"
#include "../symbols/elf_file.h"
#include "../symbols/jail.h"
#include "../symbols/opener.h"
#include "cfi.h"

#define PATIENCE_NS (2 * NSEC_PER_SEC)
#define DEATHS_MAX 5
#define VDSO_MAX (256u << 10)

/* ------------------------------------------------------------------ the reader */

struct reader {
	int asker, opener;
	struct stacks_row *rows;
	uint32_t max, used;
};

struct wire_question {
	uint32_t file, used;
	uint32_t pid, major, minor, path_len;
	uint64_t start, end, ino;
	char path[OPEN_PATH_MAX];
};

/* The filter knows recvmsg(), not recv(). */
static ssize_t receive(int fd, void *buf, size_t cap)
{
	struct iovec iov = {.iov_base = buf, .iov_len = cap};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	do {
		n = recvmsg(fd, &m, 0);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* The vDSO is in everybody's memory; it ends with its section headers. */
static int vdso_source(struct elf_source *ret)
{
	/* An address is all that the kernel gives. */
	const Elf64_Ehdr *e = (const void *)getauxval(AT_SYSINFO_EHDR); /* NOLINT */
	uint64_t size;

	if (!e || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0)
		return -ENOENT;
	size = e->e_shoff + (uint64_t)e->e_shnum * e->e_shentsize;
	if (size > VDSO_MAX)
		return -EFBIG;
	*ret = (struct elf_source){.fd = -1, .mem = (const uint8_t *)e, .size = size};
	return 0;
}

static int open_file(const struct reader *rd, const struct wire_question *q, struct elf_source *ret)
{
	static struct open_question o;
	static const enum opening ways[] = {OPEN_MAP_FILES, OPEN_ROOT, OPEN_HOST};
	int r = -ENOENT, fd;
	uint64_t size;

	if (q->path_len == 6 && !memcmp(q->path, "[vdso]", 6))
		return vdso_source(ret);
	o = (struct open_question){.pid = q->pid,
				   .start = q->start,
				   .end = q->end,
				   .major = q->major,
				   .minor = q->minor,
				   .ino = q->ino,
				   .path_len = q->path_len};
	memcpy(o.path, q->path, q->path_len);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		o.how = ways[i];
		r = opener_ask(rd->opener, &o, &fd, &size);
		if (!r) {
			*ret = (struct elf_source){.fd = fd, .size = size};
			return 0;
		}
	}
	return r;
}

static void take_loads(const struct elf_file *f, struct maker_answer *a)
{
	for (size_t i = 0; i < f->load_count && a->load_count < MAKER_LOADS; i++) {
		const struct elf_load *l = &f->loads[i];

		if (l->exec)
			a->loads[a->load_count++] =
				(struct maker_load){l->offset, l->vaddr, l->filesz};
	}
}

static int make(struct reader *rd, const struct wire_question *q, struct maker_answer *a)
{
	static struct elf_file f;
	struct elf_source src;
	struct cfi_result result;
	int r = open_file(rd, q, &src);

	if (r)
		return r;
	r = elf_open(&f, &src);
	if (!r) {
		take_loads(&f, a);
		/* One file is not to take the room of all others. */
		uint32_t left = rd->max - rd->used, most = rd->max / 2;

		r = cfi_read(&src, rd->rows + rd->used, left < most ? left : most, &result);
		if (r == -ENOSPC && left >= most)
			r = -E2BIG;
	}
	if (!r) {
		a->first = rd->used;
		a->last = rd->used += (uint32_t)result.rows;
	}
	if (src.fd >= 0)
		close(src.fd);
	return r;
}

static _Noreturn void reader_run(struct reader *rd)
{
	static struct wire_question q;

	jail_enter();
	for (;;) {
		struct maker_answer a = {0};
		ssize_t n = receive(rd->asker, &q, sizeof(q));

		if (n < (ssize_t)offsetof(struct wire_question, path) ||
		    q.path_len != (size_t)n - offsetof(struct wire_question, path))
			_exit(0);
		a.file = q.file;
		rd->used = q.used;
		a.no = make(rd, &q, &a);
		if (send(rd->asker, &a, sizeof(a), MSG_NOSIGNAL) < 0)
			_exit(0);
	}
}

/* ------------------------------------------------------------------ the asker */

static void close_pair(const int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

static int start(struct maker *m)
{
	pid_t self = getpid();
	int ask[2], open[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ask))
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, open)) {
		close_pair(ask);
		return -errno;
	}
	m->opener = fork();
	if (!m->opener) {
		struct sysroot root = *m->root;
		int *keep[] = {&open[1], &root.root_fd, &root.proc_fd, &root.sys_fd};

		child_detach(self, keep, ARRAY_SIZE(keep));
		opener_run(open[1], &root);
	}
	m->reader = m->opener < 0 ? -1 : fork();
	if (!m->reader) {
		struct reader rd = {
			.asker = ask[1], .opener = open[0], .rows = m->rows, .max = m->max_rows};
		int *keep[] = {&rd.asker, &rd.opener};

		child_detach(self, keep, ARRAY_SIZE(keep));
		reader_run(&rd);
	}
	close(ask[1]);
	close_pair(open);
	if (m->reader < 0) {
		close(ask[0]);
		m->reader = 0;
		return -EAGAIN;
	}
	m->fd = ask[0];
	return 0;
}

/* A child that is stuck in the kernel is left; it dies with the mount it waits for. */
static void end_child(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	for (int i = 0; i < 20 && waitpid(*pid, NULL, WNOHANG) == 0; i++)
		usleep(1000);
	*pid = 0;
}

static void stop(struct maker *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
	end_child(&m->reader);
	end_child(&m->opener);
}

void maker_init(struct maker *m, const struct sysroot *root, struct stacks_row *rows,
		uint32_t max_rows)
{
	*m = (struct maker){.root = root, .rows = rows, .max_rows = max_rows, .fd = -1};
}

void maker_deinit(struct maker *m)
{
	stop(m);
}

int maker_ask(struct maker *m, const struct maker_question *q, uint64_t now)
{
	static struct wire_question w;
	size_t len = strnlen(q->path, OPEN_PATH_MAX - 1);
	int r;

	if (m->busy)
		return -EBUSY;
	if (m->died >= DEATHS_MAX)
		return -EPIPE;
	if (m->fd < 0 && (r = start(m)) < 0) {
		m->died = DEATHS_MAX;
		return r;
	}
	w = (struct wire_question){.file = q->file,
				   .used = m->used_rows,
				   .pid = q->pid,
				   .major = q->major,
				   .minor = q->minor,
				   .path_len = (uint32_t)len,
				   .start = q->start,
				   .end = q->end,
				   .ino = q->ino};
	memcpy(w.path, q->path, len);
	m->busy = true;
	m->asked_file = q->file;
	m->asked_ns = now;
	/* What cannot be sent is found out when the answer does not come. */
	send(m->fd, &w, offsetof(struct wire_question, path) + len, MSG_NOSIGNAL | MSG_DONTWAIT);
	return 0;
}

bool maker_answered(struct maker *m, uint64_t now, struct maker_answer *ret)
{
	struct maker_answer a;
	ssize_t n;

	if (!m->busy)
		return false;
	n = recv(m->fd, &a, sizeof(a), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR) && now - m->asked_ns < PATIENCE_NS)
		return false;
	m->busy = false;
	/* It reads hostile files: what it says is checked. */
	if (n == sizeof(a) && a.file == m->asked_file && a.load_count <= MAKER_LOADS &&
	    (a.no || (a.first == m->used_rows && a.last > a.first && a.last <= m->max_rows))) {
		if (!a.no)
			m->used_rows = a.last;
		*ret = a;
		return true;
	}
	*ret = (struct maker_answer){.file = m->asked_file, .no = n < 0 ? -ETIMEDOUT : -ECHILD};
	m->stuck += n < 0;
	m->dead += n >= 0;
	m->died++;
	stop(m);
	return true;
}
