/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two processes do the reading (symbols.h); this one only listens, with a clock at hand.  What it
 * hears is checked as if the customer had said it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../child/child_main.h"
#include "kallsyms.h"
#include "opener.h"
#include "reader.h"

#define MODULE_NS (2 * NSEC_PER_SEC) /* without a word, on one module */
#define HURRY_NS (300 * NSEC_PER_MSEC)
#define DIE_NS (200 * NSEC_PER_MSEC)
#define PAIRS_MAX 16 /* of processes, one after another */
#define IN_BUFFER (64u << 10)

struct pair {
	pid_t opener, reader;
	int fd; /* what the reader says */
};

struct listener {
	struct symbols *s;
	struct symbols_outcome *outcome;
	uint32_t module; /* at hand; UINT32_MAX: none yet */
	uint32_t name;	 /* the last one */
	bool ended, broken;
	size_t len;
	char in[IN_BUFFER];
};

/* ------------------------------------------------------------------ the two processes */

static int start_pair(struct pair *p, const struct symbols *s, const uint32_t *order,
		      uint32_t first, const struct sysroot *root)
{
	pid_t parent = getpid();
	int sock[2], fds[2];

	*p = (struct pair){.fd = -1};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock))
		return -errno;
	if (pipe2(fds, O_CLOEXEC)) {
		close(sock[0]);
		close(sock[1]);
		return -errno;
	}
	p->opener = fork();
	if (p->opener == 0) {
		struct sysroot r = *root;
		int *keep[] = {&sock[0], &r.root_fd, &r.proc_fd};

		child_detach(parent, keep, ARRAY_SIZE(keep));
		opener_run(sock[0], &r);
	}
	if (p->opener > 0)
		p->reader = fork();
	if (p->reader == 0 && p->opener > 0) {
		int *keep[] = {&sock[1], &fds[1]};

		child_detach(parent, keep, ARRAY_SIZE(keep));
		reader_run(s, order, first, sock[1], fds[1]);
	}
	close(sock[0]);
	close(sock[1]);
	close(fds[1]);
	p->fd = fds[0];
	fcntl(p->fd, F_SETFL, O_NONBLOCK);
	return p->opener > 0 && p->reader > 0 ? 0 : -EAGAIN;
}

/* Kill and reap; a process that does not die is left behind. */
static void end_process(pid_t pid, struct symbols_outcome *o)
{
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + DIE_NS;
	pid_t r;

	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	while ((r = waitpid(pid, NULL, WNOHANG)) == 0 || (r < 0 && errno == EINTR)) {
		const struct timespec ms = {.tv_nsec = 1000000};

		if (clock_ns(CLOCK_MONOTONIC) > until) {
			o->left_behind = pid;
			return;
		}
		nanosleep(&ms, NULL);
	}
}

static void end_pair(struct pair *p, struct symbols_outcome *o)
{
	if (p->fd >= 0)
		close(p->fd);
	end_process(p->reader, o);
	end_process(p->opener, o);
}

/* ------------------------------------------------------------------ listening */

static bool heard_module(struct listener *l, const struct said *h, const char *payload)
{
	struct symbol_module *m;
	struct said_module said;

	if (h->index != l->module || h->len != sizeof(said))
		return false;
	memcpy(&said, payload, sizeof(said));
	if (said.status > MODULE_STUCK || said.source > FOUND_SELF || said.no < 0 ||
	    said.no > 4095 || said.load_count > ELF_LOADS_MAX ||
	    said.build_id_len > SYMBOLS_BUILD_ID_MAX)
		return false;
	m = &l->s->modules[h->index];
	m->status = said.status;
	m->source = said.source;
	m->no = said.no;
	m->has_debug = said.has_debug != 0;
	if (!m->build_id_len) {
		m->build_id_len = said.build_id_len;
		memcpy(m->build_id, said.build_id, said.build_id_len);
	}
	m->load_count = (uint8_t)said.load_count;
	for (unsigned i = 0; i < said.load_count; i++)
		m->loads[i] = (struct elf_load){.offset = said.loads[i].offset,
						.vaddr = said.loads[i].vaddr,
						.filesz = said.loads[i].filesz,
						.exec = true};
	return true;
}

/* False: it talks nonsense. */
static bool heard(struct listener *l, const struct said *h, const char *payload)
{
	struct symbols *s = l->s;
	struct symbol_row *row;

	switch (h->kind) {
	case SAID_BEGIN:
		/* Forward only, so that there is an end. */
		if (h->index >= s->module_count || s->modules[h->index].status != MODULE_UNREAD ||
		    (l->module != UINT32_MAX && h->index <= l->module))
			return false;
		l->module = h->index;
		l->name = 0;
		return true;
	case SAID_MODULE:
		return heard_module(l, h, payload);
	case SAID_END:
		l->ended = true;
		return true;
	case SAID_NAME:
	case SAID_SAME:
	case SAID_PLACE:
		break;
	default:
		return false;
	}
	if (h->index >= s->row_count || s->rows[h->index].module != l->module)
		return false;
	row = &s->rows[h->index];
	row->address = h->address;
	if (h->kind == SAID_PLACE)
		return true;
	if (h->kind == SAID_NAME)
		l->name = symbols_keep_name(s, payload, strnlen(payload, h->len));
	row->name = l->name;
	row->symbol = h->symbol;
	return true;
}

/* Everything complete in the buffer. */
static void hear_all(struct listener *l)
{
	size_t at = 0;

	while (!l->broken && !l->ended && l->len - at >= sizeof(struct said)) {
		struct said h;

		memcpy(&h, l->in + at, sizeof(h));
		if (h.len > ELF_NAME_MAX) {
			l->broken = true;
			break;
		}
		if (l->len - at < sizeof(h) + h.len)
			break;
		l->broken = !heard(l, &h, l->in + at + sizeof(h));
		at += sizeof(h) + h.len;
	}
	memmove(l->in, l->in + at, l->len - at);
	l->len -= at;
}

