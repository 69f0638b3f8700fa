/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real ELF files made here by the compiler and binutils, ground truth from nm; and hostile ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../capture/base/cleanup.h"
#include "../../capture/symbols/module_names.h"
#include "../../capture/symbols/nearest.h"
#include "../../capture/symbols/xz.h"

static char dir[] = "/tmp/ossnap-symbols.XXXXXX";

static const char source[] =
	"__attribute__((noinline)) int inner(int x){ __asm__ volatile(\"\"); return x + 1; }\n"
	"__attribute__((noinline)) static int hidden(int x){ __asm__ volatile(\"\"); return "
	"inner(x) * 3; }\n"
	"int outer(int x){ return hidden(x) + 7; }\n"
	"int main(int argc, char **argv){ return outer(argc); }\n";

static void sh(const char *command)
{
	char line[2048];

	snprintf(line, sizeof(line), "cd %s && { %s; } >/dev/null 2>log", dir, command);
	if (system(line) != 0) {
		snprintf(line, sizeof(line), "cat %s/log >&2", dir);
		(void)!system(line);
		fail_msg("%s", command);
	}
}

static int set_up(void **state)
{
	char path[128];
	FILE *f;

	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/a.c", dir);
	f = fopen(path, "w");
	if (!f)
		return -1;
	fputs(source, f);
	fclose(f);
	sh("gcc -O1 -fno-inline -Wl,--build-id -rdynamic -o full a.c");
	sh("objcopy --only-keep-debug full full.debug && strip -o stripped full");
	/* As Fedora's find-debuginfo makes it: functions that are not in .dynsym, xz. */
	sh("nm -D full --format=posix --defined-only | awk '{print $1}' | sort > dyn;"
	   "nm full --format=posix --defined-only | awk '$2 == \"T\" || $2 == \"t\" {print $1}' | "
	   "sort > func;"
	   "comm -13 dyn func > keep;"
	   "objcopy -S --remove-section .gdb_index --remove-section .comment --keep-symbols=keep "
	   "full mini;"
	   "xz -k mini; objcopy --add-section .gnu_debugdata=mini.xz stripped minidebug");
	sh("nm --format=posix full > truth");
	return 0;
}

static int tear_down(void **state)
{
	char line[128];

	snprintf(line, sizeof(line), "rm -rf %s", dir);
	return system(line);
}

static int open_file(const char *name, struct elf_source *src)
{
	char path[160];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s%s", name[0] == '/' ? "" : dir, name[0] == '/' ? "" : "/",
		 name);
	src->mem = NULL;
	src->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (src->fd < 0)
		return -errno;
	assert_int_equal(fstat(src->fd, &st), 0);
	src->size = (uint64_t)st.st_size;
	return 0;
}

/* What nm says: the value of a function. */
static uint64_t truth(const char *name, uint64_t *ret_size)
{
	char path[128], line[512], have[256], type;
	unsigned long long value, size;
	FILE *f;

	snprintf(path, sizeof(path), "%s/truth", dir);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		size = 0;
		if (sscanf(line, "%255s %c %llx %llx", have, &type, &value, &size) >= 3 &&
		    strcmp(have, name) == 0) {
			fclose(f);
			*ret_size = size;
			return value;
		}
	}
	fclose(f);
	fail_msg("nm does not know %s", name);
	return 0;
}

struct result {
	uint64_t address, symbol;
	char name[ELF_NAME_MAX];
	bool called;
};

static int take(void *ctx, size_t i, uint64_t address, uint64_t symbol, const char *name,
		size_t len)
{
	struct result *r = (struct result *)ctx + i;

	assert_false(r->called);
	r->called = true;
	r->address = address;
	r->symbol = symbol;
	snprintf(r->name, sizeof(r->name), "%.*s", (int)len, name ? name : "");
	return 0;
}

