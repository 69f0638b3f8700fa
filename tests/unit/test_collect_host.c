/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "collect_run.h"

extern const struct collector collector_host;

static void os_release_link_stays_inside(void **state)
{
	tree_put("usr/lib/os-release", "ID=inside\n");
	tree_link("etc/os-release", "../usr/lib/os-release");
	run_collector(&collector_host, NULL);
	assert_int_equal(out.result, 0);
	assert_string_equal(out_member("raw/host/os-release", 0)->data, "ID=inside\n");
}

static void links_do_not_lead_out(void **state)
{
	tree_link("etc/os-release", "/etc/passwd");
	tree_link("proc/version", "/proc/version");
	tree_link("proc/loadavg", "../../../../../../../../etc/passwd");
	run_collector(&collector_host, NULL);
	assert_null(out_member("raw/host/os-release", 0));
	assert_null(out_member("raw/host/version", 0));
	assert_null(out_member("raw/host/loadavg", 0));
	assert_non_null(strstr(out.notes, "proc/loadavg"));
}

/* An absolute link of a recording means a path of the recording. */
static void absolute_link_is_of_the_recording(void **state)
{
	tree_put("run/os-release", "ID=recorded\n");
	tree_link("etc/os-release", "/run/os-release");
	run_collector(&collector_host, NULL);
	assert_string_equal(out_member("raw/host/os-release", 0)->data, "ID=recorded\n");
}

static void command_line_keeps_no_secret(void **state)
{
	const char *text;

	tree_put("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 rd.iscsi.password=hunter2 "
				 "url=https://me:pa55@example.org/x transparent_hugepage=never\n");
	run_collector(&collector_host, NULL);
	text = out_member("raw/host/cmdline", 0)->data;
	assert_null(strstr(text, "hunter2"));
	assert_null(strstr(text, "pa55"));
	assert_non_null(strstr(text, "BOOT_IMAGE=/vmlinuz root=/dev/sda1 rd.iscsi.password="));
	assert_non_null(strstr(text, " transparent_hugepage=never\n"));
	assert_int_equal(out.redacted, 2);
}

static void without_redaction_it_is_verbatim(void **state)
{
	const struct capture_options o = {.redact = REDACT_NONE};
	const char *line = "root=/dev/sda1 rd.iscsi.password=hunter2 quiet\n";

	tree_put("proc/cmdline", line);
	run_collector(&collector_host, &o);
	assert_string_equal(out_member("raw/host/cmdline", 0)->data, line);
	assert_int_equal(out.redacted, 0);
}

static void fifos_and_directories_do_not_hang(void **state)
{
	tree_fifo("proc/version");
	tree_put("proc/uptime/file", "a directory instead");
	run_collector_for(&collector_host, NULL, tree, -1, 5000);
	assert_int_equal(out.result, 0);
	assert_null(out_member("raw/host/version", 0));
	assert_int_equal(out.status, COLLECTOR_ERROR);
	assert_non_null(strstr(out.reason, "proc/version"));
	assert_non_null(strstr(out.reason, "proc/uptime"));
}

static void a_long_file_is_cut_and_says_so(void **state)
{
	char *text = malloc(600 << 10);

	assert_non_null(text);
	memset(text, 'x', 600 << 10);
	tree_data("proc/modules", text, 600 << 10);
	tree_data("proc/cpuinfo", text, 600 << 10);
	free(text);
	run_collector(&collector_host, NULL);
	assert_int_equal(out_member("raw/host/modules", 0)->len, 512 << 10);
	assert_true(out_member("raw/host/modules", 0)->truncated);
	/* That of a machine with 400 CPUs. */
	assert_false(out_member("raw/host/cpuinfo", 0)->truncated);
	assert_int_equal(out.status, COLLECTOR_PARTIAL);
	assert_string_equal(out.reason, "/proc/modules: File too large");
}

static void knobs_go_by_their_path(void **state)
{
	tree_put("proc/sys/vm/swappiness", "60\n");
	tree_put("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	run_collector(&collector_host, NULL);
	assert_string_equal(
		out_entry(out_member("raw/host/knobs", 0), "proc/sys/vm/swappiness", NULL, NULL),
		"60\n");
	assert_non_null(out_entry(out_member("raw/host/knobs", 0),
				  "sys/kernel/mm/transparent_hugepage/enabled", NULL, NULL));
	assert_int_equal(out_entries(out_member("raw/host/knobs", 0)), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(os_release_link_stays_inside),
		TREE_TEST(links_do_not_lead_out),
		TREE_TEST(absolute_link_is_of_the_recording),
		TREE_TEST(command_line_keeps_no_secret),
		TREE_TEST(without_redaction_it_is_verbatim),
		TREE_TEST(fifos_and_directories_do_not_hang),
		TREE_TEST(a_long_file_is_cut_and_says_so),
		TREE_TEST(knobs_go_by_their_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
