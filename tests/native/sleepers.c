/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * N processes that sleep, cheaply: forks of this one.  Prints their pids, one a line, then an
 * empty line; ends them all when its standard input ends or it is told to.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t told;

static void on_signal(int sig)
{
	told = 1;
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
	const struct sigaction action = {.sa_handler = on_signal};
	pid_t self = getpid(), *pid;
	long made = 0;
	char c;

	if (count < 1 || count > 100000 || !(pid = calloc((size_t)count, sizeof(*pid)))) {
		fprintf(stderr, "usage: sleepers COUNT\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	for (; made < count; made++) {
		pid[made] = fork();
		if (pid[made] < 0) {
			perror("sleepers: fork");
			break;
		}
		if (!pid[made]) {
			signal(SIGTERM, SIG_DFL);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(0);
			close(1);
			while (getppid() == self)
				pause();
			_exit(0);
		}
		printf("%d\n", (int)pid[made]);
	}
	printf("\n");
	fflush(stdout);
	while (made == count && !told && read(0, &c, 1) > 0)
		;
	for (long i = 0; i < made; i++)
		kill(pid[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	free(pid);
	return made == count ? 0 : 1;
}
