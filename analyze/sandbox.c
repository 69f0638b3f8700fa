/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../capture/base/cleanup.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define WITH_SANITIZER 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define WITH_SANITIZER 1
#endif

#define NOBODY 65534

/* What decoding needs once everything is open and warm: reading and writing descriptors that are
 * there, memory, and the end.  Nothing here can wait for something that never comes. */
static const int allowed[] = {
	SCMP_SYS(read),		 SCMP_SYS(pread64),	   SCMP_SYS(readv),
	SCMP_SYS(write),	 SCMP_SYS(writev),	   SCMP_SYS(lseek),
	SCMP_SYS(fstat),	 SCMP_SYS(close),	   SCMP_SYS(brk),
	SCMP_SYS(munmap),	 SCMP_SYS(mremap),	   SCMP_SYS(madvise),
	SCMP_SYS(clock_gettime), SCMP_SYS(getrandom),	   SCMP_SYS(rt_sigreturn),
	SCMP_SYS(exit),		 SCMP_SYS(exit_group),	   SCMP_SYS(gettimeofday),
#ifdef WITH_SANITIZER
	SCMP_SYS(sigaltstack),	 SCMP_SYS(futex),	   SCMP_SYS(getpid),
	SCMP_SYS(gettid),	 SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
	SCMP_SYS(sched_yield),	 SCMP_SYS(getrusage),	   SCMP_SYS(sched_getaffinity),
#endif
};

static int limit(int resource, rlim_t value, const char *name, struct err *e)
{
	struct rlimit now, want = {.rlim_cur = value, .rlim_max = value};

	/* Never above a limit that is there already. */
	if (getrlimit(resource, &now) == 0 && now.rlim_max < value)
		want.rlim_cur = want.rlim_max = now.rlim_max;
	if (setrlimit(resource, &want) < 0)
		return err_errno(e, errno, name);
	return 0;
}

static int enter_limits(uint64_t max_memory, unsigned max_cpu_s, struct err *e)
{
	int r = limit(RLIMIT_CPU, max_cpu_s, "sandbox: RLIMIT_CPU", e);

#ifndef WITH_SANITIZER /* its shadow memory takes terabytes of address space */
	if (r == 0)
		r = limit(RLIMIT_AS, max_memory, "sandbox: RLIMIT_AS", e);
#endif
	if (r == 0)
		r = limit(RLIMIT_NOFILE, 0, "sandbox: RLIMIT_NOFILE", e);
	if (r == 0)
		r = limit(RLIMIT_NPROC, 0, "sandbox: RLIMIT_NPROC", e);
	if (r == 0)
		r = limit(RLIMIT_FSIZE, 0, "sandbox: RLIMIT_FSIZE", e);
	if (r == 0)
		r = limit(RLIMIT_CORE, 0, "sandbox: RLIMIT_CORE", e);
	return r;
}

/*
 * From root to nobody.  In a user namespace where nobody is not mapped the ids stay what they are:
 * they are no real root then, and the filter below holds all the same.
 */
static int drop_root(struct err *e)
{
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return err_errno(e, errno, "sandbox: setgroups");
	if (setresgid(NOBODY, NOBODY, NOBODY) < 0 && errno != EINVAL && errno != EPERM)
		return err_errno(e, errno, "sandbox: setresgid");
	if (setresuid(NOBODY, NOBODY, NOBODY) < 0 && errno != EINVAL && errno != EPERM)
		return err_errno(e, errno, "sandbox: setresuid");
	return 0;
}

/* Every right that this kernel's landlock knows is handled, none is granted. */
static int enter_landlock(struct err *e)
{
	static const uint64_t rights_of_abi[] = {0, 0x1fff, 0x3fff, 0x7fff};
	struct {
		uint64_t handled_access_fs;
	} attr;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	_cleanup_fd_ int fd = -1;

	if (abi < 1) /* not built in, or not switched on: the filter forbids opening anyway */
		return 0;
	if (abi >= (long)ARRAY_SIZE(rights_of_abi))
		abi = ARRAY_SIZE(rights_of_abi) - 1;
	attr.handled_access_fs = rights_of_abi[abi];
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd < 0)
		return err_errno(e, errno, "sandbox: landlock_create_ruleset");
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return err_errno(e, errno, "sandbox: landlock_restrict_self");
	return 0;
}

static int add_rules(scmp_filter_ctx ctx)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(allowed); i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
		if (r == -EDOM) /* an architecture that never had this call */
			r = 0;
	}
	/* Memory, but never any that can be executed. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	/* glibc's fstat() is newfstatat(fd, "", …, AT_EMPTY_PATH). */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
				     SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH));
	return r;
}

static int enter_seccomp(struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = ctx ? add_rules(ctx) : -ENOMEM;

	if (r == 0)
		r = seccomp_load(ctx);
	if (ctx)
		seccomp_release(ctx);
	return r < 0 ? err_set(e, -r, "sandbox: seccomp: %s (the kernel must have seccomp filters)",
			       strerror(-r))
		     : 0;
}

int sandbox_enter(uint64_t max_memory, unsigned max_cpu_s, struct err *e)
{
	int r = drop_root(e);

	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(e, errno, "sandbox: PR_SET_NO_NEW_PRIVS");
	/* Changing the ids took it back. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_errno(e, errno, "sandbox: PR_SET_PDEATHSIG");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_errno(e, errno, "sandbox: PR_SET_DUMPABLE");
	r = enter_landlock(e);
	if (r == 0)
		r = enter_limits(max_memory, max_cpu_s, e);
	return r < 0 ? r : enter_seccomp(e);
}
