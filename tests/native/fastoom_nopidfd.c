/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel as it was before pidfds: fastoom_nopidfd COMMAND [ARGUMENT...] runs the command with
 * pidfd_open, pidfd_send_signal and process_mrelease answering ENOSYS.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 424, 3, 0), /* pidfd_send_signal */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 434, 2, 0), /* pidfd_open */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 448, 1, 0), /* process_mrelease */
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};
	const struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (argc < 2)
		return 2;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		perror("fastoom_nopidfd: seccomp");
		return 77;
	}
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