static void check_file(const char *name, const char *debug_name)
{
	static const char *const wanted[] = {"inner", "hidden", "outer", "main"};
	struct elf_source src = {0}, debug_src = {.fd = -1};
	struct elf_file f, debug;
	uint64_t offsets[8], size;
	struct result *results = calloc(8, sizeof(*results));

	assert_int_equal(open_file(name, &src), 0);
	assert_int_equal(elf_open(&f, &src), 0);
	assert_int_equal(f.build_id_len, 20);
	if (debug_name) {
		assert_int_equal(open_file(debug_name, &debug_src), 0);
		assert_int_equal(elf_open(&debug, &debug_src), 0);
		assert_memory_equal(debug.build_id, f.build_id, 20);
	}
	/* The functions stand in this order, in a segment whose offset equals its address. */
	for (size_t i = 0; i < 4; i++) {
		uint64_t value = truth(wanted[i], &size);

		assert_true(size > 1);
		offsets[2 * i] = value;
		offsets[2 * i + 1] = value + size - 1;
	}
	struct module_names n = {.offsets = offsets, .count = 8, .found = take, .ctx = results};
	assert_int_equal(module_names(&n, &f, debug_name ? &debug : NULL), 0);
	for (size_t i = 0; i < 8; i++) {
		assert_true(results[i].called);
		assert_string_equal(results[i].name, wanted[i / 2]);
		assert_int_equal(results[i].symbol, truth(wanted[i / 2], &size));
		assert_int_equal(results[i].address, offsets[i]);
	}
	close(src.fd);
	if (debug_name)
		close(debug_src.fd);
	free(results);
}

static void symtab(void **state)
{
	check_file("full", NULL);
}

static void separate_debug_file(void **state)
{
	check_file("stripped", "full.debug");
}

static void mini_debug_info(void **state)
{
	check_file("minidebug", NULL);
}

static void only_dynsym(void **state)
{
	struct elf_source src = {0};
	struct elf_file f;
	uint64_t size, offsets[2] = {truth("inner", &size), truth("hidden", &size)};
	struct result *results = calloc(2, sizeof(*results));
	struct module_names n = {.offsets = offsets, .count = 2, .found = take, .ctx = results};

	assert_int_equal(open_file("stripped", &src), 0);
	assert_int_equal(elf_open(&f, &src), 0);
	assert_int_equal(f.symtab.size, 0);
	assert_int_equal(module_names(&n, &f, NULL), 0);
	assert_string_equal(results[0].name, "inner");
	/* Better no name than the neighbour's. */
	assert_string_equal(results[1].name, "");
	close(src.fd);
	free(results);
}

/* Without section headers, as sstrip leaves it: the dynamic segment still has the symbols. */
static void no_sections(void **state)
{
	struct elf_source src = {0};
	struct elf_file f;
	char path[160];
	uint64_t size, offset = truth("inner", &size);
	struct result *results = calloc(1, sizeof(*results));
	struct module_names n = {.offsets = &offset, .count = 1, .found = take, .ctx = results};
	Elf64_Ehdr e;
	int fd;

	sh("cp stripped bare");
	snprintf(path, sizeof(path), "%s/bare", dir);
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &e, sizeof(e), 0), sizeof(e));
	e.e_shoff = 0;
	e.e_shnum = e.e_shstrndx = 0;
	assert_int_equal(pwrite(fd, &e, sizeof(e), 0), sizeof(e));
	close(fd);
	assert_int_equal(open_file("bare", &src), 0);
	assert_int_equal(elf_open(&f, &src), 0);
	assert_int_equal(f.build_id_len, 20);
	assert_int_equal(module_names(&n, &f, NULL), 0);
	assert_string_equal(results[0].name, "inner");
	close(src.fd);
	free(results);
}

/* ------------------------------------------------------------------ hostile */

static uint8_t *load(const char *name, size_t *ret_size)
{
	struct elf_source src = {0};
	uint8_t *p;

	assert_int_equal(open_file(name, &src), 0);
	p = malloc(src.size);
	assert_int_equal(elf_read(&src, 0, p, src.size), 0);
	close(src.fd);
	*ret_size = src.size;
	return p;
}

static int ignore(void *ctx, size_t i, uint64_t address, uint64_t symbol, const char *name,
		  size_t len)
{
	(*(unsigned *)ctx)++;
	return 0;
}

/* Whatever it is: an answer for each address or a refusal, in the sanitizer's sight. */
static int try_bytes(const uint8_t *bytes, size_t size)
{
	/* Memory of its own size, so that a byte too many is seen. */
	uint8_t *copy = malloc(size ? size : 1);
	struct elf_source src = {.fd = -1, .mem = copy, .size = size};
	uint64_t offsets[] = {0, 0x1139, 0x1140, 0x2000, UINT64_MAX};
	unsigned called = 0;
	struct module_names n = {.offsets = offsets, .count = 5, .found = ignore, .ctx = &called};
	struct elf_file f;
	int r;

	memcpy(copy, bytes, size);
	r = elf_open(&f, &src);
	if (!r) {
		assert_int_equal(module_names(&n, &f, &f), 0);
		assert_int_equal(called, 5);
	} else {
		assert_true(r == -ENOEXEC || r == -EBADMSG);
	}
	free(copy);
	return r;
}

