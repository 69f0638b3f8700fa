/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packs, names and the first look at tar headers. */
#include "../../capture/bundle/names.h"
#include "bundle_testing.h"

static void pack_good(void **state)
{
	static const char pack[] = "@6 3 0\n1/stat\nabc\n"
				   "@0 0 13\n\n\n"
				   "@4 5 0\n\xff\n@x\nd\n@\0e\n";
	struct pack_entry e;
	size_t pos = 0;

	assert_int_equal(pack_next(pack, sizeof(pack) - 1, &pos, &e), 1);
	assert_int_equal(e.name_len, 6);
	assert_memory_equal(e.name, "1/stat", 6);
	assert_int_equal(e.data_len, 3);
	assert_memory_equal(e.data, "abc", 3);
	assert_int_equal(pack_next(pack, sizeof(pack) - 1, &pos, &e), 1);
	assert_int_equal(e.no, 13);
	assert_int_equal(e.data_len, 0);
	/* names and data of any bytes, but NUL in names */
	assert_int_equal(pack_next(pack, sizeof(pack) - 1, &pos, &e), 1);
	assert_memory_equal(e.name, "\xff\n@x", 4);
	assert_memory_equal(e.data, "d\n@\0e", 5);
	assert_int_equal(pack_next(pack, sizeof(pack) - 1, &pos, &e), 0);
	assert_int_equal(pos, sizeof(pack) - 1);
	assert_int_equal(pack_next(NULL, 0, &(size_t){0}, &e), 0);
}

/* Every prefix of a pack, and each way to lie about a length, without reading a byte too many. */
static void pack_bad(void **state)
{
	static const char *const bad[] = {
		"x",
		"@",
		"@1",
		"@1 1",
		"@1 1 0",
		"@1 1 0\n",
		"@1 1 0\na",
		"@1 1 0\na\n",
		"@1 1 0\na\nb",
		"@1  1 0\na\nb\n",
		"@1 1 0 \na\nb\n",
		"@-1 1 0\na\nb\n",
		"@+1 1 0\na\nb\n",
		"@1 2 0\na\nb\n",
		"@2 1 0\na\nb\n",
		"@1 18446744073709551615 0\na\nb\n",
		"@999999999999 1 0\na\nb\n",
		"@1 999999999999 0\na\nb\n",
		"@1 1 99999\na\nb\n",
		"@1 1 0\na\nbb\n",
		"@1 1 0\r\na\nb\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		size_t len = strlen(bad[i]), pos = 0;
		char *exact = malloc(len); /* so that reading too far is seen */
		struct pack_entry e = {.no = -7};

		memcpy(exact, bad[i], len);
		if (pack_next(exact, len, &pos, &e) != -EBADMSG)
			fail_msg("%s", bad[i]);
		assert_int_equal(pos, 0);
		assert_int_equal(e.no, -7);
		free(exact);
	}
	size_t pos = 0;
	struct pack_entry e;

	assert_int_equal(pack_next("@3 0 0\na\0b\n\n", 12, &pos, &e), -EBADMSG);
}

static void names(void **state)
{
	static const char *const good[] = {"a", "a/b", "...", "a/.b", "-", "_", "a..b/c", "A-9"};
	static const char *const bad[] = {"",	 "/",	 "a/",	  "/a",	     "a//b",
					  ".",	 "..",	 "./a",	  "a/..",    "a/./b",
					  "a b", "a\\b", "a\x7f", "\xc3\xa9"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(bundle_name_ok(good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(bundle_name_ok(bad[i], strlen(bad[i])));
	assert_false(bundle_name_ok("a\0b", 3));
}

static void name_sets(void **state)
{
	struct name_set set = {0};
	char name[32];

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 5000; i++) {
			snprintf(name, sizeof(name), "m/%d", i);
			assert_int_equal(name_set_add(&set, name), round == 0);
		}
	}
	assert_int_equal(set.used, 5000);
	assert_int_equal(name_set_add(&set, "last"), 1);
	name_set_remove_last(&set, "last");
	assert_int_equal(name_set_add(&set, "last"), 1);
	name_set_deinit(&set);
	assert_int_equal(set.used, 0);
	name_set_deinit(&set);
}

static void tar_headers(void **state)
{
	uint8_t b[TAR_BLOCK] = {0};
	struct tarhead h;

	assert_true(tar_block_is_zero(b));
	assert_int_equal(tarhead_parse(b, &h), -EBADMSG);
	b[511] = 1;
	assert_false(tar_block_is_zero(b));

	tarhead_make(b, "top/name", 1234567);
	assert_int_equal(tarhead_parse(b, &h), 0);
	assert_int_equal(h.size, 1234567);
	assert_true(h.regular);
	assert_true(tarhead_under(b, "top"));
	assert_false(tarhead_under(b, "to"));
	assert_false(tarhead_under(b, "top/name/x"));
	for (int i = 0; i < TAR_BLOCK; i++) {
		b[i] ^= 0x10;
		/* A changed byte is seen, unless the checksum field still means the same. */
		assert_true(tarhead_parse(b, &h) < 0 || (i >= 148 && i < 156));
		b[i] ^= 0x10;
	}
	/* a prefix */
	memset(b, 0, 100);
	memcpy(b, "name", 4);
	memcpy(b + 345, "top", 3);
	tarhead_checksum(b);
	assert_true(tarhead_under(b, "top"));
	assert_false(tarhead_under(b, "name"));

	tarhead_make(b, "top/x", 0);
	memcpy(b + 124, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
	tarhead_checksum(b);
	assert_int_equal(tarhead_parse(b, &h), 0);
	assert_true(h.size == INT64_MAX);
	b[124] = 0xff;
	tarhead_checksum(b);
	assert_int_equal(tarhead_parse(b, &h), -EBADMSG);
	tarhead_make(b, "top/x", 99);
	b[156] = '5';
	tarhead_checksum(b);
	assert_int_equal(tarhead_parse(b, &h), 0);
	assert_int_equal(h.size, 0);
	assert_false(h.regular);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pack_good), cmocka_unit_test(pack_bad),    cmocka_unit_test(names),
		cmocka_unit_test(name_sets), cmocka_unit_test(tar_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
