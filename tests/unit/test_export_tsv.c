/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --export tsv: the page's tables as files, read back as the archive's own tables are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "../../report/tables.h"
#include "../../report/tsv.h"
#include "../browser/sample.h"

#define FIELDS 64

/* One line into its fields, unescaped.  The rest of the text, or NULL after the last line. */
static char *line_of(char *p, char *fields[FIELDS], size_t *ret_count)
{
	size_t n = 0;
	char *to = p;

	if (!*p)
		return NULL;
	fields[n++] = to;
	for (;; p++) {
		char c = *p;

		assert_true(c != '\0' && (c == '\t' || c == '\n' || (unsigned char)c >= ' '));
		if (c == '\n')
			break;
		if (c == '\t') {
			*to++ = '\0';
			assert_true(n < FIELDS);
			fields[n++] = to;
			continue;
		}
		if (c == '\\') {
			unsigned hex = 0;

			c = *++p;
			if (c == 'x') {
				assert_int_equal(sscanf(p + 1, "%2x", &hex), 1);
				p += 2;
				*to++ = (char)hex;
			} else {
				assert_true(c == 't' || c == 'n' || c == '\\');
				*to++ = c == 't' ? '\t' : c == 'n' ? '\n' : '\\';
			}
			continue;
		}
		*to++ = c;
	}
	*to = '\0';
	*ret_count = n;
	return p + 1;
}

static size_t find(char *const *fields, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(fields[i], name))
			return i;
	fail_msg("no column %s", name);
	return 0;
}

static char *text_of(const struct report *r, const char *name)
{
	struct collected c = {0};
	struct err e = {0};

	for (size_t i = 0; report_tsv_name(i); i++)
		if (!strcmp(report_tsv_name(i), name)) {
			int rc = report_tsv(r, i, collect, &c, &e);

			assert_true(rc == 0 || (rc == -ENODATA && !e.no));
			return rc ? NULL : c.data;
		}
	fail_msg("no table %s", name);
	return NULL;
}

/* Every path comes back as it is in the model, whoever chose it. */
static void test_files(void **state)
{
	struct sample s;
	char *fields[FIELDS], *head[FIELDS], *text, *p;
	size_t columns, n, file, bytes, low, row = 0;

	sample_rich(&s, "node", 500);
	p = text = text_of(&s.report, "files");
	assert_non_null(text);
	p = line_of(p, head, &columns);
	file = find(head, columns, "file");
	bytes = find(head, columns, "cached_bytes");
	low = find(head, columns, "active_bytes_low");
	while ((p = line_of(p, fields, &n))) {
		const struct model_file *f = &s.model.files[row++];

		assert_int_equal(n, columns);
		assert_string_equal(fields[file], f->path);
		assert_int_equal(strtoull(fields[bytes], NULL, 10), f->cached_bytes);
		assert_true(strtod(fields[low], NULL) == f->active.low);
	}
	assert_int_equal(row, s.model.file_count);
	free(text);
	sample_destroy(&s);
}

/* Not measured is an empty field; what was not captured has no file. */
static void test_not_measured(void **state)
{
	struct sample s;
	char *fields[FIELDS], *head[FIELDS], *text, *p;
	size_t columns, n, process, swap, empty = 0;

	sample_rich(&s, "node", 5);
	p = text = text_of(&s.report, "processes");
	p = line_of(p, head, &columns);
	process = find(head, columns, "process");
	swap = find(head, columns, "swap_bytes");
	while ((p = line_of(p, fields, &n)))
		if (!strcmp(fields[process], "nginx"))
			empty += fields[swap][0] == '\0';
	assert_int_equal(empty, 160);
	free(text);
	assert_null(text_of(&s.report, "syscalls"));
	sample_destroy(&s);
}

static void test_findings(void **state)
{
	struct sample s;
	char *fields[FIELDS], *text, *p;
	size_t columns, n;

	sample_rich(&s, "node", 5);
	p = text = text_of(&s.report, "findings");
	p = line_of(p, fields, &columns);
	assert_int_equal(columns, 8);
	for (size_t i = 0; i < s.findings.count; i++) {
		const struct finding *f = &s.findings.rows[i];

		p = line_of(p, fields, &n);
		assert_non_null(p);
		assert_int_equal(n, columns);
		assert_string_equal(fields[0], f->id);
		assert_string_equal(fields[4], f->scope_name);
		assert_string_equal(fields[5], f->title);
		assert_memory_equal(fields[7], f->advice[0], strlen(f->advice[0]));
	}
	assert_int_equal(*p, 0);
	free(text);
	sample_destroy(&s);
}

/* Every column can be told from the others of its table, whatever the table. */
static void test_names(void **state)
{
	struct sample s;

	sample_rich(&s, "node", 5);
	for (size_t i = 0; table_id(i); i++) {
		struct table t;
		char names[TABLE_COLUMNS][TSV_COLUMN_NAME];

		assert_int_equal(table_open(&t, table_id(i), &s.report), 0);
		for (size_t k = 0; k < t.column_count; k++) {
			tsv_column_name(&t.columns[k], names[k]);
			assert_true(names[k][0] != '\0');
			for (size_t l = 0; l < k; l++)
				if (!strcmp(names[k], names[l]))
					fail_msg("%s: two columns are called %s", t.id, names[k]);
		}
		table_close(&t);
	}
	sample_destroy(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_not_measured),
		cmocka_unit_test(test_findings),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
