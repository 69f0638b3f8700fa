/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A helper that is stuck, and one that does not go when it is killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../capture/stacks/helper.h"

struct words {
	int sleep;
	pid_t pid;
};

static void serve(int proc_fd, void *shared)
{
	struct words *w = shared;

	(void)proc_fd;
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	w->pid = getpid();
	while (w->sleep)
		pause();
}

static void one_that_is_stuck(void **state)
{
	struct sysroot root = {.proc_fd = -1};
	struct helper *h;
	struct words *w;
	pid_t first;

	assert_int_equal(helper_create(&h, &root, sizeof(*w), serve), 0);
	w = helper_shared(h);
	assert_int_equal(helper_ask(h), 0);
	first = w->pid;
	w->sleep = 1;
	assert_int_equal(helper_ask(h), -ETIMEDOUT);
	assert_int_equal(helper_left_behind(h), 0);
	assert_int_equal(kill(first, 0), -1);
	w->sleep = 0;
	assert_int_equal(helper_ask(h), 0);
	assert_int_not_equal(w->pid, first);
	helper_destroy(h);
}

/* What is traced stays until its tracer has seen it die: to its parent it does not die. */
static void one_that_stays(void **state)
{
	struct sysroot root = {.proc_fd = -1};
	int ready[2];
	struct helper *h;
	struct words *w;
	pid_t held, tracer;
	char c;

	assert_int_equal(helper_create(&h, &root, sizeof(*w), serve), 0);
	w = helper_shared(h);
	assert_int_equal(helper_ask(h), 0);
	held = w->pid;
	assert_int_equal(pipe(ready), 0);
	tracer = fork();
	if (!tracer) {
		c = ptrace(PTRACE_SEIZE, held, NULL, NULL) ? 'n' : 'y';
		(void)!write(ready[1], &c, 1);
		pause();
		_exit(0);
	}
	assert_true(tracer > 0);
	assert_int_equal(read(ready[0], &c, 1), 1);
	if (c == 'y') {
		w->sleep = 1;
		assert_int_equal(helper_ask(h), -ETIMEDOUT);
		assert_int_equal(helper_left_behind(h), held);
		w->sleep = 0;
		assert_int_equal(helper_ask(h), 0); /* another one */
		assert_int_equal(helper_left_behind(h), held);
	}
	kill(tracer, SIGKILL);
	waitpid(tracer, NULL, 0);
	for (int i = 0; i < 1000 && helper_left_behind(h); i++)
		usleep(1000);
	assert_int_equal(helper_left_behind(h), 0); /* it died since */
	helper_destroy(h);
	close(ready[0]);
	close(ready[1]);
	if (c != 'y')
		skip(); /* nobody may trace here */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_is_stuck),
		cmocka_unit_test(one_that_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
