/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The run over a table of collectors that misbehave, each in its own way.  Takes the options of
 * ossnap-capture; --collect chooses who misbehaves.  HANG_FILE: what `hang` and `hangprobe` touch.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/base/clock.h"
#include "capture/window.h"
#include "capture/window_private.h"

static int emit_text(struct collect *c, const char *name, const char *text)
{
	int rc = member_open(c->out, name, NULL);

	if (!rc)
		rc = member_put(c->out, text, strlen(text));
	return rc ? rc : member_close(c->out, false);
}

static void probe_ok(const struct capture_options *o, const struct sysroot *root,
		     struct probe_result *ret)
{
	*ret = (struct probe_result){.status = COLLECTOR_OK, .expected_bytes = 1000};
}

static int touch(void)
{
	const char *path = getenv("HANG_FILE");
	char buf[16];
	int fd = open(path ? path : "/nonexistent", O_RDONLY);

	if (fd < 0)
		return -errno;
	return read(fd, buf, sizeof(buf)) < 0 ? -errno : 0;
}

static void probe_hang(const struct capture_options *o, const struct sysroot *root,
		       struct probe_result *ret)
{
	touch();
	probe_ok(o, root, ret);
}

static void probe_denied(const struct capture_options *o, const struct sysroot *root,
			 struct probe_result *ret)
{
	*ret = (struct probe_result){
		.status = COLLECTOR_DENIED, .no = EPERM, .reason = "/x: Operation not permitted"};
}

static int quick(struct collect *c)
{
	return emit_text(c, "raw/quick", "quick\n");
}

static int both_ends(struct collect *c)
{
	char time[16], name[64];

	member_time(c, time);
	snprintf(name, sizeof(name), "raw/both.%s", time);
	return emit_text(c, name, "both\n");
}

static int hang(struct collect *c)
{
	int rc = emit_text(c, "raw/before_hang", "handed over\n");

	return rc ? rc : touch();
}

static int crash(struct collect *c)
{
	int rc = emit_text(c, "raw/before_crash", "handed over\n");

	signal(SIGSEGV, SIG_DFL); /* a sanitizer would catch it */
	if (!rc)
		raise(SIGSEGV);
	return rc;
}

static int burn(struct collect *c)
{
	volatile uint64_t x = 0;

	while (clock_ns(CLOCK_MONOTONIC) < c->window_end_ns && !collect_stopping(c))
		for (int i = 0; i < 100000; i++)
			x++;
	return emit_text(c, "raw/burned", "done\n");
}

/* Deaf to every request: only SIGKILL ends it. */
static int spin(struct collect *c)
{
	for (;;)
		pause();
	return 0;
}

static int hungry(struct collect *c)
{
	for (size_t i = 0; i < 400 && !collect_stopping(c); i++) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		if (p == MAP_FAILED)
			break;
		memset(p, 1, 1 << 20);
		usleep(10000);
	}
	return emit_text(c, "raw/hungry", "done\n");
}

/* Many incompressible members; the pipe and the budgets feel it. */
static int big(struct collect *c)
{
	char name[64];
	uint64_t x = 88172645463325252ULL;
	static uint64_t block[8192];

	for (int i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "raw/big.%d", i);
		int rc = member_open(c->out, name, NULL);
		for (int k = 0; k < 16 && !rc; k++) {
			for (size_t n = 0; n < 8192; n++) {
				x ^= x << 13;
				x ^= x >> 7;
				x ^= x << 17;
				block[n] = x;
			}
			rc = member_put(c->out, block, sizeof(block));
		}
		if (!rc)
			rc = member_close(c->out, false);
		if (rc)
			return rc;
	}
	return 0;
}

/* Takes what it was promised, for a while. */
static int large(struct collect *c)
{
	char *p = mmap(NULL, c->memory_limit, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < 3 * c->memory_limit / 4; i += 4096)
		p[i] = 1;
	usleep(300000);
	munmap(p, c->memory_limit);
	return 0;
}

static int fails(struct collect *c)
{
	return -EIO;
}

static int partial(struct collect *c)
{
	emit_status(c->out, COLLECTOR_PARTIAL, 0, "half of it");
	emit_loss(c->out, "halves", 1);
	emit_note(c->out, "a note");
	emit_redacted(c->out, "argument", "raw/partial", 3);
	return emit_text(c, "raw/partial", "half\n");
}

#define ROW(row_name, share, ...)                                                                  \
	static const struct collector collector_##row_name = {.name = #row_name,                   \
							      .summary = "a test",                 \
							      .needs = "nothing",                  \
							      .memory_share = (share),             \
							      __VA_ARGS__}
ROW(quick, 10, .probe = probe_ok, .start = quick);
ROW(both, 10, .probe = probe_ok, .timed = true, .start = both_ends, .write = both_ends);
ROW(hang, 10, .probe = probe_ok, .start = hang);
ROW(hangprobe, 10, .probe = probe_hang, .start = quick);
ROW(denied, 10, .probe = probe_denied, .start = quick);
ROW(crash, 10, .probe = probe_ok, .start = crash);
ROW(burn, 10, .probe = probe_ok, .timed = true, .start = burn);
ROW(spin, 10, .probe = probe_ok, .start = spin);
ROW(hungry, 90, .probe = probe_ok, .start = hungry);
ROW(big, 10, .probe = probe_ok, .start = big);
ROW(large, 60, .probe = probe_ok, .start = large);
ROW(larger, 65, .probe = probe_ok, .start = large);
ROW(greedy, 90, .memory_least_kib = 61440, .probe = probe_ok, .start = large);
ROW(living, 20, .probe = probe_ok, .timed = true, .start = quick);
ROW(fails, 10, .probe = probe_ok, .start = fails);
ROW(partial, 10, .probe = probe_ok, .start = partial);

static const struct collector *const table[] = {
	&collector_quick,
	&collector_both,
	&collector_hang,
	&collector_hangprobe,
	&collector_denied,
	&collector_crash,
	&collector_burn,
	&collector_spin,
	&collector_hungry,
	&collector_big,
	&collector_large,
	&collector_larger,
	&collector_greedy,
	&collector_living,
	&collector_fails,
	&collector_partial,
	NULL,
};

int main(int argc, char **argv)
{
	struct capture_options o;
	struct sysroot root;
	struct err e = {0};

	window_open_stdio();
	int rc = capture_options_parse(&o, argc, argv, &e);
	if (rc || sysroot_open(&root, o.root, &e)) {
		fprintf(stderr, "window_engine: %s\n", e.text);
		return 2;
	}
	rc = window_run_table(&o, &root, table);
	sysroot_close(&root);
	return rc;
}
