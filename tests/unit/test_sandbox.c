/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the worker's sandbox forbids, tried out in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../analyze/sandbox.h"

/* Runs try in the sandbox; its result becomes the exit status.  Returns waitpid's status. */
static int inside(int (*try)(void))
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct err e = {0};

		if (sandbox_enter(1ULL << 32, 2, &e) < 0) {
			dprintf(2, "%s\n", e.text);
			_exit(111);
		}
		_exit(try());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 111);
	return status;
}

static void assert_killed(int (*try)(void))
{
	int status = inside(try);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static int try_open(void)
{
	return open("/etc/passwd", O_RDONLY) >= 0;
}
static int try_openat2(void)
{
	return syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", NULL, 0) >= 0;
}
static int try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}
static int try_execve(void)
{
	char *argv[] = {"/bin/true", NULL};

	execve(argv[0], argv, NULL);
	return 0;
}
static int try_fork(void)
{
	return fork() >= 0;
}
static int try_kill(void)
{
	return kill(getppid(), 0);
}
static int try_ptrace(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}
static int try_executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) != MAP_FAILED;
}
static int try_mprotect(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}
/* A worker that only waits would hang the analyzer for ever. */
static int try_sleep(void)
{
	const struct timespec t = {.tv_sec = 1};

	return nanosleep(&t, NULL);
}
static int try_poll(void)
{
	return poll(NULL, 0, 1000);
}
static int try_stat(void)
{
	struct stat st;

	return stat("/etc/passwd", &st);
}
static int try_unlink(void)
{
	return unlink("/tmp/ossnap-no-such-file");
}
static int try_setrlimit(void)
{
	const struct rlimit l = {1, 1};

	return setrlimit(RLIMIT_CPU, &l);
}

static void forbidden_calls_kill(void **state)
{
	assert_killed(try_open);
	assert_killed(try_openat2);
	assert_killed(try_socket);
	assert_killed(try_execve);
	assert_killed(try_fork);
	assert_killed(try_kill);
	assert_killed(try_ptrace);
	assert_killed(try_executable_memory);
	assert_killed(try_mprotect);
	assert_killed(try_sleep);
	assert_killed(try_poll);
	assert_killed(try_stat);
	assert_killed(try_unlink);
	assert_killed(try_setrlimit);
}

static int work(void)
{
	char *p = malloc(8 << 20), byte;
	struct stat st;

	if (!p || fstat(STDIN_FILENO, &st) < 0)
		return 1;
	memset(p, 1, 8 << 20);
	p = realloc(p, 16 << 20);
	if (!p)
		return 2;
	free(p);
	return pread(STDIN_FILENO, &byte, 1, 0) == 1 && byte == 'x' ? 0 : 3;
}

static void the_work_goes_on(void **state)
{
	int fd = memfd_create("archive", 0), saved = dup(STDIN_FILENO), status;

	assert_int_equal(write(fd, "x", 1), 1);
	assert_true(dup2(fd, STDIN_FILENO) >= 0);
	status = inside(work);
	dup2(saved, STDIN_FILENO);
	close(saved);
	close(fd);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int spin(void)
{
	for (volatile uint64_t i = 0;; i++)
		;
	return 0;
}

static void endless_work_ends(void **state)
{
	int status = inside(spin);

	assert_true(WIFSIGNALED(status));
	assert_true(WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL);
}

#ifndef __SANITIZE_ADDRESS__ /* there is no address-space limit there */
static void memory_is_bounded(void **state)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct err e = {0};

		if (sandbox_enter(256 << 20, 2, &e) < 0)
			_exit(111);
		_exit(malloc(512 << 20) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}
#endif

/* Seen from outside, while it spins: no root, no new privileges. */
static void privileges_are_gone(void **state)
{
	char path[64], text[4096] = "";
	int ready[2], status, fd;
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct err e = {0};

		close(ready[0]);
		if (sandbox_enter(1ULL << 32, 5, &e) < 0)
			_exit(111);
		if (write(ready[1], "x", 1) != 1)
			_exit(112);
		spin();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_non_null(strstr(text, "NoNewPrivs:\t1"));
	assert_non_null(strstr(text, "Seccomp:\t2"));
	assert_non_null(strstr(text, "CapEff:\t0000000000000000"));
	if (geteuid() == 0)
		assert_non_null(strstr(text, "Uid:\t65534\t65534\t65534\t65534"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forbidden_calls_kill), cmocka_unit_test(the_work_goes_on),
		cmocka_unit_test(endless_work_ends),
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test(memory_is_bounded),
#endif
		cmocka_unit_test(privileges_are_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