static void cut_anywhere(void **state)
{
	size_t size;
	uint8_t *p = load("minidebug", &size);

	for (size_t n = 0; n < size; n += n < 1024 ? 1 : 251)
		try_bytes(p, n);
	free(p);
}

static uint64_t random_state = 42;
static uint64_t rnd(void)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return random_state >> 20;
}

static void lying(void **state)
{
	static const uint64_t lies[] = {
		0,     1, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff, UINT64_MAX, UINT64_MAX - 63,
		0x1000};
	size_t size;
	uint8_t *p = load("minidebug", &size), *q = malloc(size);
	Elf64_Ehdr e;

	memcpy(&e, p, sizeof(e));
	for (unsigned round = 0; round < 4000; round++) {
		unsigned count = 1 + (unsigned)(rnd() % 3);

		memcpy(q, p, size);
		while (count--) {
			size_t area = rnd() % 3, at;
			unsigned width = 1u << rnd() % 4;
			uint64_t lie = lies[rnd() % ARRAY_SIZE(lies)];

			/* Its header, its segments, its sections. */
			at = area == 0	 ? rnd() % sizeof(e)
			     : area == 1 ? e.e_phoff + rnd() % (e.e_phnum * sizeof(Elf64_Phdr))
					 : e.e_shoff + rnd() % (e.e_shnum * sizeof(Elf64_Shdr));
			at &= ~(size_t)(width - 1);
			if (at + width <= size)
				memcpy(q + at, &lie, width);
		}
		try_bytes(q, size);
	}
	free(p);
	free(q);
}

static void huge_counts(void **state)
{
	size_t size;
	uint8_t *p = load("full", &size);
	Elf64_Ehdr e;

	memcpy(&e, p, sizeof(e));
	e.e_shnum = 65535;
	memcpy(p, &e, sizeof(e));
	assert_int_equal(try_bytes(p, size), 0); /* the segments are still right */
	e.e_phnum = 65535;
	memcpy(p, &e, sizeof(e));
	assert_int_equal(try_bytes(p, size), -EBADMSG);
	free(p);
}

static void not_elf(void **state)
{
	assert_int_equal(try_bytes((const uint8_t *)"#!/bin/sh\n", 10), -ENOEXEC);
	assert_int_equal(try_bytes((const uint8_t *)"", 0), -ENOEXEC);
	assert_int_equal(try_bytes((const uint8_t *)"\177ELF\002\001\001\0\0\0\0\0\0\0\0\0", 16),
			 -EBADMSG);
}

/* An xz bomb in .gnu_debugdata costs the names, not the memory. */
static void xz_bomb(void **state)
{
	struct elf_source src = {0};
	uint8_t *out = NULL;
	size_t size;

	sh("head -c 64M /dev/zero | xz -9e > bomb; printf notxz > notxz; head -c 100 bomb > cut;"
	   "head -c 1M /dev/zero | xz -9 --lzma2=dict=512MiB > greedy");
	assert_int_equal(open_file("bomb", &src), 0);
	assert_int_equal(xz_inflate(&src, 0, src.size, &out, &size), -E2BIG);
	close(src.fd);
	assert_int_equal(open_file("greedy", &src), 0);
	assert_int_equal(xz_inflate(&src, 0, src.size, &out, &size), -E2BIG);
	close(src.fd);
	assert_int_equal(open_file("notxz", &src), 0);
	assert_int_equal(xz_inflate(&src, 0, src.size, &out, &size), -EBADMSG);
	close(src.fd);
	assert_int_equal(open_file("cut", &src), 0);
	assert_true(xz_inflate(&src, 0, src.size, &out, &size) < 0);
	close(src.fd);
	assert_null(out);
}

/* ------------------------------------------------------------------ nearest */

