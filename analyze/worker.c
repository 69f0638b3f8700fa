/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../capture/base/cleanup.h"
#include "../capture/base/units.h"
#include "../capture/bundle/verify.h"
#include "facts/archive.h"
#include "facts/text.h"
#include "facts/wire.h"
#include "sandbox.h"

#define FD_ARCHIVE 3
#define FD_ANSWER 4
#define PARSE_MEMORY (512ULL << 20) /* what the parsers may keep */
#define SPARE_MEMORY (192ULL << 20) /* decoders, buffers, the allocator's own */
#define ANSWER_MAX (1ULL << 30)	    /* bytes of facts over the pipe */
#define CPU_BASE_S 60
#define CPU_BYTES_PER_S (32ULL << 20) /* far below what decoding, hashing and parsing do */

/* ------------------------------------------------------------------ the child */

struct intake {
	const struct bundle_verdict *verdict;
	struct parse *parse;
	bool salvage;
	bool used_unverified;
	size_t at; /* in verdict->seen */
};

static int hash_file(int fd, uint64_t size, char hex[2 * SHA256_DIGEST_SIZE + 1], struct err *e)
{
	uint8_t buf[16384], digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;
	uint64_t at = 0;

	sha256_init(&sha);
	while (at < size) {
		ssize_t n = pread(fd, buf, sizeof(buf), (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, errno, "reading");
		if (n == 0)
			return err_set(e, EBUSY, "the file became shorter while it was read");
		sha256_update(&sha, (size_t)n, buf);
		at += (uint64_t)n;
	}
	sha256_digest(&sha, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

/* What verification saw of this member: both passes see the same members in the same order. */
static const struct bundle_seen *seen_before(struct intake *in, const struct bundle_member *m)
{
	const struct bundle_verdict *v = in->verdict;
	const struct bundle_seen *s;

	if (in->at >= v->seen_count)
		return NULL;
	s = &v->seen[in->at++];
	return !strcmp(s->name, m->name) && !memcmp(s->sha256, m->sha256, sizeof(s->sha256)) ? s
											     : NULL;
}

static int take_member(void *ctx, const struct bundle_member *m, const void *data)
{
	struct intake *in = ctx;
	const struct bundle_seen *s = seen_before(in, m);

	if (!s)
		return -EBUSY;
	if (!in->verdict->manifest_ok || !s->matches) {
		if (in->verdict->manifest_ok && !in->salvage)
			return 0;
		in->used_unverified = true;
	}
	return parse_member(in->parse, m->name, data, m->size);
}

static int emit_row(void *ctx, const struct fact_type *t, const void *row)
{
	return wire_row(ctx, t, row);
}

/* Why reading failed, in words; members are never half read, so that these are few. */
static int read_failed(struct err *e, int r)
{
	if (r == -ENOMEM)
		return err_set(e, ENOMEM, "its facts need more memory than the worker may use");
	if (r == -EBUSY)
		return err_set(e, EBUSY, "the file was changed while it was read");
	if (e->no != -r)
		return err_errno(e, -r, "reading its members");
	return r;
}

static int read_members(int fd, const struct analyze_options *o, struct intake *in,
			const struct fact_sink *sink, struct err *e)
{
	struct bundle_outcome outcome;
	int r = parse_create(&in->parse, *sink, PARSE_MEMORY);

	if (r < 0)
		return read_failed(e, r);
	if (in->verdict->head_ok)
		in->parse->page_size = text_page_size(in->verdict->head.page_size);
	r = bundle_read(fd, &o->limits, take_member, in, &outcome, e);
	if (r >= 0)
		r = parse_finish(in->parse);
	return r < 0 ? read_failed(e, r) : 0;
}

/* A head that is not the one that was written is as bad as none. */
static void distrust_head(struct bundle_verdict *v, bool salvage)
{
	for (size_t i = 0; v->manifest_ok && !salvage && i < v->seen_count; i++)
		if (!strcmp(v->seen[i].name, BUNDLE_HEAD) && !v->seen[i].matches)
			v->head_ok = false;
}

/* What somebody made of an archive by unpacking it, or took for one. */
static void known_otherwise(int fd, struct err *e)
{
	static const struct {
		const char *magic, *what;
		size_t len, at;
	} kinds[] = {
		{"ustar", "a decompressed tar: compress it with zstd again", 5, 257},
		{"\x1f\x8b", "gzip: an archive of ossnap-capture is a tar compressed with zstd", 2,
		 0},
		{"\xfd"
		 "7zXZ",
		 "xz: an archive of ossnap-capture is a tar compressed with zstd", 5, 0},
		{"PK\3\4", "zip: unpack it, the archive may be inside", 4, 0},
		{"<!DOCTYPE html>", "HTML: a report, or an error page instead of a download", 15,
		 0},
	};
	char head[512] = "";
	ssize_t n = pread(fd, head, sizeof(head), 0);

	for (size_t i = 0; n > 0 && e->no == EINVAL && i < ARRAY_SIZE(kinds); i++)
		if ((size_t)n >= kinds[i].at + kinds[i].len &&
		    !memcmp(head + kinds[i].at, kinds[i].magic, kinds[i].len)) {
			err_set(e, EINVAL, "not an ossnap archive (%s)", kinds[i].what);
			return;
		}
}

/* The whole work on one archive.  The exit code of the contract; message says why it is not 0. */
static int examine(int fd, uint64_t size, const struct analyze_options *o, struct wire_out *w,
		   struct err *e)
{
	const struct fact_sink sink = {.row = emit_row, .ctx = w};
	_cleanup_free_ struct bundle_verdict *v = calloc(1, sizeof(*v));
	struct intake in = {.verdict = v, .salvage = o->salvage};
	char sha256[2 * SHA256_DIGEST_SIZE + 1], words[512];
	struct sbuf text = SBUF(words);
	bool damaged, whole;

	if (!v) {
		err_set(e, ENOMEM, "out of memory");
		return 4;
	}
	if (hash_file(fd, size, sha256, e) < 0)
		return 4;
	if (bundle_verify(fd, &o->limits, v, e) < 0) {
		known_otherwise(fd, e);
		return 4; /* v->seen goes with the process */
	}
	distrust_head(v, o->salvage);
	if (!v->head_ok && !v->manifest_ok) {
		err_set(e, EINVAL,
			"not an ossnap archive: neither capture.json nor manifest.json "
			"could be read in it");
		return 4;
	}
	sbuf_reset(&text);
	if (read_members(fd, o, &in, &sink, e) < 0)
		return 4;
	damaged = archive_describe(v, in.used_unverified, &text);
	whole = bundle_verdict_whole(v) && !damaged;
	if (archive_emit_collectors(&sink, &v->manifest) < 0 ||
	    archive_emit(&sink, v, sha256, damaged ? words : NULL, in.used_unverified,
			 in.parse->bad) < 0) {
		err_set(e, EPIPE, "the renderer is gone");
		return 4;
	}
	if (whole)
		return 0;
	if (!damaged)
		archive_describe_partial(&v->manifest, &text);
	err_set(e, EBADMSG, "%s", words);
	return 3;
}

static void close_rest(void)
{
	/* close_range() is younger (5.9) than some kernels people analyse on. */
	if (close_range(FD_ANSWER + 1, ~0U, 0) < 0)
		for (int fd = FD_ANSWER + 1; fd < 4096; fd++)
			close(fd);
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
#ifndef __SANITIZE_ADDRESS__ /* a sanitizer has something to say there */
	close(STDERR_FILENO);
#endif
}

/* Keep the archive and the answer, at known numbers. */
static int keep_two(int archive, int answer, struct err *e)
{
	int a = fcntl(archive, F_DUPFD, 16), b = fcntl(answer, F_DUPFD, 16);

	if (a < 0 || b < 0 || dup2(a, FD_ARCHIVE) < 0 || dup2(b, FD_ANSWER) < 0)
		return err_errno(e, errno, "descriptors");
	close_rest();
	return 0;
}

/* Address space in use now: what the limit comes on top of. */
static uint64_t address_space(void)
{
	char text[64] = "";
	_cleanup_fd_ int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0) /* no /proc: more than the analyzer and its libraries ever map */
		return 1ULL << 30;
	return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static _Noreturn void child(int archive, int answer, uint64_t size, const struct analyze_options *o)
{
	unsigned cpu_s = CPU_BASE_S + (unsigned)(o->limits.decompressed / CPU_BYTES_PER_S);
	uint64_t memory = address_space() + PARSE_MEMORY + SPARE_MEMORY + o->limits.member;
	struct err e = {0};
	struct wire_out *w;
	int code = 4;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN); /* a renderer that is gone is an error to return from */
	if (keep_two(archive, answer, &e) < 0 || wire_open(&w, FD_ANSWER) < 0)
		_exit(4);
	if (sandbox_enter(memory, cpu_s, &e) == 0)
		code = examine(FD_ARCHIVE, size, o, w, &e);
	wire_done(w, code, e.no ? e.text : "");
	_exit(0);
}

/* ------------------------------------------------------------------ the parent */

/* Out of its cleanup attribute. */
static int keep_fd(int *fd)
{
	int kept = *fd;

	*fd = -1;
	return kept;
}

static int open_archive(const char *path, const struct analyze_options *o, uint64_t *ret_size,
			struct err *e)
{
	/* O_NONBLOCK: opening a FIFO or a device must not wait for its other end. */
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char has[16], may[16];
	struct stat st;

	if (fd < 0 && errno == ENOENT && !strcmp(path, "-"))
		return err_set(e, EINVAL,
			       "-: standard input is not read; give the archive as a file");
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, errno, path);
	if (S_ISDIR(st.st_mode))
		return err_set(e, EISDIR,
			       "%s: is a directory; an archive is read as the one "
			       "file that ossnap-capture wrote, not unpacked",
			       path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "%s: is %s, not a file", path,
			       S_ISFIFO(st.st_mode)   ? "a FIFO"
			       : S_ISSOCK(st.st_mode) ? "a socket"
						      : "a device");
	if (st.st_size == 0)
		return err_set(e, EINVAL, "%s: is empty", path);
	if ((uint64_t)st.st_size > o->limits.input)
		return err_set(e, E2BIG, "%s: %s is more than %s (--limits input=SIZE)", path,
			       format_size((uint64_t)st.st_size, has),
			       format_size(o->limits.input, may));
	*ret_size = (uint64_t)st.st_size;
	return keep_fd(&fd);
}

/* How a worker that gave no answer ended. */
static void explain_end(int status, const char *path, struct err *e)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (sig == SIGSYS)
		err_set(e, EACCES,
			"%s: the sandbox killed the worker, which tried a forbidden "
			"system call: do not trust this archive",
			path);
	else if (sig == SIGXCPU || sig == SIGKILL)
		err_set(e, EACCES,
			"%s: the worker was killed (%s): the archive needs more CPU time "
			"or memory than it may",
			path, sig == SIGXCPU ? "CPU limit" : "SIGKILL");
	else if (sig)
		err_set(e, EACCES, "%s: the worker crashed (SIG%s): do not trust this archive",
			path, sigabbrev_np(sig) ? sigabbrev_np(sig) : "?");
	else
		err_set(e, EACCES, "%s: the worker ended without an answer (exit %d)", path,
			WEXITSTATUS(status));
}

