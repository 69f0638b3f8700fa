/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "collect_run.h"

#include "../../capture/collectors/json_pick.h"

static char picked[4096];

static void note(void *ctx, int what, const char *v, size_t len)
{
	size_t used = strlen(picked);

	if (v)
		snprintf(picked + used, sizeof(picked) - used, "%d=%.*s;", what, (int)len, v);
	else
		snprintf(picked + used, sizeof(picked) - used, "%d end;", what);
}

static const struct json_want wants[] = {
	{"Name", 1},  {"Config\nImage", 2}, {"annotations\nio.kubernetes.pod.name", 3},
	{"*\nid", 4}, {"*\nnames\n*", 5},   {"*", 6},
	{"n", 7},
};

static int pick(const char *text)
{
	picked[0] = 0;
	return json_pick_text(text, strlen(text), wants, ARRAY_SIZE(wants), note, NULL, NULL);
}

static void only_what_is_wanted(void **state)
{
	assert_int_equal(pick("{\"Config\":{\"Env\":[\"PASSWORD=x\"],\"Image\":\"nginx\",\"x\":"
			      "{\"Image\":\"no\"}},\"Name\":\"/web\",\"Image\":\"no\"}"),
			 0);
	assert_string_equal(picked, "2=nginx;1=/web;");
}

static void arrays_of_objects(void **state)
{
	assert_int_equal(pick("[{\"id\":\"a\",\"names\":[\"n1\",\"n2\"],\"flags\":{\"id\":\"no\"}},"
			      "{\"names\":null},{\"id\":\"b\"}]"),
			 0);
	assert_string_equal(picked, "4=a;5=n1;5=n2;6 end;6 end;4=b;6 end;");
}

static void a_number_is_a_value_and_null_is_none(void **state)
{
	assert_int_equal(pick("{\"n\": 12.50, \"Name\": null, \"Config\": 5}"), 0);
	assert_string_equal(picked, "7=12.50;");
}

/* A key can not pose as a path. */
static void hostile_keys(void **state)
{
	assert_int_equal(
		pick("{\"Config\\nImage\":\"no\",\"*\":{\"id\":\"no\"},\"\":{\"Name\":\"no\"}}"),
		0);
	assert_string_equal(picked, "");
	assert_int_equal(pick("{\"Name\":[\"no\"],\"Config\":[{\"Image\":\"no\"}]}"), 0);
	assert_string_equal(picked, "1 end;");
}

static void deep_and_long(void **state)
{
	char *text = malloc(200000);
	size_t n = 0;

	for (int i = 0; i < 5000; i++)
		n += (size_t)sprintf(text + n, "{\"a\":");
	n += (size_t)sprintf(text + n, "1");
	memset(text + n, '}', 5000);
	text[n + 5000] = 0;
	assert_int_equal(pick(text), 0);

	/* After something deep, the top level is found again. */
	n = (size_t)sprintf(text, "{\"a\":");
	memset(text + n, '[', 100);
	memset(text + n + 100, ']', 100);
	strcpy(text + n + 200, ",\"Name\":\"top\"}");
	assert_int_equal(pick(text), 0);
	assert_string_equal(picked, "1=top;");

	/* A key longer than all paths. */
	n = (size_t)sprintf(text, "{\"");
	memset(text + n, 'k', 5000);
	strcpy(text + n + 5000, "\":{\"Name\":\"no\"},\"Name\":\"yes\"}");
	assert_int_equal(pick(text), 0);
	assert_string_equal(picked, "1=yes;");
	free(text);
}

static void not_json(void **state)
{
	static const char *const texts[] = {
		"",    "{",	     "{\"Name\":\"x\"",	     "{\"Name\"}",
		"nul", "{\"a\":1}}", "{\"Name\":\"x\"}junk", "\xff\xfe"};
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(pick(texts[i]), -EBADMSG);
	json_pick_text("{x", 2, wants, 1, note, NULL, &e);
	assert_int_equal(e.no, EBADMSG);
	assert_ptr_equal(strstr(e.text, "not JSON: "), e.text);
	assert_null(strchr(e.text, '\n'));
}

static void files_are_bounded(void **state)
{
	char *text = malloc(100000);
	struct err e = {0};
	int fd;

	snprintf(text, 100000, "{\"Name\":\"x\",\"pad\":\"%090000d\"}", 0);
	tree_put("f", text);
	fd = open(tree_path("f"), O_RDONLY | O_CLOEXEC);
	picked[0] = 0;
	assert_int_equal(json_pick_fd(fd, 200000, wants, ARRAY_SIZE(wants), note, NULL, &e), 0);
	assert_string_equal(picked, "1=x;");
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(json_pick_fd(fd, 50000, wants, ARRAY_SIZE(wants), note, NULL, &e), -EFBIG);
	assert_string_equal(e.text, "longer than 50000 bytes");
	close(fd);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_wanted),
		cmocka_unit_test(arrays_of_objects),
		cmocka_unit_test(a_number_is_a_value_and_null_is_none),
		cmocka_unit_test(hostile_keys),
		cmocka_unit_test(deep_and_long),
		cmocka_unit_test(not_json),
		TREE_TEST(files_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
