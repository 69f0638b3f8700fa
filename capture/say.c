/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/sbuf.h"
#include "base/units.h"
#include "say.h"

#define LINE_MAX 2048 /* below PIPE_BUF: a pipe takes it whole or not at all */

void say_init(struct say *s, const struct capture_options *o)
{
	const char *term = getenv("TERM");

	*s = (struct say){.fd = STDERR_FILENO, .quiet = o->quiet, .verbose = o->verbose};
	if (o->quiet)
		return;
	s->json = o->progress == PROGRESS_JSON;
	s->plain = o->progress == PROGRESS_PLAIN;
	if (o->progress != PROGRESS_AUTO)
		return;
	s->counting = isatty(s->fd) && term && strcmp(term, "dumb") != 0;
	s->plain = !s->counting;
}

void say_deinit(struct say *s)
{
	free(s->log);
	s->log = NULL;
	s->log_len = s->log_cap = 0;
}

/* ------------------------------------------------------------------ where it goes */

static void put(struct say *s, const char *text, size_t len)
{
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};

	/* A reader that has stopped reading must not stop the capture. */
	if (poll(&p, 1, 0) > 0 && (p.revents & POLLOUT) && write(s->fd, text, len) < 0) {
		/* Nobody to tell. */
	}
}

static void keep(struct say *s, const char *text)
{
	char when[31];
	size_t need = strlen(text) + sizeof(when) + 2;

	if (s->log_cut)
		return;
	if (s->log_len + need > SAY_LOG_MAX) {
		s->log_cut = true;
		return;
	}
	if (s->log_len + need > s->log_cap) {
		size_t cap = s->log_cap ? 2 * s->log_cap : 4096;
		while (cap < s->log_len + need)
			cap *= 2;
		char *p = realloc(s->log, cap);
		if (!p) {
			s->log_cut = true;
			return;
		}
		s->log = p;
		s->log_cap = cap;
	}
	clock_format_rfc3339(clock_ns(CLOCK_REALTIME), when);
	s->log_len += (size_t)snprintf(s->log + s->log_len, s->log_cap - s->log_len, "%s %s\n",
				       when, text);
}

static void erase(struct say *s)
{
	if (s->shown)
		put(s, "\r\033[K", 4);
	s->shown = false;
}

static int json_put(void *ctx, const void *data, size_t len)
{
	sbuf_put(ctx, data, len);
	return 0;
}

static void json_begin(struct json *j, struct sbuf *b, const char *event)
{
	char when[31];

	sbuf_reset(b);
	json_init(j, json_put, b);
	json_object(j);
	json_kstr(j, "event", event);
	clock_format_rfc3339(clock_ns(CLOCK_REALTIME), when);
	json_kstr(j, "time", when);
}

static void json_send(struct say *s, struct json *j, struct sbuf *b)
{
	json_object_end(j);
	json_end(j);
	sbuf_putc(b, '\n');
	if (!b->truncated)
		put(s, b->p, b->len);
}

/* Control characters of whatever a path or a kernel says must not reach a terminal. */
static void defuse(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
}

