/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples joined with names: what was hot, and when. */
#include "facts_rows.h"

#include "../../analyze/hotspot.h"

static struct facts_rows begin(void)
{
	struct facts_rows t = facts_rows_start();

	facts_rows_member(
		&t, "tables/stack_capture.tsv",
		"key\tvalue\nhz\t10\nsamples_expected\t40\nsamples_received\t9\n"
		"lost_ring_full\t3\nstack_errors\t1\nstacks_unknown\t2\nstart_ns\t500000000\n"
		"end_ns\t2500000000\n");
	facts_rows_member(
		&t, "tables/stack_processes.tsv",
		"process\tpid\tcomm\tcgroup\town\n1\t100\tapp\t/a\t0\n2\t200\tossnap\t\t1\n"
		"3\t300\tother\t\t0\n");
	facts_rows_member(
		&t, "tables/stack_threads.tsv",
		"thread\ttid\tprocess\tcomm\n1\t100\t1\tapp\n2\t101\t1\tworker\n3\t200\t2\t"
		"ossnap\n4\t300\t3\tother\n");
	/* Mapping 1: file 2 from its second page; mapping 2: code made at run time; 3: the vDSO. */
	facts_rows_member(
		&t, "tables/stack_mappings.tsv",
		"mapping\tprocess\tpid\tstart\tend\toffset\tobject\n"
		"1\t1\t100\t4198400\t4206592\t4096\t2\n2\t1\t100\t1048576\t1052672\t0\t3\n"
		"3\t1\t100\t2097152\t2101248\t0\t4\n");
	facts_rows_member(
		&t, "tables/stack_objects.tsv",
		"object\tkind\tpath\n0\tkernel\t[kernel]\n2\tfile\t/usr/bin/app\n3\tanon\t\n"
		"4\tvdso\t[vdso]\n5\tmodule\t[nf_tables]\n");
	facts_rows_member(&t, "tables/stack_symbols.tsv",
			  "object\toffset\taddress\tfunction\tinto\tfound_in\n"
			  "2\t4352\t1\t_ZN3app4mainEv\t0\t2\n"	 /* 401100 */
			  "2\t4607\t1\t_ZN3app4mainEv\t255\t2\n" /* 4011ff: a call before 401200 */
			  "2\t5119\t1\tspin@@GLIBC_2.34\t9\t2\n" /* 4013ff */
			  "2\t5120\t1\tleaf\t0\t2\n"		 /* 401400 */
			  "3\t1048600\t1048600\tjs:run\t24\t3\n" /* 100018 */
			  "4\t16\t16\t__vdso_time\t0\t4\n"	 /* 200010 */
			  "0\t18446744071578845312\t1\tdo_syscall\t1\t0\n" /* ffffffff81000080 */
			  "0\t18446744072635809792\t1\tnft_do_chain\t1\t5\n");
	return t;
}

static struct hotspot *make(struct facts_rows *t)
{
	struct facts *f = facts_rows_end(t);
	struct hotspot *h = NULL;

	assert_int_equal(hotspot_create(&h, f, f->arena), 0);
	return h;
}

static const char *frame(const struct hotspot *h, size_t stack, uint32_t i)
{
	assert_true(i < h->stacks[stack].count);
	return h->names[h->frames[h->stacks[stack].first + i]].function;
}