enum end { END_ALL, END_SILENT, END_GONE, END_TIME };

static enum end listen_to(struct listener *l, const struct pair *p, uint64_t *until, int *stop_fd)
{
	uint64_t heard_ns = clock_ns(CLOCK_MONOTONIC);

	for (;;) {
		struct pollfd f[] = {{.fd = p->fd, .events = POLLIN},
				     {.fd = *stop_fd, .events = POLLIN}};
		uint64_t now = clock_ns(CLOCK_MONOTONIC), silent = heard_ns + MODULE_NS, next;
		ssize_t n;

		if (now >= *until)
			return END_TIME;
		if (now >= silent)
			return END_SILENT;
		next = silent < *until ? silent : *until;
		if (poll(f, 2, (int)((next - now) / NSEC_PER_MSEC) + 1) <= 0)
			continue;
		if (f[1].revents) {
			*stop_fd = -1;
			if (*until > now + HURRY_NS)
				*until = now + HURRY_NS;
		}
		if (!f[0].revents)
			continue;
		n = read(p->fd, l->in + l->len, sizeof(l->in) - l->len);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return END_GONE;
		l->len += (size_t)n;
		heard_ns = now;
		hear_all(l);
		if (l->ended)
			return END_ALL;
		if (l->broken)
			return END_GONE;
	}
}

/* The module at hand is what the pair came to grief on. */
static void blame(struct listener *l, enum end why)
{
	struct symbol_module *m;

	if (l->module == UINT32_MAX)
		return;
	m = &l->s->modules[l->module];
	m->status = why == END_SILENT ? MODULE_STUCK : MODULE_BAD;
	m->no = why == END_SILENT ? ETIMEDOUT : EBADMSG;
	if (!l->outcome->note[0])
		snprintf(l->outcome->note, sizeof(l->outcome->note), "%.200s: %s", m->path,
			 why == END_SILENT ? "no answer while reading its symbols"
					   : "its reader ended (a damaged or hostile file)");
}

static int resolve_files(struct symbols *s, const uint32_t *order, const struct sysroot *root,
			 uint64_t until, int stop_fd, struct symbols_outcome *o)
{
	struct listener *l = malloc(sizeof(*l));
	uint32_t first = 1;
	int r = l ? 0 : -ENOMEM;

	for (unsigned i = 0; i < PAIRS_MAX && !r; i++) {
		struct pair p;
		enum end why = END_GONE;

		*l = (struct listener){.s = s, .outcome = o, .module = UINT32_MAX};
		r = start_pair(&p, s, order, first, root);
		if (!r)
			why = listen_to(l, &p, &until, &stop_fd);
		end_pair(&p, o);
		if (r || why == END_ALL)
			break;
		if (why == END_TIME) {
			o->out_of_time = true;
			break;
		}
		blame(l, why);
		if (l->module == UINT32_MAX) /* it did not even begin */
			r = -ECHILD;
		else
			first = l->module + 1;
	}
	free(l);
	return r;
}

/* ------------------------------------------------------------------ all of it */

static void resolve_kernel(struct symbols *s, const uint32_t *order, const struct sysroot *root,
			   struct symbols_outcome *o)
{
	_cleanup_fd_ int fd = -1;
	uint32_t count = 0;
	int r;

	while (count < s->row_count && s->rows[order[count]].module == 0)
		count++;
	if (!count)
		return;
	fd = openat(root->proc_fd, "kallsyms", O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : kallsyms_name(s, order, 0, count, fd);
	kernel_build_ids(s, root->sys_fd);
	if (!r)
		return;
	o->kernel_restricted = r == -EACCES || r == -EPERM;
	s->modules[0].status = o->kernel_restricted ? MODULE_REFUSED : MODULE_ABSENT;
	s->modules[0].no = -r;
	snprintf(o->note, sizeof(o->note), "/proc/kallsyms: %s",
		 o->kernel_restricted ? "addresses are hidden (kernel.kptr_restrict, or not root)"
				      : strerror(-r));
}

static void count_outcome(const struct symbols *s, struct symbols_outcome *o)
{
	uint8_t *asked = calloc(s->module_count, 1);

	o->wanted = s->row_count;
	for (uint32_t i = 0; i < s->row_count; i++) {
		o->named += s->rows[i].name != 0;
		if (asked)
			asked[s->rows[i].module] = 1;
	}
	for (uint32_t i = 0; i < s->module_count && asked; i++) {
		o->modules += asked[i];
		o->modules_unread += asked[i] && s->modules[i].status != MODULE_READ;
	}
	free(asked);
	o->maps_dropped = s->maps_dropped;
	o->wants_dropped = s->wants_dropped;
	o->names_dropped = s->names_dropped;
}

int symbols_resolve(struct symbols *s, const struct sysroot *root, uint64_t until_ns, int stop_fd,
		    struct symbols_outcome *ret)
{
	_cleanup_free_ uint32_t *order = symbols_order(s);
	struct symbols_outcome o = {0};
	int r = 0;

	if (!order)
		return -ENOMEM;
	if (!root->recorded) {
		resolve_kernel(s, order, root, &o);
		r = resolve_files(s, order, root, until_ns, stop_fd, &o);
	}
	count_outcome(s, &o);
	if (r && !o.note[0])
		snprintf(o.note, sizeof(o.note), "symbols: %s", strerror(-r));
	*ret = o;
	return 0;
}