void say(struct say *s, enum say_level level, const char *fmt, ...)
{
	static const char *const words[] = {"error", "problem", "info", "detail", "detail"};
	char text[LINE_MAX - 64], line[LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	defuse(text);
	if (level != SAY_MEMBER)
		keep(s, text);
	if (level >= SAY_DETAIL && !s->verbose)
		return;
	if (s->json) {
		struct json j;
		struct sbuf b = SBUF(line);

		json_begin(&j, &b, "message");
		json_kstr(&j, "level", words[level]);
		json_kstr(&j, "text", text);
		json_send(s, &j, &b);
		return;
	}
	if (level == SAY_PROBLEM && s->quiet)
		return;
	if (level == SAY_INFO && !(s->plain || s->verbose))
		return;
	erase(s);
	int n = snprintf(line, sizeof(line), "ossnap-capture: %s\n", text);
	put(s, line, (size_t)n);
}

/* ------------------------------------------------------------------ how far we are */

void say_start(struct say *s, const char *name, uint64_t duration_ns, const char *collectors)
{
	char text[24], line[LINE_MAX];

	if (s->json) {
		struct json j;
		struct sbuf b = SBUF(line);

		keep(s, "capturing");
		json_begin(&j, &b, "start");
		json_kstr(&j, "name", name);
		json_kf64(&j, "duration_s", (double)duration_ns / 1e9);
		json_kstr(&j, "collectors", collectors);
		json_send(s, &j, &b);
		return;
	}
	say(s, SAY_INFO, "capturing for %s: %s", format_duration(duration_ns, text), collectors);
}

static unsigned columns(int fd)
{
	struct winsize w;

	return !ioctl(fd, TIOCGWINSZ, &w) && w.ws_col ? w.ws_col : 80;
}

void say_count(struct say *s, uint64_t left_ns, unsigned running, unsigned total, uint64_t bytes)
{
	uint64_t left = (left_ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC;
	uint64_t now_s = clock_ns(CLOCK_MONOTONIC) / (250 * NSEC_PER_MSEC);
	char size[16], text[160], line[LINE_MAX];

	if (!(s->counting || s->json) || (now_s == s->last_count_s && s->last_count_s))
		return;
	if (s->json && now_s / 4 == s->last_count_s / 4)
		return;
	s->last_count_s = now_s;
	if (s->json) {
		struct json j;
		struct sbuf b = SBUF(line);

		json_begin(&j, &b, "progress");
		json_kf64(&j, "left_s", (double)left_ns / 1e9);
		json_ku64(&j, "running", running);
		json_ku64(&j, "collectors", total);
		json_ku64(&j, "bytes", bytes);
		json_send(s, &j, &b);
		return;
	}
	format_size(bytes, size);
	if (left)
		snprintf(text, sizeof(text),
			 "%llu s left, %u of %u collectors at work, %s compressed",
			 (unsigned long long)left, running, total, size);
	else
		snprintf(text, sizeof(text),
			 "finishing: %u of %u collectors at work, %s compressed", running, total,
			 size);
	/* The last column stays free: some terminals wrap when it is written. */
	int n = snprintf(line, sizeof(line), "\r%.*s\033[K", (int)columns(s->fd) - 1, text);
	put(s, line, (size_t)n);
	s->shown = true;
}

/* What it cost, and what else it had to say. */
static void say_details(struct say *s, const struct collector_result *r)
{
	char size[16];

	if (r->end_ms > 0)
		say(s, SAY_DETAIL, "%s: %.3f s of CPU, %s resident", r->name, r->cpu_s,
		    format_size(r->max_rss_bytes, size));
	for (size_t i = 0; i < r->loss_count; i++)
		say(s, SAY_DETAIL, "%s: lost: %s: %llu", r->name, r->loss[i].cause,
		    (unsigned long long)r->loss[i].count);
	for (size_t i = 0; i < r->note_count; i++)
		say(s, SAY_DETAIL, "%s: note: %s", r->name, r->notes[i]);
}

void say_collector(struct say *s, const struct collector_result *r, uint64_t bytes)
{
	const char *status = collector_status_name(r->status);
	bool fine = r->status == COLLECTOR_OK || r->status == COLLECTOR_SKIPPED ||
		    r->status == COLLECTOR_UNSUPPORTED;
	char size[16], line[LINE_MAX];

	if (s->json) {
		struct json j;
		struct sbuf b = SBUF(line);

		json_begin(&j, &b, "collector");
		json_kstr(&j, "name", r->name);
		json_kstr(&j, "status", status);
		json_kstr(&j, "reason", r->reason);
		json_kf64(&j, "cpu_s", r->cpu_s);
		json_ku64(&j, "dropped", r->dropped);
		json_ku64(&j, "bytes", bytes);
		json_send(s, &j, &b);
		say_details(s, r);
		return;
	}
	enum say_level level = r->status == COLLECTOR_SKIPPED ? SAY_DETAIL
			       : fine			      ? SAY_INFO
							      : SAY_PROBLEM;
	if (r->end_ms > 0)
		say(s, level, "%s: %s%s%s (%.2f s, %s uncompressed)", r->name, status,
		    r->reason[0] ? ": " : "", r->reason, (r->end_ms - r->start_ms) / 1e3,
		    format_size(bytes, size));
	else
		say(s, level, "%s: %s: %s", r->name, status, r->reason);
	say_details(s, r);
}

void say_end(struct say *s, const char *path, uint64_t bytes, bool complete, int exit_code)
{
	char size[16], line[LINE_MAX];

	erase(s);
	if (s->json) {
		struct json j;
		struct sbuf b = SBUF(line);

		json_begin(&j, &b, "end");
		json_kstr(&j, "path", path);
		json_ku64(&j, "bytes", bytes);
		json_kbool(&j, "complete", complete);
		json_ki64(&j, "exit", exit_code);
		json_send(s, &j, &b);
		return;
	}
	if (s->counting && !s->quiet)
		say(s, SAY_PROBLEM, "%s archive, %s compressed", complete ? "complete" : "partial",
		    format_size(bytes, size));
	else
		say(s, SAY_INFO, "%s archive, %s compressed", complete ? "complete" : "partial",
		    format_size(bytes, size));
}