/* Against the plain definition, on random symbols that overlap and nest. */
static void nearest_random(void **state)
{
	for (unsigned round = 0; round < 300; round++) {
		uint64_t addresses[32];
		struct nearest_symbol s[64];
		struct nearest n;
		uint64_t at = 100;

		for (size_t i = 0; i < 32; i++)
			addresses[i] = at += 1 + rnd() % 40;
		assert_int_equal(nearest_init(&n, addresses, 32), 0);
		/* A tree of depth two: functions one behind the other, each with one inside. */
		at = 90;
		for (size_t i = 0; i < 64; i += 2) {
			uint64_t size = 6 + rnd() % 40;

			s[i] = (struct nearest_symbol){.value = at, .end = at + size, .name = i};
			s[i + 1] = (struct nearest_symbol){
				.value = at + 2, .end = at + 2 + rnd() % (size - 2), .name = i + 1};
			if (s[i + 1].end == s[i + 1].value)
				s[i + 1].end++;
			at += size + rnd() % 9;
		}
		for (size_t i = 0; i < 64; i++) { /* any order */
			size_t j = rnd() % 64;
			struct nearest_symbol t = s[i];

			s[i] = s[j];
			s[j] = t;
		}
		for (size_t i = 0; i < 64; i++)
			nearest_add(&n, &s[i]);
		nearest_settle(&n);
		for (size_t i = 0; i < 32; i++) {
			const struct nearest_symbol *got = nearest_get(&n, i), *want = NULL;

			for (size_t k = 0; k < 64; k++)
				if (s[k].value <= addresses[i] && addresses[i] < s[k].end &&
				    (!want || s[k].value > want->value))
					want = &s[k];
			assert_int_equal(!!got, !!want);
			if (want)
				assert_int_equal(got->name, want->name);
		}
		nearest_deinit(&n);
	}
}

static void nearest_labels(void **state)
{
	uint64_t addresses[] = {10, 20, 30, 40};
	static const struct nearest_symbol s[] = {
		{.value = 8, .end = 8, .name = 1},   /* a label: up to the next symbol */
		{.value = 15, .end = 18, .name = 2}, /* ends before 20: a fence */
		{.value = 25, .end = 45, .name = 3},
		{.value = 38, .end = 38, .name = 4}, /* a label inside a function is no function */
	};
	struct nearest n;

	assert_int_equal(nearest_init(&n, addresses, 4), 0);
	for (size_t i = 0; i < ARRAY_SIZE(s); i++)
		nearest_add(&n, &s[i]);
	nearest_settle(&n);
	assert_int_equal(nearest_get(&n, 0)->name, 1);
	assert_null(nearest_get(&n, 1));
	assert_int_equal(nearest_get(&n, 2)->name, 3);
	assert_int_equal(nearest_get(&n, 3)->name, 3);
	nearest_deinit(&n);
}

/* ------------------------------------------------------------------ perf-PID.map */

static void perf_map_text(void **state)
{
	static const char text[] = "1000 10 first\n0x1010 0x10 LazyCompile:~x /a b.js:1\n"
				   "garbage\n2000 zz bad\nffffffffffffffffff 1 wide\n"
				   "3000 10 unfinish";
	struct elf_source src = {.fd = -1, .mem = (const uint8_t *)text, .size = sizeof(text) - 1};
	uint64_t offsets[] = {0x100f, 0x1010, 0x1020, 0x2000, 0x3000};
	struct result *results = calloc(5, sizeof(*results));
	struct module_names n = {.offsets = offsets, .count = 5, .found = take, .ctx = results};

	assert_int_equal(module_names_perf_map(&n, &src), 0);
	assert_string_equal(results[0].name, "first");
	assert_string_equal(results[1].name, "LazyCompile:~x /a b.js:1");
	assert_string_equal(results[2].name, "");
	assert_string_equal(results[3].name, "");
	assert_string_equal(results[4].name, "");
	free(results);
}

/* Longer than the buffer, and lines that are longer than it. */
static void perf_map_long(void **state)
{
	size_t cap = 400000, len = 0;
	char *text = malloc(cap);
	uint64_t offset = 0x77;
	struct result *results = calloc(1, sizeof(*results));
	struct elf_source src = {.fd = -1, .mem = (const uint8_t *)text};
	struct module_names n = {.offsets = &offset, .count = 1, .found = take, .ctx = results};

	while (len < 100000)
		len += (size_t)sprintf(text + len, "%zx 1 filler%zu\n", len + 0x1000, len);
	memset(text + len, 'x', 200000);
	len += 200000;
	len += (size_t)sprintf(text + len, "\n70 10 found me\n");
	src.size = len;
	assert_int_equal(module_names_perf_map(&n, &src), 0);
	assert_string_equal(results[0].name, "found me");
	free(results);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(symtab),	   cmocka_unit_test(separate_debug_file),
		cmocka_unit_test(mini_debug_info), cmocka_unit_test(only_dynsym),
		cmocka_unit_test(no_sections),	   cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(lying),	   cmocka_unit_test(huge_counts),
		cmocka_unit_test(not_elf),	   cmocka_unit_test(xz_bomb),
		cmocka_unit_test(nearest_random),  cmocka_unit_test(nearest_labels),
		cmocka_unit_test(perf_map_text),   cmocka_unit_test(perf_map_long),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