static void names_of_stacks(void **state)
{
	struct facts_rows t = begin();
	struct hotspot *h;

	/* In 1 the return addresses are right behind their calls; in 2 one is marked exact. */
	facts_rows_member(
		&t, "tables/stack_stacks.tsv",
		"stack\tprocess\tkernel\tuser\tuser_end\tuser_by\tkernel_cut\n"
		"1\t1\tffffffffc0000000 ffffffff81000081\t1:401400 1:401400 1:401200\troot\tt\t0\n"
		"2\t1\t\t3:200010 1:401100! 2:100019\tfault\tp\t0\n"
		"3\t1\t\t9:1234 junk\troot\tt\t0\n");
	facts_rows_member(
		&t, "tables/stack_samples.tsv",
		"time_ns\tkind\tstate\tthread\tcpu\tstack\tns\n600000000\ton\t\t1\t0\t1\t\n");
	h = make(&t);
	assert_int_equal(h->stack_count, 4);
	assert_int_equal(h->stacks[1].count, 5);
	assert_string_equal(frame(h, 1, 0), "app::main");
	assert_string_equal(frame(h, 1, 1), "spin");
	assert_string_equal(frame(h, 1, 2), "leaf");
	assert_string_equal(frame(h, 1, 3), "do_syscall");
	assert_string_equal(frame(h, 1, 4), "nft_do_chain");
	assert_string_equal(h->names[h->frames[h->stacks[1].first]].module, "app");
	assert_string_equal(h->names[h->frames[h->stacks[1].first + 3]].module, "[kernel]");
	assert_string_equal(h->names[h->frames[h->stacks[1].first + 4]].module, "[nf_tables]");
	assert_true(h->names[h->frames[h->stacks[1].first + 4]].kernel);
	assert_false(h->stacks[1].truncated);
	assert_string_equal(frame(h, 2, 0), "js:run");
	assert_string_equal(frame(h, 2, 1), "app::main");
	assert_string_equal(frame(h, 2, 2), "__vdso_time");
	assert_true(h->stacks[2].truncated);
	assert_int_equal(h->stacks[3].count, 1);
	assert_string_equal(frame(h, 3, 0), "[unknown]");
	facts_destroy(t.f);
}

/* Frames of Python take the place of the function that evaluates; what cannot be is left out. */
static void frames_of_python(void **state)
{
	struct facts_rows t = facts_rows_start();
	const struct hot_name *n;
	struct hotspot *h;

	facts_rows_member(&t, "tables/stack_capture.tsv", "key\tvalue\nhz\t10\n");
	facts_rows_member(&t, "tables/stack_mappings.tsv",
			  "mapping\tprocess\tpid\tstart\tend\toffset\tobject\n"
			  "1\t1\t100\t4096\t8192\t4096\t2\n");
	facts_rows_member(&t, "tables/stack_objects.tsv",
			  "object\tkind\tpath\n2\tfile\t/usr/bin/python3\n");
	facts_rows_member(&t, "tables/stack_symbols.tsv",
			  "object\toffset\taddress\tfunction\tinto\tfound_in\n"
			  "2\t4112\t1\tmain\t1\t2\n2\t4128\t1\t_PyEval_EvalFrameDefault\t1\t2\n"
			  "2\t4144\t1\tlist_sort\t1\t2\n"
			  "2\t4160\t1\t_PyEval_EvalFrameDefault.cold\t1\t2\n");
	facts_rows_member(&t, "tables/stack_python.tsv",
			  "frame\tprocess\tfunction\tfile\tline\tfirst_line\tstate\n"
			  "1\t1\tkey\t/app/a.py\t5\t4\tknown\n2\t1\tC.run\t/app/b.py\t9\t7\tknown\n"
			  "3\t1\t<module>\t<string>\t\t1\tknown\n4\t1\t\t\t\t\treplaced\n");
	/* 1010 main, 1020 and 1040 evaluate, 1030 sorts; all but the leaf return one behind. */
	facts_rows_member(&t, "tables/stack_stacks.tsv",
			  "stack\tprocess\tkernel\tuser\tuser_end\tuser_by\tkernel_cut\tpython\t"
			  "python_end\n"
			  "1\t1\t\t1:1020 1:1031 1:1041 1:1011\troot\tt\t0\t1^ 2 3^\twhole\n"
			  "2\t1\t\t1:1020 1:1031 1:1041 1:1011\troot\tt\t0\t1^0 2 3^2\twhole\n"
			  "3\t1\t\t1:1020 1:1011\troot\tt\t0\t4^\twhole\n"
			  "4\t1\t\t1:1020\tno-table\tt\t0\t1^0 4 3^\twhole\n"
			  "5\t1\t\t1:1020 1:1011\troot\tt\t0\t1^99999999999 junk\twhole\n");
	facts_rows_member(&t, "tables/stack_samples.tsv",
			  "time_ns\tkind\tstate\tthread\tcpu\tstack\tns\n"
			  "600000000\ton\t\t1\t0\t1\t\n");
	h = make(&t);
	assert_int_equal(h->stack_count, 6);
	for (size_t stack = 1; stack <= 2; stack++) {
		assert_int_equal(h->stacks[stack].count, 5);
		assert_string_equal(frame(h, stack, 0), "main");
		assert_string_equal(frame(h, stack, 1), "<module> (<string>)");
		assert_string_equal(frame(h, stack, 2), "C.run (b.py:9)");
		assert_string_equal(frame(h, stack, 3), "list_sort");
		assert_string_equal(frame(h, stack, 4), "key (a.py:5)");
	}
	n = &h->names[h->frames[h->stacks[1].first + 4]];
	assert_string_equal(n->module, "/app/a.py");
	assert_string_equal(hot_language(n), "python");
	assert_string_equal(hot_language(&h->names[h->frames[h->stacks[1].first]]), "native");
	assert_string_equal(frame(h, 3, 1), "_PyEval_EvalFrameDefault");
	assert_int_equal(h->stacks[4].count, 3);
	assert_true(h->stacks[4].truncated);
	assert_string_equal(frame(h, 4, 0), "<module> (<string>)");
	assert_string_equal(frame(h, 4, 1), "[unresolved]");
	assert_string_equal(frame(h, 4, 2), "key (a.py:5)");
	assert_int_equal(h->stacks[5].count, 2);
	assert_string_equal(frame(h, 5, 1), "key (a.py:5)");
	facts_destroy(t.f);
}