static int wait_for(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* Read what the worker has to say, and believe it only as far as it makes sense. */
int worker_answer(int fd, pid_t pid, const char *path, struct facts *ret, struct err *e)
{
	struct err answer = {0};
	int code = -1, status, r;

	r = wire_receive(fd, ret, ANSWER_MAX, &code, &answer);
	if (r == 0 &&
	    ((code != 0 && code != 3 && code != 4) || (code != 4 && ret->archive.count != 1)))
		r = err_set(&answer, EPROTO, "the worker's answer: it makes no sense");
	if (r < 0 && r != -EPIPE)
		kill(pid, SIGKILL);
	status = wait_for(pid);
	if (r == -EPIPE) {
		explain_end(status, path, e);
		return 5;
	}
	if (r < 0) {
		err_set(e, -r, "%s: %s; nothing of it was used", path, answer.text);
		return r == -ENOMEM ? 4 : 5;
	}
	if (answer.no) {
		static const char stray[] = "archive: "; /* of the reader, which has no path */
		bool has = !strncmp(answer.text, stray, sizeof(stray) - 1);

		err_set(e, answer.no, "%s: %s", path, answer.text + (has ? sizeof(stray) - 1 : 0));
	}
	return code;
}

int worker_run(const char *path, const struct analyze_options *o, struct facts *ret, struct err *e)
{
	_cleanup_fd_ int archive = -1, in = -1, out = -1;
	uint64_t size = 0;
	int ends[2];
	pid_t pid;

	archive = open_archive(path, o, &size, e);
	if (archive < 0)
		return 4;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		err_errno(e, errno, path);
		return 4;
	}
	in = ends[0];
	out = ends[1];
	pid = fork();
	if (pid < 0) {
		err_errno(e, errno, "fork");
		return 4;
	}
	if (pid == 0)
		child(archive, out, size, o);
	close(keep_fd(&out)); /* else the end of the stream would never come */
	return worker_answer(in, pid, path, ret, e);
}
