/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of Python in the native stack: every case of where they belong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../analyze/python_merge.h"

#define MOST 64

/*
 * native: root first, a letter each; E evaluates.  python: leaf first, a digit each; behind the
 * outermost frame of a call ^, and perhaps a letter: the native frame's place (a: leaf); ? in place
 * of a digit: a frame without a name.  Returns the merged stack, root first.
 */
static const char *merged(const char *native, bool native_whole, const char *python,
			  bool python_whole)
{
	static char text[2 * MOST];
	struct merge_frame py[MOST];
	uint32_t names[MOST], out[2 * MOST];
	bool evaluates[MOST];
	size_t n = strlen(native), count = 0;
	struct merge m = {.native = names,
			  .evaluates = evaluates,
			  .native_count = n,
			  .native_whole = native_whole,
			  .python = py,
			  .python_whole = python_whole};

	for (size_t i = 0; i < n; i++) {
		names[i] = (uint32_t)native[n - 1 - i];
		evaluates[i] = names[i] == 'E';
	}
	for (const char *p = python; *p; p++) {
		py[count] = (struct merge_frame){
			.name = (uint32_t)*p, .known = *p != '?', .native = MERGE_NOWHERE};
		if (p[1] == '^') {
			p++;
			py[count].entry = true;
			if (p[1] >= 'a')
				py[count].native = (uint32_t)(*++p - 'a');
		}
		count++;
	}
	m.python_count = count;
	n = merge_python(&m, out);
	assert_true(n <= m.native_count + m.python_count);
	for (size_t i = 0; i < n; i++)
		text[i] = (char)out[i];
	text[n] = 0;
	return text;
}

static void by_name(void **state)
{
	/* One call, one frame; and one call that runs three. */
	assert_string_equal(merged("smE", true, "1^", true), "sm1");
	assert_string_equal(merged("smEx", true, "123^", true), "sm321x");
	/* Python → C → Python: what is between stays. */
	assert_string_equal(merged("smExyEz", true, "12^34^", true), "sm43xy21z");
	/* 3.8: each frame has a call of its own. */
	assert_string_equal(merged("smEfEfEz", true, "1^2^3^", true), "sm3f2f1z");
	assert_string_equal(merged("sm", true, "", true), "sm");
	assert_string_equal(merged("", true, "", true), "");
}

static void by_place(void **state)
{
	/* Names are not needed, and do not lead astray. */
	assert_string_equal(merged("sm?xy?z", true, "12^b34^e", true), "sm43xy21z");
	assert_string_equal(merged("smExyEz", true, "12^b34^e", true), "sm43xy21z");
	/* A place for one of them: the others are looked for on its two sides. */
	assert_string_equal(merged("sEaEb?c", true, "1^b2^3^", true), "s3a2b1c");
	assert_string_equal(merged("sEa?bEc", true, "1^2^d3^", true), "s3a2b1c");
	/* Places that do not ascend, or lie outside: not believed. */
	assert_string_equal(merged("sEfE", true, "1^c2^a", true), "s21fE");
	assert_string_equal(merged("sE", true, "1^z", true), "s1");
}

static void cut_stacks(void **state)
{
	/* The native part was cut: Python's outer frames stand above all. */
	assert_string_equal(merged("xE", false, "1^2^3^", true), "32x1");
	assert_string_equal(merged("x", false, "12^34^", true), "4321x");
	assert_string_equal(merged("", false, "12^3^", true), "321");
	/* Python's part was cut: its frames are the inner ones. */
	assert_string_equal(merged("sEfEfEz", true, "1^2^", false), "sEf2f1z");
	assert_string_equal(merged("sEfEfEz", true, "12", false), "sEfEf21z");
	assert_string_equal(merged("sEfEfE", true, "12^a3", false), "sEf3f21");
}

static void not_as_many(void **state)
{
	/* At the leaf a call begins or ends: it has no frame yet. */
	assert_string_equal(merged("sEfE", true, "12^", true), "s21fE");
	assert_string_equal(merged("sEfEx", true, "1^", true), "s1fEx");
	/* Fewer calls than there should be: some of them has no name. */
	assert_string_equal(merged("sEf?x", true, "1^2^", true), "s21f?x");
	/* None has: the frames come last, none is lost. */
	assert_string_equal(merged("sf", true, "1^2^", true), "sf21");
}

static void without_names(void **state)
{
	/* Not one frame of a call could be read: the evaluation function stays. */
	assert_string_equal(merged("sEfEx", true, "?^2^", true), "s2fEx");
	assert_string_equal(merged("sEfEx", true, "1?^2^", true), "s2f?1x");
}

static void no_matter_what(void **state)
{
	static const char parts[] = "Esx?";
	unsigned seed = 7;

	for (unsigned round = 0; round < 50000; round++) {
		char native[MOST] = "", python[3 * MOST] = "", *p = python;
		unsigned n = (unsigned)rand_r(&seed) % 20, frames = (unsigned)rand_r(&seed) % 20;
		const char *got;

		for (unsigned i = 0; i < n; i++)
			native[i] = parts[rand_r(&seed) % 4];
		for (unsigned i = 0; i < frames; i++) {
			*p++ = (char)('1' + rand_r(&seed) % 9);
			if (rand_r(&seed) % 2)
				continue;
			*p++ = '^';
			if (rand_r(&seed) % 2)
				*p++ = (char)('a' + rand_r(&seed) % 25);
		}
		got = merged(native, rand_r(&seed) % 2, python, rand_r(&seed) % 2);
		/* Every frame of Python is there, in order, from the root on. */
		const char *q = got;
		for (const char *want = p; want > python; want--) {
			if (want[-1] < '1' || want[-1] > '9')
				continue;
			while (*q && *q != want[-1])
				q++;
			assert_int_equal(*q++, want[-1]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_name),	 cmocka_unit_test(by_place),
		cmocka_unit_test(cut_stacks),	 cmocka_unit_test(not_as_many),
		cmocka_unit_test(without_names), cmocka_unit_test(no_matter_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
