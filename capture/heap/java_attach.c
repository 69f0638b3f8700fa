/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HotSpot's attach protocol (src/hotspot/os/posix/attachListener_posix.cpp and, on the other
 * side, VirtualMachineImpl.java of jdk.attach): the JVM listens on /tmp/.java_pidN, N being its
 * pid in its innermost namespace; where it does not yet, a file .attach_pidN and a SIGQUIT
 * make it.  A request is five strings ended by NUL, the answer a line with a status and a text.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../child/ask.h"
#include "java.h"

#define CLASSES 480u
#define CLASS_NAME 112
#define STATUS_CAP 8192
#define LISTEN_NS (5 * NSEC_PER_SEC) /* for the JVM to begin to listen */
#define LINE_CAP 2048

struct target {
	pid_t pid;
};

struct answer {
	int error; /* positive errno */
	char reason[256];
	uint32_t count;
	uint64_t more_objects, more_bytes, more_classes; /* beyond the table */
	struct {
		char name[CLASS_NAME];
		uint64_t objects, bytes;
	} classes[CLASSES];
};

struct jvm {
	int proc, tmp; /* /proc/PID and its root's /tmp */
	uid_t uid;
	gid_t gid;
	int pid_inside; /* in its innermost pid namespace */
	bool catches_quit;
};

static int fail(struct answer *a, int no, const char *fmt, const char *what)
{
	a->error = no;
	snprintf(a->reason, sizeof(a->reason), fmt, what, strerror(no));
	return -no;
}

/* The last number of a line, after its key; 0 when there is none. */
static unsigned long last_number(const char *status, const char *key, int base, int which)
{
	const char *line = strstr(status, key);
	unsigned long v = 0;
	char *end;

	if (!line)
		return 0;
	line += strlen(key);
	for (int i = 0; *line && *line != '\n' && (which < 0 || i <= which); i++) {
		v = strtoul(line, &end, base);
		if (end == line)
			break;
		line = end + strspn(end, " \t");
	}
	return v;
}

