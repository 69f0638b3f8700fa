/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stacks in other tools' formats, with names that those formats have their own ideas about. */
#include "facts_rows.h"

#include <errno.h>
#include <zlib.h>

#include "../../analyze/exports.h"
#include "../../analyze/model.h"

static struct model *model(struct facts_rows *t)
{
	struct model *m;

	facts_rows_member(t, "tables/stack_capture.tsv", "key\tvalue\nhz\t100\n");
	facts_rows_member(
		t, "tables/stack_processes.tsv",
		"process\tpid\tcomm\tcgroup\town\n1\t100\tweb (a;b) 1\t\t0\n2\t200\tdb\t\t0\n");
	facts_rows_member(t, "tables/stack_threads.tsv",
			  "thread\ttid\tprocess\tcomm\n1\t100\t1\tweb (a;b) 1\n2\t201\t2\tio 7\n");
	facts_rows_member(
		t, "tables/stack_mappings.tsv",
		"mapping\tprocess\tpid\tstart\tend\toffset\tobject\n1\t1\t100\t0\t65536\t0\t2\n");
	facts_rows_member(t, "tables/stack_objects.tsv",
			  "object\tkind\tpath\n0\tkernel\t[kernel]\n2\tfile\t/srv/we(i)rd.so\n");
	facts_rows_member(
		t, "tables/stack_symbols.tsv",
		"object\toffset\taddress\tfunction\tinto\tfound_in\n2\t15\t1\tmain\t0\t2\n"
		"2\t32\t1\ta;b\\nc <script>\t0\t2\n0\t4096\t1\tsys_read\t0\t0\n");
	facts_rows_member(t, "tables/stack_stacks.tsv",
			  "stack\tprocess\tkernel\tuser\tuser_end\n1\t1\t1000\t1:20 1:10\troot\n"
			  "2\t1\t\t1:20\tfault\n");
	facts_rows_member(t, "tables/stack_samples.tsv",
			  "time_ns\tkind\tstate\tthread\tcpu\tstack\tns\n"
			  "1000000000\ton\t\t1\t0\t1\t\n1500000000\ton\t\t1\t0\t1\t\n"
			  "2000000001\ton\t\t2\t0\t2\t\n2500000000\toff\tdisk\t2\t0\t2\t77\n");
	assert_int_equal(model_create(&m, facts_rows_end(t)), 0);
	return m;
}

struct text {
	char p[65536];
	size_t len;
};

static int take(void *ctx, const void *data, size_t len)
{
	struct text *t = ctx;

	assert_true(len < sizeof(t->p) - t->len);
	memcpy(t->p + t->len, data, len);
	t->len += len;
	t->p[t->len] = 0;
	return 0;
}

static void run(const char *format, struct text *ret)
{
	struct facts_rows t = facts_rows_start();
	struct model *m = model(&t);
	struct err e = {0};

	ret->len = 0;
	assert_non_null(export_find(format, strlen(format)));
	assert_int_equal(export_find(format, strlen(format))->run(m, take, ret, &e), 0);
	model_destroy(m);
	facts_destroy(t.f);
}

static struct text out;

static void folded(void **state)
{
	run("folded", &out);
	assert_string_equal(out.p, "db;[truncated];a:b?c <script> 1\n"
				   "web (a:b) 1;main;a:b?c <script>;sys_read_[k] 2\n");
}

static void perf_script(void **state)
{
	static const char head[] = "web (a;b) 1 100/100 [000] 1.000000000: 10000000 cpu-clock: \n"
				   "\t               0 sys_read ([kernel])\n"
				   "\t               0 a;b?c <script> (we:i:rd.so)\n"
				   "\t               0 main (we:i:rd.so)\n\n";

	run("perf-script", &out);
	assert_memory_equal(out.p, head, sizeof(head) - 1);
	assert_non_null(strstr(out.p, "\nio 7 200/201 [000] 2.000000001: 10000000 cpu-clock: \n"));
	assert_non_null(strstr(out.p, "[truncated] ([unknown])\n"));
}

