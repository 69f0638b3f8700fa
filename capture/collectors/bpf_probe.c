/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bpf_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>

#include <bpf/libbpf.h>

#include "../base/cleanup.h"
#include "../base/clock.h"

/* The turn of five others takes less than this, also on a slow machine. */
#define LOCK_NS (3 * NSEC_PER_SEC)
#define LOAD_NS (5 * NSEC_PER_SEC)
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#define CAP_BPF 39
#endif

static uint64_t effective_capabilities(const struct sysroot *root)
{
	char text[4096];
	const char *p;

	if (read_file_at(root->proc_fd, "self/status", text, sizeof(text)) <= 0)
		return 0;
	p = strstr(text, "\nCapEff:");
	return p ? strtoull(p + 8, NULL, 16) : 0;
}

static bool locked_down(const struct sysroot *root)
{
	char text[128];

	return root->sys_fd >= 0 &&
	       read_file_at(root->sys_fd, "kernel/security/lockdown", text, sizeof(text)) > 0 &&
	       strstr(text, "[confidentiality]");
}

static void refuse(struct probe_result *ret, enum collector_status s, int no, const char *fmt,
		   const char *arg)
{
	ret->status = s;
	ret->no = no;
	snprintf(ret->reason, sizeof(ret->reason), fmt, arg);
}

void bpf_probe_ask(const struct capture_options *o, const struct sysroot *root,
		   struct probe_result *ret)
{
	const uint64_t both = 1ULL << CAP_PERFMON | 1ULL << CAP_BPF;
	struct stat st;

	*ret = (struct probe_result){.status = COLLECTOR_OK, .expected_bytes = 32 << 10};
	if (root->recorded)
		return refuse(ret, COLLECTOR_UNSUPPORTED, ENOTSUP,
			      "%s: a recorded tree; nothing happens in it", root->path);
	uint64_t caps = effective_capabilities(root);

	if ((caps & both) != both && !(caps >> CAP_SYS_ADMIN & 1))
		return refuse(ret, COLLECTOR_DENIED, EPERM,
			      "bpf: %s (needs CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN)",
			      strerror(EPERM));
	if (locked_down(root))
		return refuse(ret, COLLECTOR_DENIED, EPERM,
			      "bpf: %s (kernel lockdown=confidentiality)", strerror(EPERM));
	if (!o->btf_file &&
	    (root->sys_fd < 0 || fstatat(root->sys_fd, "kernel/btf/vmlinux", &st, 0) < 0))
		return refuse(ret, COLLECTOR_UNSUPPORTED, ENOENT,
			      "/sys/kernel/btf/vmlinux: %s; --btf FILE gives the kernel's types",
			      strerror(ENOENT));
}

/* A name in the abstract namespace of sockets is given back whatever becomes of its owner. */
int bpf_probe_lock(const struct collect *c)
{
	const struct timespec pause = {0, 2 * (long)NSEC_PER_MSEC};
	const uint64_t end = clock_ns(CLOCK_MONOTONIC) + LOCK_NS;
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), len;

	if (fd < 0)
		return -1;
	len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "ossnap-load-%d-%llu",
		       (int)getppid(), (unsigned long long)c->window_start_ns);
	while (bind(fd, (struct sockaddr *)&name,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) < 0) {
		if (errno != EADDRINUSE || clock_ns(CLOCK_MONOTONIC) >= end ||
		    collect_stopping(c)) {
			close(fd);
			return -1;
		}
		nanosleep(&pause, NULL);
	}
	return fd;
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

int bpf_probe_load(const struct collect *c,
		   struct bpf_object_skeleton *(*open)(void *ctx,
						       const struct bpf_object_open_opts *opts),
		   void *ctx, struct bpf_object_skeleton **ret, struct err *e)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = c->options->btf_file);
	const uint64_t end = clock_ns(CLOCK_MONOTONIC) + LOAD_NS;
	libbpf_print_fn_t before = libbpf_set_print(quiet);
	struct bpf_object_skeleton *s;
	int r;

	/* The verifier gives up when a signal comes, and the CPU budget stops us by signals. */
	do {
		s = open(ctx, &opts);
		r = s ? bpf_object__load_skeleton(s) : -errno;
		if (r < 0)
			bpf_object__destroy_skeleton(s);
	} while (r == -EAGAIN && clock_ns(CLOCK_MONOTONIC) < end && !collect_stopping(c));
	libbpf_set_print(before);
	emit_started(c->out);
	if (r == -EPERM || r == -EACCES)
		return err_set(e, -r, "bpf: %s (needs CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN)",
			       strerror(-r));
	if (r < 0)
		return err_errno(e, r, "bpf: loading the programs");
	*ret = s;
	return 0;
}

void bpf_probe_status(struct collect *c, int r, const struct err *e)
{
	enum collector_status s = COLLECTOR_ERROR;

	if (r == -EPERM || r == -EACCES)
		s = COLLECTOR_DENIED;
	else if (r == -ETIME)
		s = COLLECTOR_SKIPPED;
	else if (r == -ENOTSUP || r == -ENOENT || r == -ENOSYS || r == -EINVAL || r == -ESRCH ||
		 r == -ERANGE)
		s = COLLECTOR_UNSUPPORTED;
	emit_status(c->out, s, e->no, "%s", e->text);
}
