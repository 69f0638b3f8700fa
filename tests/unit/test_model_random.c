/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts made of noise: whatever an archive claims, the model and the findings end, add up, and say
 * so in valid texts.  The seed is fixed: a failure repeats. */
#include "model_fixture.h"

static uint64_t state = 0x2545f4914f6cdd1d;

static uint64_t random_u64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint64_t random_number(void)
{
	switch (random_u64() % 8) {
	case 0:
		return FACT_NONE;
	case 1:
		return FACT_NONE - 1;
	case 2:
		return UINT64_C(1) << 63;
	case 3:
		return 0;
	case 4:
		return random_u64() % (64 * GI);
	case 5:
		return random_u64() % 100000;
	default: /* small ones meet each other as ids */
		return random_u64() % 12;
	}
}

static const char *random_string(void)
{
	static const char *const pool[] = {
		NULL,
		"",
		"/",
		"//",
		"/a",
		"/a/b",
		"/a/b/c",
		"/a/bc",
		"[x]",
		"]",
		"[",
		"/a/b]",
		"meminfo",
		"vmstat",
		"MemTotal",
		"MemFree",
		"MemAvailable",
		"Cached",
		"Shmem",
		"SUnreclaim",
		"AnonPages",
		"SReclaimable",
		"Dirty",
		"overlay",
		"tmpfs",
		"ext4",
		"reg",
		"blk",
		"linked",
		"deleted",
		"unnamed",
		"unresolved",
		"dying",
		"online",
		"ok",
		"partial",
		"denied",
		"memory",
		"page-cache",
		"cgroups",
		"processes",
		"memory.stat",
		"rw,lowerdir=/a:/a/b,upperdir=/a/b/c",
		"lowerdir+=/,datadir+=",
		"upperdir=,lowerdir=:",
		"memfd:x",
		"SYSV0",
		"\n\t\x1b[0m",
		"%s%n",
		"/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		"/kubepods/pod12345678-1234-1234-1234-123456789abc",
		"kmalloc-64",
		"dentry",
		"other",
		"dup_task_struct",
		"/x//deleted",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		"SIGINT",
		"\xf0\x9f\x92\xa9/\xc3\xa9",
	};

	return pool[random_u64() % (sizeof(pool) / sizeof(pool[0]))];
}

static void random_rows(struct facts *f)
{
	for (size_t i = 0; fact_slots[i].type; i++) {
		const struct fact_type *t = fact_slots[i].type;

		for (uint64_t n = random_u64() % 24; n; n--) {
			char *row = fixture_add(f, fact_slots[i].table_offset);

			for (uint32_t k = 0; k < t->field_count; k++) {
				void *at = row + t->fields[k].offset;
				uint64_t v = random_number();

				switch (t->fields[k].kind) {
				case FIELD_U64:
					*(uint64_t *)at = v;
					break;
				case FIELD_I64:
					memcpy(at, &v, sizeof(v));
					break;
				case FIELD_F64:
					*(double *)at = v == FACT_NONE ? NAN
							: v == 0       ? -INFINITY
								       : (double)v;
					break;
				case FIELD_STR:
					*(const char **)at = random_string();
					break;
				}
			}
		}
	}
	/* What FACTS promises: counters have a file and a key. */
	for (size_t i = 0; i < f->counters.count; i++) {
		if (!f->counters.rows[i].file)
			f->counters.rows[i].file = "meminfo";
		if (!f->counters.rows[i].key)
			f->counters.rows[i].key = "MemTotal";
	}
}

static void check(struct judged j)
{
	const struct model *m = j.m;

	if (m->unaccounted != INT64_MIN && m->unaccounted != INT64_MAX &&
	    m->unaccounted != INT64_MIN + 1) {
		__int128 sum = m->unaccounted;

		for (size_t i = 0; i < m->part_count; i++)
			sum += m->parts[i].bytes;
		assert_true(sum == m->memory_total);
	}
	for (size_t i = 0; i < m->file_count; i++) {
		assert_non_null(m->files[i].path);
		assert_true(i == 0 || m->files[i].cached_bytes <= m->files[i - 1].cached_bytes);
		for (size_t k = 0; k < m->files[i].cgroup_count; k++) {
			const struct estimate *e = &m->files[i].cgroups[k].bytes;

			assert_true(isnan(e->bytes) || (e->low <= e->bytes && e->bytes <= e->high));
		}
	}
	for (size_t i = 0; i < m->cgroup_count; i++) {
		assert_non_null(m->cgroups[i].name);
		assert_non_null(m->cgroups[i].path);
	}
	for (size_t i = 0; i < m->shm_directory_count; i++)
		assert_non_null(m->shm_directories[i].path);
	for (size_t i = 0; i < m->not_seen_count; i++)
		assert_true(m->not_seen[i].what && m->not_seen[i].why);
	for (size_t i = 0; i < j.f->count; i++) {
		const struct finding *f = &j.f->rows[i];

		assert_true(f->title && f->scope_kind && f->scope_name && f->because_count > 0);
		assert_true(i == 0 || f->severity <= j.f->rows[i - 1].severity);
		assert_null(strstr(f->title, "(null)"));
	}
	assert_true(j.f->verdict.text && j.f->verdict.text[0]);
}

static void test_random(void **unused)
{
	for (int i = 0; i < 3000; i++) {
		struct facts *f = i % 2 ? no_facts() : healthy();

		random_rows(f);
		if (f->scan.count && i % 3) { /* mostly with a scan that makes sense */
			f->scan.rows[0].one_in = 1 + random_u64() % 64;
			f->scan.rows[0].strata_done = 1 + random_u64() % 100000;
			f->scan.rows[0].page_size = 4096;
		}
		struct judged j = judge(f);

		check(j);
		done(j, f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