static int look_at(struct jvm *v, const struct sysroot *root, pid_t pid, struct answer *a)
{
	char status[STATUS_CAP], path[32];

	snprintf(path, sizeof(path), "%d", (int)pid);
	v->proc = openat(root->proc_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (v->proc < 0 || read_file_at(v->proc, "status", status, sizeof(status)) <= 0)
		return fail(a, errno, "/proc/%s: %s", path);
	/* "Uid:\treal\teffective\tsaved\tfs" */
	v->uid = (uid_t)last_number(status, "\nUid:", 10, 1);
	v->gid = (gid_t)last_number(status, "\nGid:", 10, 1);
	v->pid_inside = (int)last_number(status, "\nNSpid:", 10, -1);
	if (v->pid_inside <= 0)
		v->pid_inside = (int)pid;
	v->catches_quit = last_number(status, "\nSigCgt:", 16, 0) >> (SIGQUIT - 1) & 1;
	v->tmp = openat(v->proc, "root/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (v->tmp < 0)
		return fail(a, errno, "%s: %s", "/tmp of the JVM");
	return 0;
}

/* A socket of the JVM's own, not something that somebody put in its place. */
static bool listens(const struct jvm *v)
{
	char name[32];
	struct stat st;

	snprintf(name, sizeof(name), ".java_pid%d", v->pid_inside);
	return fstatat(v->tmp, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode) &&
	       (st.st_uid == v->uid || st.st_uid == 0);
}

static int wake(struct jvm *v, pid_t pid, struct answer *a)
{
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + LISTEN_NS;
	char name[32];
	int fd;

	if (listens(v))
		return 0;
	/* With -Xrs the JVM leaves this signal alone, and it would end the process. */
	if (!v->catches_quit)
		return fail(a, ENOTSUP, "%s: %s",
			    "the JVM does not handle SIGQUIT (-Xrs), so it cannot be attached to");
	snprintf(name, sizeof(name), ".attach_pid%d", v->pid_inside);
	fd = openat(v->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno != EEXIST)
		return fail(a, errno, "%s: %s", ".attach_pid in the JVM's /tmp");
	/* The JVM only heeds a file that is its own. */
	if (fd >= 0) {
		if (fchown(fd, v->uid, v->gid)) {
			/* It may be ours already; else nothing answers, which is said below. */
		}
		close(fd);
	}
	kill(pid, SIGQUIT);
	while (!listens(v) && clock_ns(CLOCK_MONOTONIC) < until) {
		const struct timespec pause = {.tv_nsec = 20 * NSEC_PER_MSEC};

		nanosleep(&pause, NULL);
	}
	if (fd >= 0)
		unlinkat(v->tmp, name, 0);
	return listens(v) ? 0
			  : fail(a, ETIMEDOUT, "%s: %s",
				 "the JVM does not answer to be attached to "
				 "(-XX:+DisableAttachMechanism?)");
}

/* Connected, or a negative errno.  The JVM asks the kernel who it is that connects. */
static int dial(const struct jvm *v, struct answer *a)
{
	static const char request[] = "1\0inspectheap\0-all\0\0";
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail(a, errno, "%s: %s", "socket");
	snprintf(to.sun_path, sizeof(to.sun_path), "/proc/self/fd/%d/.java_pid%d", v->tmp,
		 v->pid_inside);
	/* This process is for this alone, so it need not get its own identity back. */
	if ((v->gid != getegid() && setegid(v->gid)) || (v->uid != geteuid() && seteuid(v->uid)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) ||
	    write(fd, request, sizeof(request)) != (ssize_t)sizeof(request)) {
		fail(a, errno, "%s: %s", "the JVM's attach socket");
		close(fd);
		return -a->error;
	}
	return fd;
}

/* "[Ljava.lang.String;" and "[[B" as people write them. */
static void class_words(const char *name, size_t len, char *out, size_t cap)
{
	static const struct {
		char letter;
		const char *word;
	} primitives[] = {{'B', "byte"}, {'C', "char"}, {'D', "double"}, {'F', "float"},
			  {'I', "int"},	 {'J', "long"}, {'S', "short"},	 {'Z', "boolean"}};
	size_t depth = 0;
	char element[CLASS_NAME];

	while (depth < len && name[depth] == '[')
		depth++;
	snprintf(element, sizeof(element), "%.*s", (int)(len - depth), name + depth);
	if (depth && element[0] == 'L' && strchr(element, ';')) {
		*strchr(element, ';') = 0;
		memmove(element, element + 1, strlen(element));
	} else if (depth && len - depth == 1) {
		for (size_t i = 0; i < ARRAY_SIZE(primitives); i++)
			if (primitives[i].letter == name[depth])
				snprintf(element, sizeof(element), "%s", primitives[i].word);
	}
	snprintf(out, cap, "%s%s%s", element, depth > 0 ? "[]" : "", depth > 1 ? "[]" : "");
}

/* The number at *p, which goes behind it. */
static bool take_number(const char **p, uint64_t *ret)
{
	char *end;

	*ret = strtoull(*p, &end, 10);
	if (end == *p)
		return false;
	*p = end;
	return true;
}

/* "   1:         12345        1234567  [B (java.base@17.0.15)" */
static void take_line(struct answer *a, const char *line)
{
	uint64_t place, objects, bytes;

	if (!take_number(&line, &place) || *line++ != ':' || !take_number(&line, &objects) ||
	    !take_number(&line, &bytes))
		return;
	line += strspn(line, " ");
	if (!*line)
		return;
	if (a->count == CLASSES) {
		a->more_classes++;
		a->more_objects += objects;
		a->more_bytes += bytes;
		return;
	}
	class_words(line, strcspn(line, " "), a->classes[a->count].name, CLASS_NAME);
	a->classes[a->count].objects = objects;
	a->classes[a->count++].bytes = bytes;
}

static int listen_to(int fd, struct answer *a)
{
	char buf[LINE_CAP];
	size_t len = 0, lines = 0;
	ssize_t n;

	while ((n = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0 || (n < 0 && errno == EINTR)) {
		char *line = buf, *end;

		if (n < 0)
			continue;
		len += (size_t)n;
		buf[len] = 0;
		while ((end = strchr(line, '\n'))) {
			*end = 0;
			if (lines++ == 0 && strcmp(line, "0") != 0)
				return fail(a, EPROTO, "%s: %s", "the JVM refuses inspectheap");
			take_line(a, line);
			line = end + 1;
		}
		len -= (size_t)(line - buf);
		memmove(buf, line, len);
		if (len == sizeof(buf) - 1)
			len = 0;
	}
	if (n < 0)
		return fail(a, errno, "%s: %s", "the JVM's answer");
	return a->count ? 0 : fail(a, EPROTO, "%s: %s", "the JVM's answer has no classes");
}

static void attach(const void *ctx, const struct sysroot *root, void *ret)
{
	const struct target *t = ctx;
	struct answer *a = ret;
	struct jvm v = {.proc = -1, .tmp = -1};
	int fd;

	if (look_at(&v, root, t->pid, a) < 0 || wake(&v, t->pid, a) < 0)
		return;
	fd = dial(&v, a);
	if (fd < 0)
		return;
	listen_to(fd, a);
	close(fd);
}

int java_histogram(const struct sysroot *root, pid_t pid, uint64_t limit_ns, int cancel_fd,
		   struct census *census, char *reason, size_t cap)
{
	struct target t = {.pid = pid};
	struct answer *a = calloc(1, sizeof(*a));
	struct question q = {.answer = attach, .ctx = &t, .ret = a, .size = sizeof(*a)};
	int r = 0;

	_Static_assert(sizeof(*a) <= 64 << 10, "larger than an answer may be");
	if (!a)
		return -ENOMEM;
	if (!ask_all(&q, 1, root, limit_ns, cancel_fd)) {
		snprintf(reason, cap, "attaching to the JVM: %s", q.problem);
		r = -ETIMEDOUT;
	} else if (a->error) {
		a->reason[sizeof(a->reason) - 1] = 0;
		snprintf(reason, cap, "%s", a->reason);
		r = -a->error;
	}
	for (uint32_t i = 0; i < a->count && i < CLASSES && r == 0; i++) {
		int entry;

		a->classes[i].name[CLASS_NAME - 1] = 0;
		entry = census_entry(census, CENSUS_OBJECT, a->classes[i].name);
		census_add(census, entry, a->classes[i].objects, a->classes[i].bytes);
		r = entry < 0 ? entry : 0;
	}
	if (r == 0 && a->more_classes)
		census_add(census, census_entry(census, CENSUS_OBJECT, "(other classes)"),
			   a->more_objects, a->more_bytes);
	free(a);
	return r;
}