static void who_was_hot(void **state)
{
	struct facts_rows t = begin();
	struct hotspot *h;

	facts_rows_member(&t, "tables/stack_stacks.tsv",
			  "stack\tprocess\tkernel\tuser\tuser_end\n"
			  "1\t1\t\t1:401400 1:401200\troot\n"	       /* main → leaf */
			  "2\t1\t\t1:401400 1:401200 1:401200\troot\n" /* main → main → leaf */
			  "3\t1\t\t1:401100\troot\n");		       /* main */
	facts_rows_member(&t, "tables/stack_samples.tsv",
			  "time_ns\tkind\tstate\tthread\tcpu\tstack\tns\n"
			  "1400000000\ton\t\t2\t0\t3\t\n" /* out of order */
			  "600000000\ton\t\t1\t0\t1\t\n700000000\ton\t\t2\t0\t2\t\n"
			  "800000000\ton\t\t4\t0\t3\t\n"
			  "1100000000\ton\t\t3\t0\t3\t\n1200000000\ton\t\t3\t0\t3\t\n" /* our own */
			  "1300000000\ton\t\t3\t0\t3\t\n"
			  "1500000000\toff\tdisk\t1\t0\t1\t300000000\n"
			  "1600000000\toff\t?\t1\t0\t1\t1\n"
			  "2100000000\ton\t\t\t0\t\t\n"); /* no room for whose, and what */
	h = make(&t);
	assert_int_equal(h->sample_count, 9);
	assert_int_equal(h->samples[0].time_ns, 600000000);
	assert_int_equal(h->on_cpu, 8);
	assert_int_equal(h->truncated, 1);
	assert_int_equal(h->expected, 40);
	assert_int_equal(h->lost_ring_full, 3);
	assert_int_equal(h->lost_stack_error, 3);
	assert_int_equal(h->lost_throttled, FACT_NONE);
	assert_int_equal(h->function_count, 2);
	assert_string_equal(h->names[h->functions[0].name].function, "app::main");
	assert_int_equal(h->functions[0].self, 5);
	assert_int_equal(h->functions[0].total, 7); /* a recursion once */
	assert_int_equal(h->functions[1].self, 2);
	assert_int_equal(h->functions[1].total, 2);

	assert_int_equal(h->second_count, 3);
	assert_int_equal(h->seconds[0].second, 0);
	assert_int_equal(h->threads[h->seconds[0].thread].pid, 100);
	assert_true(h->seconds[0].cpu_percent == 40); /* 2 of 10 Hz × half a second */
	assert_string_equal(h->names[h->seconds[0].name].function, "leaf");
	/* Not us, though we had more samples in it. */
	assert_int_equal(h->threads[h->seconds[1].thread].pid, 100);
	assert_true(h->seconds[1].cpu_percent == 10);
	assert_string_equal(h->names[h->seconds[1].name].function, "app::main");
	assert_int_equal(h->threads[h->seconds[2].thread].pid, FACT_NONE);
	assert_int_equal(h->seconds[2].name, UINT32_MAX);
	facts_destroy(t.f);
}

