/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Probes tried on ourselves, before they are placed in anybody else. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "alloc_points.h"
#include "probe.h"
#include "probe_alloc.h"
#include "stacks.skel.h"

#define TRIES 200
#define FILTER_PATIENCE_NS NSEC_PER_SEC
#define URETPROBE 335 /* the system call of x86-64, since Linux 6.11 */

enum { TRY_UNHARMED, TRY_FILTERED, TRY_NO_FILTER, TRY_NO_WORD };

static __attribute__((noinline)) void try_me(size_t n)
{
	__asm__ volatile("" ::"r"(n) : "memory");
}

/* Where that function is in our own file. */
static bool own_point(struct alloc_point *ret)
{
	uint64_t at = (uintptr_t)&try_me;
	_cleanup_file_ FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	/* "START-END rwxp OFFSET …" */
	while (maps && fgets(line, sizeof(line), maps)) {
		char *p = line;
		uint64_t start = strtoull(p, &p, 16), end = *p == '-' ? strtoull(p + 1, &p, 16) : 0;

		if (at < start || at >= end || strlen(p) < 6)
			continue;
		*ret = (struct alloc_point){.kind = ALLOC_MALLOC,
					    .offset = at - start + strtoull(p + 6, NULL, 16),
					    .name = "ourselves",
					    .file = "/proc/self/exe"};
		return true;
	}
	return false;
}

uint64_t stacks_probe_alloc_cost(struct stacks_probe *p)
{
	struct stacks_allocs none = {0};
	uint32_t self = (uint32_t)getpid();
	size_t before = p->alloc_link_count;
	struct alloc_point at;
	struct err e = {0};
	uint64_t ns;

	if (!own_point(&at) ||
	    bpf_map_update_elem(bpf_map__fd(p->skel->maps.allocs), &self, &none, BPF_ANY) ||
	    stacks_probe_attach_file(p, (pid_t)self, &at, 1, 0, ALLOC_MALLOC, false, &e) < 0)
		return 0;
	ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (size_t i = 0; i < TRIES; i++)
		try_me(16);
	ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - ns;
	stacks_probe_drop_after(p, before);
	bpf_map_delete_elem(bpf_map__fd(p->skel->maps.allocs), &self);
	return ns / TRIES;
}

#ifdef __x86_64__
static _Noreturn void on_denied(int signal)
{
	(void)signal;
	_exit(TRY_FILTERED);
}

/* What a container's usual filter does with a system call that it does not know, but louder. */
static bool deny_uretprobe(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, URETPROBE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = ARRAY_SIZE(code), .filter = code};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

/* Waits for a byte, that the probe is there. */
static _Noreturn void try_filtered(int fd, pid_t parent)
{
	struct sigaction denied = {.sa_handler = on_denied};
	char go;

	/* Should it end in another way than by the signal, nobody wants its memory. */
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || read(fd, &go, 1) != 1 || sigaction(SIGSYS, &denied, NULL))
		_exit(TRY_NO_WORD);
	if (!deny_uretprobe())
		_exit(TRY_NO_FILTER);
	try_me(16);
	_exit(TRY_UNHARMED);
}

/* How it ended, as of waitpid(); negative: not known. */
static int end_of(pid_t child)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + FILTER_PATIENCE_NS;
	int status = 0;
	pid_t done;

	while (!(done = waitpid(child, &status, WNOHANG)) && clock_ns(CLOCK_MONOTONIC) < end)
		usleep(1000);
	if (done == child)
		return status;
	kill(child, SIGKILL);
	for (int i = 0; !done && i < 50; i++) {
		usleep(1000);
		done = waitpid(child, &status, WNOHANG);
	}
	return -ETIMEDOUT;
}

int stacks_probe_allocs_try(struct stacks_probe *p, struct err *e)
{
	int map = bpf_map__fd(p->skel->maps.allocs), status = -ECHILD, r, go[2];
	struct stacks_allocs n = {0};
	size_t before = p->alloc_link_count;
	pid_t self = getpid(), child;
	struct alloc_point at;
	uint32_t key;

	if (!own_point(&at) || pipe(go))
		return err_set(e, EIO, "return probes: there is nothing to try them on");
	child = fork();
	if (!child) {
		close(go[1]);
		try_filtered(go[0], self);
	}
	close(go[0]);
	key = (uint32_t)child;
	r = child < 0 || bpf_map_update_elem(map, &key, &n, BPF_ANY) ? -errno : 0;
	if (r < 0)
		err_set(e, -r, "return probes: trying one: %s", strerror(-r));
	else
		r = stacks_probe_attach_file(p, child, &at, 1, 0, ALLOC_FREE, true, e);
	/* Without the byte it ends as well: the pipe is closed. */
	if (!r && write(go[1], "", 1) != 1)
		r = err_set(e, EPIPE, "return probes: trying one: %s", strerror(EPIPE));
	close(go[1]);
	if (child > 0)
		status = end_of(child);
	stacks_probe_drop_after(p, before);
	bpf_map_lookup_elem(map, &key, &n);
	bpf_map_delete_elem(map, &key);
	if (r < 0)
		return r;
	if (status < 0 || !WIFEXITED(status) || WEXITSTATUS(status) == TRY_FILTERED)
		return err_set(e, ENOTSUP,
			       "this kernel's return probes make a system call that filters "
			       "(seccomp) deny: a process with one would die of them");
	if (WEXITSTATUS(status) != TRY_UNHARMED || !n.returns)
		return err_set(e, ENOTSUP,
			       "whether return probes harm a process whose system calls are "
			       "filtered (seccomp) cannot be tried here");
	return 0;
}
#else
/* Their trampoline is a breakpoint. */
int stacks_probe_allocs_try(struct stacks_probe *p, struct err *e)
{
	(void)p;
	(void)e;
	return 0;
}
#endif
