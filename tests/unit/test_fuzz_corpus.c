/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fuzzing started from and what it once found, replayed: tests/fuzz/corpus. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../../capture/base/cleanup.h"

#define LLVMFuzzerTestOneInput fuzz_parsers
#include "../fuzz/fuzz_parsers.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_wire
#include "../fuzz/fuzz_wire.c"
#undef LLVMFuzzerTestOneInput
#undef must
#define LLVMFuzzerTestOneInput fuzz_symbols
#include "../fuzz/fuzz_symbols.c"
#undef LLVMFuzzerTestOneInput

static void replay(const char *corpus, int (*target)(const uint8_t *data, size_t size))
{
	_cleanup_dir_ DIR *dir = NULL;
	char path[512];
	struct dirent *d;
	size_t count = 0;

	snprintf(path, sizeof(path), SOURCE_DIR "/tests/fuzz/corpus/%s", corpus);
	dir = opendir(path);
	assert_non_null(dir);
	while ((d = readdir(dir))) {
		_cleanup_fd_ int fd = openat(dirfd(dir), d->d_name, O_RDONLY);
		_cleanup_free_ uint8_t *data = NULL;
		struct stat st;

		assert_true(fd >= 0);
		if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		data = malloc((size_t)st.st_size + 1);
		assert_non_null(data);
		assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
		assert_int_equal(target(data, (size_t)st.st_size), 0);
		count++;
	}
	assert_true(count > 0);
}

static void members(void **state)
{
	replay("parsers", fuzz_parsers);
}

static void streams(void **state)
{
	replay("wire", fuzz_wire);
}

static void files(void **state)
{
	replay("symbols", fuzz_symbols);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members),
		cmocka_unit_test(streams),
		cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
