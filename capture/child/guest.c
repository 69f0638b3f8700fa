/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/cleanup.h"

/* linux/ioprio.h is newer than some of the C libraries we build with. */
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_CLASS_BE 2
#define IOPRIO(class, level) ((class) << 13 | (level))

#define ENOUGH_FILES 256

static void be_first_to_die(void)
{
	_cleanup_fd_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "1000", 4) < 0) {
		/* Nothing depends on it. */
	}
}

static void no_core(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
}

/* Two pipes a child, and what each of them opens: a shell's low soft limit is not meant for that.
 */
static void enough_descriptors(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur >= ENOUGH_FILES)
		return;
	files.rlim_cur = files.rlim_max < ENOUGH_FILES ? files.rlim_max : ENOUGH_FILES;
	setrlimit(RLIMIT_NOFILE, &files);
}

/* Where huge pages are for all, looking into an empty table of ours would fetch the huge zero page:
 * 2 MiB, which no counter has and which stay.  Children inherit it. */
static void no_huge_pages(void)
{
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

void guest_enter(void)
{
	no_core();
	no_huge_pages();
	enough_descriptors();
	be_first_to_die();
	/* Not the idle class: it gets nothing from a disk that is saturated. */
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO(IOPRIO_CLASS_BE, 7));
}

void guest_child(uint64_t memory_limit)
{
	const struct sched_param param = {0};

	sched_setscheduler(0, SCHED_BATCH, &param);
#ifndef __SANITIZE_ADDRESS__
	/* A runaway is refused memory by the kernel before the next measurement sees it. */
	if (memory_limit) {
		const struct rlimit data = {2 * memory_limit + (32u << 20),
					    2 * memory_limit + (32u << 20)};

		setrlimit(RLIMIT_DATA, &data);
	}
#else
	(void)memory_limit;
#endif
}
