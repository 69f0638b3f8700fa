/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of stacks, and the names in them. */
#include "facts_rows.h"

#include "../../analyze/facts/demangle.h"

static void tables(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	facts_rows_member(&t, "tables/stack_capture.tsv", "key\tvalue\nhz\t99\nclock\tcpu-clock\n");
	facts_rows_member(&t, "tables/stack_samples.tsv",
			  "time_ns\tstate\tthread\tcpu\tstack\tns\n"
			  "10\t\t1\t0\t7\t\n20\tdisk\t1\t0\t8\t5000\n30\todd\t1\t0\t7\t\n");
	facts_rows_member(&t, "tables/stack_stacks.tsv",
			  "stack\tprocess\tkernel\tuser\tuser_end\tuser_by\tkernel_"
			  "cut\n7\t3\tffffffff81000000 "
			  "ffffffff82000000\t1:401000 1:402000!\troot\tt\t0\n\tx\t\t\t\n");
	facts_rows_member(&t, "tables/stack_processes.tsv",
			  "process\tpid\tcomm\texe\tcgroup\town\n3\t77\ta b\t/bin/a\t/x\t0\n");
	facts_rows_member(&t, "tables/stack_threads.tsv",
			  "thread\tprocess\ttid\tcomm\n1\t3\t78\tw\n");
	facts_rows_member(&t, "tables/stack_mappings.tsv",
			  "mapping\tprocess\tpid\tstart\tend\toffset\tobject\n1\t3\t77\t4198400\t"
			  "4206592\t4096\t2\n");
	facts_rows_member(
		&t, "tables/stack_objects.tsv",
		"object\tkind\tdev\tino\tbuild_id\tpath\tdeleted\tpid\tstate\terrno\tfound\t"
		"debug\tsegments\n2\tfile\t8:1\t55\tabcd\t/bin/a\t0\t\tok\t0\troot\t0\t"
		"4096:4198400:8192\n");
	facts_rows_member(&t, "tables/stack_symbols.tsv",
			  "object\toffset\taddress\tfunction\tinto\tfound_in\n"
			  "2\t4096\t4198400\t_ZN3foo3barEi\t0\t2\n2\t8192\t4202496\t\t\t2\n");
	f = facts_rows_end(&t);

	assert_int_equal(f->stack_settings.count, 2);
	assert_string_equal(f->stack_settings.rows[1].value, "cpu-clock");
	assert_int_equal(f->stack_samples.count, 3);
	assert_int_equal(f->stack_samples.rows[0].state, STACK_ON_CPU);
	assert_int_equal(f->stack_samples.rows[0].ns, FACT_NONE);
	assert_int_equal(f->stack_samples.rows[1].state, STACK_DISK);
	assert_int_equal(f->stack_samples.rows[1].ns, 5000);
	assert_int_equal(f->stack_samples.rows[2].state, FACT_NONE);
	assert_int_equal(f->stacks.count, 1);
	assert_string_equal(f->stacks.rows[0].user, "1:401000 1:402000!");
	assert_null(f->stacks.rows[0].python);
	assert_string_equal(f->stack_processes.rows[0].comm, "a b");
	assert_int_equal(f->stack_threads.rows[0].tid, 78);
	assert_int_equal(f->stack_mappings.rows[0].offset, 4096);
	assert_string_equal(f->stack_objects.rows[0].build_id, "abcd");
	assert_int_equal(f->stack_symbols.count, 2);
	assert_string_equal(f->stack_symbols.rows[0].function, "_ZN3foo3barEi");
	assert_string_equal(f->stack_symbols.rows[0].demangled, "foo::bar");
	assert_null(f->stack_symbols.rows[1].function);
	assert_int_equal(f->stack_symbols.rows[1].into, FACT_NONE);
	facts_destroy(f);
}

/* What the Itanium ABI's and rustc's own documents give as examples. */
static void names(void **state)
{
	static const struct {
		const char *encoded, *name;
	} known[] = {
		{"_Z1fv", "f"},
		{"_ZN5outer5inner1fERKSsi", "outer::inner::f"},
		{"_ZNSt6vectorIiSaIiEE9push_backERKi",
		 "std::vector<int, std::allocator<int> >::push_back"},
		{"_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()"},
		/* legacy: github.com/rust-lang/rustc-demangle; v0: RFC 2603 */
		{"_ZN4core3fmt5Write10write_char17h0123456789abcdefE",
		 "core::fmt::Write::write_char"},
		{"_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar"},
		{"main", NULL},
		{"_Z", NULL},
		{"_ZN", NULL},
		{"_start", NULL},
		{"", NULL},
	};
	struct facts_rows t = facts_rows_start();

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const char *name = demangle(t.p, known[i].encoded);

		if (known[i].name) {
			assert_non_null(name);
			assert_string_equal(name, known[i].name);
		} else {
			assert_null(name);
		}
	}
	facts_destroy(facts_rows_end(&t));
}

/* A few bytes that stand for gigabytes, nesting without end, names of any length. */
static void hostile_names(void **state)
{
	struct facts_rows t = facts_rows_start();
	static char name[8000];

	/* Each argument refers to all before it: the text doubles with every one. */
	strcpy(name, "_Z1fI");
	strcat(name, "S1_");
	for (unsigned i = 0; i < 60; i++)
		strcat(name, "N1AIS0_S0_E");
	demangle(t.p, name);

	strcpy(name, "_Z");
	for (unsigned i = 0; i < 1500; i++)
		strcat(name, "PF"); /* pointer to function returning … */
	demangle(t.p, name);

	/* Pairs of pairs of pairs: 2^40 of them, in 400 bytes. */
	strcpy(name, "_Z1fSt4pairIiiE");
	for (unsigned i = 0; i < 40; i++)
		sprintf(name + strlen(name), "St4pairIS%.*s_S%.*s_E", i > 0,
			&"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ0000"[i], i > 0,
			&"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ0000"[i]);
	demangle(t.p, name);

	strcpy(name, "_RNvC");
	memset(name + 5, 'B', 1500);
	name[1505] = 0;
	demangle(t.p, name);

	memset(name, 'x', sizeof(name) - 1);
	memcpy(name, "_ZN", 3);
	assert_null(demangle(t.p, name));

	/* Longer than we print: no name rather than a part of it. */
	strcpy(name, "_ZN1aI");
	for (unsigned i = 0; i < 300; i++)
		strcat(name, "1bIiE");
	strcat(name, "E1cE");
	demangle(t.p, name);
	facts_destroy(facts_rows_end(&t));
}

static void random_names(void **state)
{
	static const char alphabet[] = "_ZNSKRPIELTtsiv0123456789aBCQXMUlFODdp$.";
	struct facts_rows t = facts_rows_start();
	uint64_t r = 7;
	char name[200];

	for (unsigned i = 0; i < 200000; i++) {
		size_t len = 2 + i % 150;

		name[0] = '_';
		for (size_t k = 1; k < len; k++) {
			r = r * 6364136223846793005ULL + 1442695040888963407ULL;
			name[k] = alphabet[(r >> 33) % (sizeof(alphabet) - 1)];
		}
		name[1] = i % 4 ? 'Z' : 'R';
		name[len] = 0;
		const char *got = demangle(t.p, name);
		assert_true(!got || strlen(got) < FACT_SYMBOL_MAX);
	}
	facts_destroy(facts_rows_end(&t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables),
		cmocka_unit_test(names),
		cmocka_unit_test(hostile_names),
		cmocka_unit_test(random_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