static void speedscope(void **state)
{
	run("speedscope", &out);
	assert_non_null(strstr(out.p, "\"name\":\"a;b\\u000ac "));
	assert_non_null(strstr(out.p, "\"weights\":[1,1]"));
	assert_non_null(strstr(out.p, "\"weights\":[1]"));
	assert_non_null(strstr(out.p, "\"endValue\":2,\"samples\":["));
}

/* Time on the CPU, what is left of it, and why it was off; names as JSON has them. */
static void chrome(void **state)
{
	run("chrome", &out);
	assert_non_null(strstr(out.p, "\"name\":\"a;b\\u000ac "));
	/* Two samples half a second apart at 100 Hz do not make one slice. */
	assert_non_null(strstr(out.p, "\"cat\":\"on-cpu\",\"ts\":1000000,\"dur\":10000,\"args\":{"
				      "\"module\":\"[kernel]\",\"samples\":1}"));
	assert_non_null(strstr(out.p, "\"cat\":\"on-cpu\",\"ts\":1500000,"));
	/* Of a stack that is cut the mark encloses the rest. */
	assert_non_null(strstr(out.p, "\"name\":\"[truncated]\",\"pid\":200,\"tid\":201,\"cat\":"
				      "\"on-cpu\",\"ts\":2000000.001,\"dur\":10000,\"args\":{}}"));
	assert_non_null(strstr(out.p, "\"name\":\"off CPU: disk\",\"pid\":200,\"tid\":201,\"cat\":"
				      "\"off-cpu\",\"ts\":2499999.923,\"dur\":0.077,"));
}

static void openmetrics(void **state)
{
	run("openmetrics", &out);
	assert_non_null(strstr(out.p, "ossnap_function_self_samples{function=\"a;b\\nc <script>\","
				      "module=\"we(i)rd.so\"} 1\n"));
	assert_non_null(strstr(out.p, "{function=\"sys_read\",module=\"[kernel]\"} 2\n"));
	assert_string_equal(out.p + out.len - 6, "# EOF\n");
	/* What was not measured is not there. */
	assert_null(strstr(out.p, "nan"));
	assert_null(strstr(out.p, "process"));
}

/* Wire format by hand: the sum of the first values of all samples, and the string table. */
static void pprof(void **state)
{
	static uint8_t plain[65536];
	z_stream z = {.next_in = (uint8_t *)out.p, .next_out = plain, .avail_out = sizeof(plain)};
	uint64_t samples = 0, strings = 0;
	size_t len, at = 0;

	run("pprof", &out);
	z.avail_in = (unsigned)out.len;
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	len = z.total_out;
	inflateEnd(&z);
	while (at < len) {
		unsigned key = plain[at++], size;

		assert_true(key < 128);
		if ((key & 7) == 0) {
			while (plain[at++] & 0x80)
				;
			continue;
		}
		assert_int_equal(key & 7, 2);
		size = plain[at++];
		assert_true(size < 128);
		if (key >> 3 == 6 && !strings++)
			assert_int_equal(size, 0); /* string 0 is empty */
		if (key >> 3 == 2) {		   /* sample: location ids, then values */
			size_t in = at;

			assert_int_equal(plain[in], 1 << 3 | 2);
			in += 2 + plain[in + 1];
			assert_int_equal(plain[in], 2 << 3 | 2);
			samples += plain[in + 2];
		}
		at += size;
	}
	assert_int_equal(at, len);
	assert_int_equal(samples, 3);
	assert_true(strings > 10);
}

static void nothing_to_export(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct model *m;

	assert_int_equal(model_create(&m, facts_rows_end(&t)), 0);
	for (const struct export_format *f = export_formats; f->name; f++) {
		struct err e = {0};

		if (!f->run)
			continue;
		out.len = 0;
		assert_int_equal(f->run(m, take, &out, &e), -ENODATA);
		assert_true(e.text[0] && out.len == 0);
	}
	assert_null(export_find("fold", 4));
	assert_null(export_find("folded=", 7));
	model_destroy(m);
	facts_destroy(t.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folded),
		cmocka_unit_test(perf_script),
		cmocka_unit_test(speedscope),
		cmocka_unit_test(pprof),
		cmocka_unit_test(chrome),
		cmocka_unit_test(openmetrics),
		cmocka_unit_test(nothing_to_export),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
