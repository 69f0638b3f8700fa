/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "jail.h"

#define NOBODY 65534

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

#define ALLOW(call)                                                                                \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1),                                         \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
/* Allowed only when the low half of argument arg, and with mask, is value. */
#define ALLOW_IF(call, arg, mask, value)                                                           \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 4),                                         \
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[arg])),      \
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (mask)),                                       \
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, 1),                                \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),                                      \
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))

static void filter(void)
{
#if defined(OUR_ARCH) && !defined(__SANITIZE_ADDRESS__)
	static const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_pread64),
		ALLOW(SYS_write),
		ALLOW(SYS_sendto),
		ALLOW(SYS_recvmsg),
		ALLOW(SYS_close),
		ALLOW(SYS_brk),
		ALLOW(SYS_munmap),
		ALLOW(SYS_madvise),
		ALLOW(SYS_sysinfo), /* glibc's qsort asks how much memory there is */
		ALLOW(SYS_exit_group),
		ALLOW(SYS_restart_syscall),
		/* Memory of its own, never executable; growing it too. */
		ALLOW(SYS_mremap),
		ALLOW_IF(SYS_mmap, 2, (unsigned)PROT_EXEC, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {.len = ARRAY_SIZE(code), .filter = (struct sock_filter *)code};

	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
#endif
}

void jail_enter(void)
{
	const struct rlimit none = {0};

	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_FSIZE, &none);
	setrlimit(RLIMIT_NPROC, &none);
	/* A user namespace may not know nobody: then the filter alone holds us, and we are no more
	 * than the namespace's root. */
	if (geteuid() == 0) {
		(void)!setgroups(0, NULL);
		(void)!setresgid(NOBODY, NOBODY, NOBODY);
		(void)!setresuid(NOBODY, NOBODY, NOBODY);
		/* Forgotten by the kernel when credentials change. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	}
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	filter();
}