static void who_waited(void **state)
{
	struct facts_rows t = begin();
	struct hotspot *h;

	facts_rows_member(&t, "tables/stack_stacks.tsv",
			  "stack\tprocess\tkernel\tuser\tuser_end\n1\t1\t\t1:401100\troot\n");
	facts_rows_member(
		&t, "tables/stack_samples.tsv",
		"time_ns\tkind\tstate\tthread\tcpu\tstack\tns\tweight\n"
		"600000000\toff\tsleep\t1\t0\t1\t1000\t2560\n"
		"700000000\toff\tsleep\t1\t0\t1\t1000\t\n"
		"800000000\toff\tsleep\t1\t0\t1\t9000000000000000000\t9000000000000000\n");
	facts_rows_member(
		&t, "tables/stack_offcpu.tsv",
		"thread\tstate\ttotal_ns\tcount\tlongest_ns\tlongest_end_ns\tlongest_stack\t"
		"longest_waker\tstill_ns\tstill_stack\n"
		"1\tsleep\t500000000\t3\t400000000\t900000000\t1\t77\t\t\n"
		"2\tdisk\t0\t0\t\t\t\t\t2000000000\t1\n"
		"1\t?\t1\t1\t\t\t\t\t\t\n99\trunnable\t1000\t1\t\t\t\t\t\t\n");
	h = make(&t);
	assert_int_equal(h->samples[0].ns, 2500); /* it stands for two and a half */
	assert_int_equal(h->samples[1].ns, 1000);
	assert_int_equal(h->samples[2].ns, 0); /* nobody waits for so long */
	assert_int_equal(h->wait_count, 3);
	assert_int_equal(h->threads[h->waits[0].thread].tid, 101);
	assert_int_equal(h->waits[0].state, STACK_DISK);
	assert_true(h->waits[0].seconds == 2 && h->waits[0].still == 2);
	assert_int_equal(h->waits[0].stack, 1);
	assert_int_equal(h->waits[0].longest_stack, 0);
	assert_true(isnan(h->waits[0].longest));
	assert_true(h->waits[1].seconds == 0.5 && h->waits[1].longest == 0.4);
	assert_true(isnan(h->waits[1].still));
	assert_int_equal(h->waits[1].longest_stack, 1);
	assert_int_equal(h->waits[1].waker, 77);
	assert_int_equal(h->threads[h->waits[2].thread].tid, FACT_NONE); /* of an unknown thread */
	facts_destroy(t.f);
}

static void nothing_captured(void **state)
{
	struct facts_rows t = facts_rows_start();

	assert_null(make(&t));
	facts_destroy(t.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_stacks),  cmocka_unit_test(frames_of_python),
		cmocka_unit_test(who_was_hot),	    cmocka_unit_test(who_waited),
		cmocka_unit_test(nothing_captured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
