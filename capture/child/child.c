/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/clock.h"
#include "child.h"
#include "child_main.h"

void child_init(struct child *c, const struct collector *collector)
{
	*c = (struct child){.collector = collector, .fd = -1, .stop_fd = -1};
	snprintf(c->result.name, sizeof(c->result.name), "%s", collector->name);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int child_start(struct child *c, const struct collect *t, double now_ms)
{
	int data[2], stop[2];
	pid_t parent = getpid();

	c->result.start_ms = c->result.end_ms = now_ms;
	if (pipe2(data, O_CLOEXEC)) {
		int no = errno;

		child_status(c, COLLECTOR_ERROR, no, "pipe: %s", strerror(no));
		return -no;
	}
	if (pipe2(stop, O_CLOEXEC)) {
		int no = errno;

		close(data[0]);
		close(data[1]);
		child_status(c, COLLECTOR_ERROR, no, "pipe: %s", strerror(no));
		return -no;
	}
	pid_t pid = fork();
	if (pid == 0)
		child_run(c->collector, t, data[1], stop[0], parent);
	int no = errno;
	close(data[1]);
	close(stop[0]);
	if (pid < 0) {
		close(data[0]);
		close(stop[1]);
		child_status(c, COLLECTOR_ERROR, no, "fork: %s", strerror(no));
		return -no;
	}
	fcntl(data[0], F_SETFL, O_NONBLOCK);
	c->fd = data[0];
	c->stop_fd = stop[1];
	c->pid = pid;
	c->phase = CHILD_RUNNING;
	c->deadline_ns = t->deadline_ns;
	c->born_ns = clock_ns(CLOCK_MONOTONIC);
	c->memory_limit = t->memory_limit;
	return 0;
}

/* ------------------------------------------------------------------ what it says */

void child_status(struct child *c, enum collector_status s, int no, const char *fmt, ...)
{
	va_list ap;

	c->result.status = s;
	c->result.no = no;
	c->has_status = true;
	va_start(ap, fmt);
	vsnprintf(c->result.reason, sizeof(c->result.reason), fmt, ap);
	va_end(ap);
}

void child_loss(struct child *c, const char *cause, uint64_t count)
{
	struct collector_result *r = &c->result;
	size_t i;

	r->dropped += count;
	for (i = 0; i < r->loss_count; i++)
		if (!strcmp(r->loss[i].cause, cause))
			break;
	if (i == MANIFEST_MAX_LOSS) {
		/* Nine causes: the last place takes the rest. */
		i = MANIFEST_MAX_LOSS - 1;
		snprintf(r->loss[i].cause, sizeof(r->loss[i].cause), "several causes");
	} else if (i == r->loss_count) {
		snprintf(r->loss[i].cause, sizeof(r->loss[i].cause), "%s", cause);
		r->loss_count++;
	}
	r->loss[i].count += count;
}

void child_note(struct child *c, const char *fmt, ...)
{
	struct collector_result *r = &c->result;
	va_list ap;

	if (r->note_count == MANIFEST_MAX_NOTES)
		return;
	va_start(ap, fmt);
	vsnprintf(r->notes[r->note_count], sizeof(r->notes[0]), fmt, ap);
	va_end(ap);
	r->note_count++;
}

static int handle_frame(struct child *c, const struct child_sink *sink)
{
	const struct frame_header *h = &c->in.h;

	switch (h->type) {
	case FRAME_MEMBER:
		return sink->member(sink->ctx, c, c->in.name, c->in.data, h->data_len, h->value);
	case FRAME_STATUS:
		if (h->value >= COLLECTOR_STATUS_COUNT)
			return -EPROTO;
		child_status(c, h->value, h->no, "%s", c->in.data);
		return 0;
	case FRAME_LOSS:
		child_loss(c, c->in.name, h->count);
		return 0;
	case FRAME_NOTE:
		child_note(c, "%s", c->in.data);
		return 0;
	case FRAME_STARTED:
		c->started = true;
		return 0;
	case FRAME_REDACTED:
		sink->redacted(sink->ctx, c->in.name, c->in.data, h->count);
		return 0;
	default:
		return -EPROTO;
	}
}

static void end_of_pipe(struct child *c, struct frame_pool *pool)
{
	frame_done(&c->in, pool);
	close_fd(&c->fd);
}

int child_read(struct child *c, struct frame_pool *pool, const struct child_sink *sink)
{
	int rc = frame_read(&c->in, c->fd, pool);

	switch (rc) {
	case 0:
	case -ENOBUFS:
		return 0;
	case 1:
		rc = handle_frame(c, sink);
		frame_done(&c->in, pool);
		if (rc != -EPROTO)
			return rc ? rc : 1;
		break;
	case -ENODATA:
		end_of_pipe(c, pool);
		return 0;
	case -ECONNRESET:
		if (c->in.name_got && c->in.name_got == c->in.h.name_len)
			child_note(c, "%s was cut off and is not kept", c->in.name);
		child_loss(c, "members cut off", 1);
		end_of_pipe(c, pool);
		return 0;
	default:
		break;
	}
	/* Whatever it is that writes there now, it is not our collector. */
	child_kill(c, clock_ns(CLOCK_MONOTONIC), COLLECTOR_ERROR, "pipe from pid %d: %s",
		   (int)c->pid, rc == -EPROTO ? "not what a collector says" : strerrordesc_np(-rc));
	end_of_pipe(c, pool);
	return 0;
}

/* ------------------------------------------------------------------ its end */

void child_stop(struct child *c)
{
	/* What it has left to do, it does in one go. */
	child_pause(c, false, clock_ns(CLOCK_MONOTONIC));
	if (c->phase == CHILD_RUNNING)
		c->phase = CHILD_STOPPING;
	close_fd(&c->stop_fd);
}

void child_kill(struct child *c, uint64_t now, enum collector_status s, const char *fmt, ...)
{
	va_list ap;

	if (c->phase != CHILD_RUNNING && c->phase != CHILD_STOPPING)
		return;
	/* Dying takes CPU time, too.  Where we may not, it dies a little later. */
	setpriority(PRIO_PROCESS, (id_t)c->pid, 0);
	kill(c->pid, SIGKILL);
	close_fd(&c->stop_fd);
	c->phase = CHILD_KILLED;
	c->killed_ns = now;
	c->kill_status = s;
	va_start(ap, fmt);
	vsnprintf(c->kill_reason, sizeof(c->kill_reason), fmt, ap);
	va_end(ap);
}

static const char *signal_name(int sig)
{
	const char *name = sigabbrev_np(sig);

	return name ? name : "?";
}

static void pause_ended(struct child *c, uint64_t now)
{
	if (c->paused)
		c->paused_ns += now - c->pause_start_ns;
	c->paused = false;
}

bool child_reap(struct child *c, double now_ms)
{
	struct rusage ru;
	int status;

	if (c->phase == CHILD_GONE || c->phase == CHILD_UNBORN)
		return true;
	pid_t rc = wait4(c->pid, &status, WNOHANG, &ru);
	if (rc == 0 || (rc < 0 && errno == EINTR))
		return false;
	if (rc < 0) {
		child_status(c, COLLECTOR_ERROR, errno, "wait for pid %d: %s", (int)c->pid,
			     strerror(errno));
	} else {
		c->result.cpu_s = (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
				  (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
		c->result.max_rss_bytes = (uint64_t)ru.ru_maxrss * 1024;
		c->cpu_ns = (uint64_t)(c->result.cpu_s * 1e9);
		if (WIFSIGNALED(status) && c->phase == CHILD_KILLED && WTERMSIG(status) == SIGKILL)
			child_status(c, c->kill_status, 0, "%s", c->kill_reason);
		else if (WIFSIGNALED(status))
			child_status(c, COLLECTOR_ERROR, 0, "pid %d: killed by SIG%s", (int)c->pid,
				     signal_name(WTERMSIG(status)));
		else if (WEXITSTATUS(status) &&
			 !(c->has_status && !collector_status_complete(c->result.status)))
			child_status(c, COLLECTOR_ERROR, 0, "pid %d: exit status %d", (int)c->pid,
				     WEXITSTATUS(status));
	}
	c->result.end_ms = now_ms;
	pause_ended(c, clock_ns(CLOCK_MONOTONIC));
	close_fd(&c->stop_fd);
	c->phase = CHILD_GONE;
	return true;
}

void child_abandon(struct child *c, struct frame_pool *pool, double now_ms)
{
	/* Nobody will wait4() for it, so its cost is what was last seen. */
	c->result.cpu_s = (double)c->cpu_ns / 1e9;
	c->result.max_rss_bytes = c->memory_bytes;
	c->result.abandoned_pid = (int)c->pid;
	c->result.end_ms = now_ms;
	child_status(c, c->kill_status, 0, "%s; pid %d does not die and was left behind",
		     c->kill_reason, (int)c->pid);
	pause_ended(c, clock_ns(CLOCK_MONOTONIC));
	end_of_pipe(c, pool);
	close_fd(&c->stop_fd);
	c->phase = CHILD_GONE;
}

void child_pause(struct child *c, bool pause, uint64_t now)
{
	if (c->paused == pause || c->phase != CHILD_RUNNING)
		return;
	if (kill(c->pid, pause ? SIGSTOP : SIGCONT))
		return;
	if (pause)
		c->pause_start_ns = now;
	else
		c->paused_ns += now - c->pause_start_ns;
	c->paused = pause;
}
