/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fuzzing the archive started from and what it once found: tests/fuzz/corpus/bundle. */
#include <dirent.h>

#include "bundle_testing.h"

#include "../fuzz/fuzz_bundle.c"

static void corpus(void **state)
{
	DIR *dir = opendir(SOURCE_DIR "/tests/fuzz/corpus/bundle");
	struct dirent *d;
	unsigned count = 0;
	char path[512];

	assert_non_null(dir);
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), SOURCE_DIR "/tests/fuzz/corpus/bundle/%s", d->d_name);
		struct bytes b = read_all(path);

		assert_int_equal(LLVMFuzzerTestOneInput(b.p, b.len), 0);
		free(b.p);
		count++;
	}
	closedir(dir);
	assert_true(count >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(corpus)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
