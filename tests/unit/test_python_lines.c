/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Line tables of CPython against what the interpreters themselves said of them
 * (fixtures/python/record_lines.py, run by each version).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../capture/symbols/python_lines.h"

#define TABLE_MAX 16384

static size_t from_hex(const char *text, uint8_t *out)
{
	size_t n = 0;
	unsigned byte;

	while (n < TABLE_MAX && sscanf(text + 2 * n, "%2x", &byte) == 1)
		out[n++] = (uint8_t)byte;
	return n;
}

/* "MINOR FIRST HEX START-END:LINE …".  How many places were looked at. */
static unsigned check_code(char *line, const char *name)
{
	static uint8_t table[TABLE_MAX];
	char *rest = line, *word = strsep(&rest, " ");
	unsigned minor = (unsigned)atoi(word), places = 0;
	int first = atoi(strsep(&rest, " ")), last_end = 0;
	char *hex = strsep(&rest, " ");
	size_t len = *hex == '-' ? 0 : from_hex(hex, table);

	while ((word = strsep(&rest, " "))) {
		int start, end, expected;

		assert_int_equal(sscanf(word, "%d-%d:%d", &start, &end, &expected), 3);
		for (int at = start; at < end; at += 2, places++) {
			int found = python_line(minor, table, len, first, at);

			if (found != expected)
				fail_msg("%s: first line %d, at %d: %d, not %d", name, first, at,
					 found, expected);
		}
		last_end = end;
	}
	assert_int_equal(python_line(minor, table, len, first, -1), first);
	/* To 3.9 the table does not say where the code ends. */
	if (minor >= 10)
		assert_int_equal(python_line(minor, table, len, first, last_end), -ERANGE);
	return places;
}

static void as_the_interpreter_says(void **state)
{
	for (unsigned minor = 8; minor <= 14; minor++) {
		char path[512], *line = NULL;
		unsigned codes = 0, places = 0;
		size_t cap = 0;
		ssize_t n;
		FILE *f;

		snprintf(path, sizeof(path), "%s/fixtures/python/lines-3.%u.txt", SOURCE_DIR,
			 minor);
		f = fopen(path, "r");
		if (!f)
			fail_msg("%s: %s", path, strerror(errno));
		while ((n = getline(&line, &cap, f)) > 0) {
			line[strcspn(line, "\n")] = 0;
			places += check_code(line, path);
			codes++;
		}
		fclose(f);
		free(line);
		assert_in_range(codes, 12, 20);
		assert_in_range(places, 600, 10000);
	}
}

/* Whatever the bytes are: it ends, reads nothing beyond, and no line is negative. */
static void hostile_tables(void **state)
{
	unsigned seed = 1;

	for (unsigned round = 0; round < 20000; round++) {
		size_t len = (unsigned)rand_r(&seed) % 40;
		uint8_t *table = malloc(len ? len : 1);

		assert_non_null(table);
		for (size_t i = 0; i < len; i++)
			table[i] = (uint8_t)(rand_r(&seed) >> 4);
		for (unsigned minor = 8; minor <= 14; minor++) {
			int line = python_line(minor, table, len, rand_r(&seed) - (1 << 30),
					       (int)(rand_r(&seed) % 200));

			assert_true(line >= 0 || line == -ERANGE);
		}
		free(table);
	}
	assert_int_equal(python_line(11, NULL, 0, 5, 0), -ERANGE);
	assert_int_equal(python_line(8, NULL, 0, 5, 1000), 5);
	/* Lines that run out of what an int holds have none. */
	static const uint8_t far[] = {0xf0, 0x7e, 0x7f, 0x7f, 0x7f, 0x7f, 0x01, 0, 0, 0};

	assert_int_equal(python_line(12, far, sizeof(far), 0x7fffffff, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_interpreter_says),
		cmocka_unit_test(hostile_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
