/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unwind tables out of .eh_frame: of a real file, of hand-made ones, of damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../capture/stacks/cfi.h"
#include "../../capture/stacks/cfi_parse.h"

#define ROWS_MAX (1u << 20)

static struct stacks_row *rows;

static const struct stacks_row *row_at(size_t n, uint32_t pc)
{
	const struct stacks_row *found = NULL;

	for (size_t i = 0; i < n && rows[i].pc <= pc; i++)
		found = &rows[i];
	return found;
}

static int self_base(struct dl_phdr_info *info, size_t size, void *ctx)
{
	*(uintptr_t *)ctx = info->dlpi_addr;
	return 1; /* the first one is the program */
}

static uint8_t *read_self(size_t *ret_len)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *p;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	p = malloc((size_t)st.st_size);
	assert_non_null(p);
	assert_int_equal(read(fd, p, (size_t)st.st_size), st.st_size);
	close(fd);
	*ret_len = (size_t)st.st_size;
	return p;
}

static void damaged_files(void **state);

/* At any function's first instruction the frame is at rsp + 8: the call put the return address
 * there. */
static void whole_file(void **state)
{
	struct cfi_result r = {0};
	struct elf_source src = {.fd = -1};
	size_t len;
	uint8_t *file = read_self(&len);
	uintptr_t base = 0;

	src.mem = file;
	src.size = len;
#if defined(__x86_64__)
	assert_int_equal(cfi_read(&src, rows, ROWS_MAX, &r), 0);
	assert_true(r.functions > 5);
	assert_int_equal(r.bad, 0);
	for (size_t i = 1; i < r.rows; i++)
		assert_true(rows[i - 1].pc < rows[i].pc);
	dl_iterate_phdr(self_base, &base);
	const uintptr_t entries[] = {(uintptr_t)whole_file, (uintptr_t)damaged_files,
				     (uintptr_t)self_base, (uintptr_t)read_self};

	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		const struct stacks_row *row = row_at(r.rows, (uint32_t)(entries[i] - base));

		assert_non_null(row);
		assert_int_equal(row->pc, entries[i] - base);
		assert_int_equal(row->cfa, STACKS_CFA_SP << STACKS_CFA_SHIFT | 1);
	}
	/* A few rows are too few, and the caller is told. */
	assert_int_equal(cfi_read(&src, rows, 5, &r), -ENOSPC);
#else
	assert_int_equal(cfi_read(&src, rows, ROWS_MAX, &r), -ENODATA);
#endif
	free(file);
}

/* ------------------------------------------------------------------ by hand */

struct seen {
	struct {
		uint64_t pc;
		struct cfi_state s;
	} rows[16];
	size_t n;
};

static int see(void *ctx, uint64_t pc, const struct cfi_state *s)
{
	struct seen *seen = ctx;

	assert_true(seen->n < 16);
	seen->rows[seen->n].pc = pc;
	seen->rows[seen->n++].s = *s;
	return 0;
}

/* Version 1, "zR", code 1, data −8, return address in 16, pointers absolute of 8 bytes;
 * CFA = rsp + 8, return address at CFA − 8. */
static const uint8_t cie_bytes[] = {1,	  'z',	'R', 0, 1,    0x78, 16, 1,
				    0x00, 0x0c, 7,   8, 0x90, 1,    0,	0};

static void parse(struct cfi_cie *cie, struct cfi_fde *fde, const uint8_t *program, size_t len,
		  uint8_t *body)
{
	uint64_t start = 0x1000, length = 0x100;

	*cie = (struct cfi_cie){0};
	assert_int_equal(cfi_parse_cie(cie, cie_bytes, sizeof(cie_bytes), 0), 0);
	memcpy(body, &start, 8);
	memcpy(body + 8, &length, 8);
	body[16] = 0;
	memcpy(body + 17, program, len);
	assert_int_equal(cfi_parse_fde(fde, cie, body, 17 + len, 0), 0);
	assert_int_equal(fde->start, start);
	assert_int_equal(fde->length, length);
}

static void a_usual_function(void **state)
{
	/* push rbp; mov rbp, rsp; … pop rbp */
	static const uint8_t program[] = {
		0x41, 0x0e, 16,	  0x86, 2,	    /* +1: CFA rsp + 16, rbp at −16 */
		0x43, 0x0d, 6,			    /* +3: CFA from rbp */
		0x0a, 0x02, 0x40, 0x0c, 7, 8, 0xc6, /* +64: as at first */
		0x41, 0x0b, 0x00};		    /* +1: as before */
	uint8_t body[64];
	struct cfi_cie cie;
	struct cfi_fde fde;
	struct seen seen = {0};

	parse(&cie, &fde, program, sizeof(program), body);
	assert_int_equal(cfi_run(&fde, &cie, see, &seen), 0);
	assert_int_equal(seen.n, 5);
	assert_int_equal(seen.rows[0].pc, 0x1000);
	assert_int_equal(seen.rows[0].s.cfa_offset, 8);
	assert_int_equal(seen.rows[0].s.ra, CFI_RETURN_ADDRESS);
	assert_int_equal(seen.rows[1].pc, 0x1001);
	assert_int_equal(seen.rows[1].s.cfa_offset, 16);
	assert_int_equal(seen.rows[1].s.bp, CFI_OFFSET);
	assert_int_equal(seen.rows[1].s.bp_offset, -16);
	assert_int_equal(seen.rows[2].s.cfa_register, CFI_RBP);
	assert_int_equal(seen.rows[3].pc, 0x1044);
	assert_int_equal(seen.rows[3].s.cfa_register, CFI_RSP);
	assert_int_equal(seen.rows[3].s.bp, CFI_SAME);
	assert_int_equal(seen.rows[4].pc, 0x1045);
	assert_int_equal(seen.rows[4].s.cfa_register, CFI_RBP);
}

static void rare_rules(void **state)
{
	/* a realigned frame; rbp where rbp points; then no caller */
	static const uint8_t program[] = {0x0f, 3,    0x76, 0x78, 0x06, /* CFA = *(rbp − 8) */
					  0x10, 6,    2,    0x76, 0,	/* rbp = *(rbp + 0) */
					  0x41, 0x07, 16,   0x00};
	uint8_t body[64];
	struct cfi_cie cie;
	struct cfi_fde fde;
	struct seen seen = {0};

	parse(&cie, &fde, program, sizeof(program), body);
	assert_int_equal(cfi_run(&fde, &cie, see, &seen), 0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.rows[0].s.cfa, CFI_CFA_BP_DEREF);
	assert_int_equal(seen.rows[0].s.cfa_offset, 8);
	assert_int_equal(seen.rows[0].s.bp, CFI_BP_RELATIVE);
	assert_int_equal(seen.rows[1].s.ra, CFI_UNDEFINED);
}

static void contradictions(void **state)
{
	static const uint8_t restore_nothing[] = {0x0b};
	static const uint8_t unknown[] = {0x3f};
	static const uint8_t cut[] = {0x0c, 7};
	static const uint8_t beyond[] = {0x04, 0xff, 0xff, 0xff, 0xff, 0x0e, 16, 0x41, 0x0e, 24};
	uint8_t body[64];
	struct cfi_cie cie;
	struct cfi_fde fde;
	struct seen seen = {0};

	parse(&cie, &fde, restore_nothing, sizeof(restore_nothing), body);
	assert_int_equal(cfi_run(&fde, &cie, see, &seen), -EINVAL);
	parse(&cie, &fde, unknown, sizeof(unknown), body);
	assert_int_equal(cfi_run(&fde, &cie, see, &seen), -EINVAL);
	parse(&cie, &fde, cut, sizeof(cut), body);
	assert_int_equal(cfi_run(&fde, &cie, see, &seen), -EINVAL);
	seen.n = 0;
	parse(&cie, &fde, beyond, sizeof(beyond), body);
	assert_int_equal(cfi_run(&fde, &cie, see, &seen), 0);
	assert_int_equal(seen.n, 1); /* nothing past the function's end */
}

/* Any damage: a result or a refusal, nothing read or written out of bounds (the sanitizers look).
 */
static void damaged_files(void **state)
{
	struct cfi_result r;
	size_t len;
	uint8_t *file = read_self(&len), *copy = malloc(len);
	struct elf_source src = {.fd = -1, .mem = copy};
	Elf64_Ehdr e;
	size_t frame = 0, frame_size = 0;

	assert_non_null(copy);
	memcpy(&e, file, sizeof(e));
	for (unsigned i = 0; i < e.e_phnum; i++) {
		Elf64_Phdr p;

		memcpy(&p, file + e.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_GNU_EH_FRAME) {
			frame = p.p_offset;
			frame_size = p.p_filesz + 4096;
		}
	}
	srandom(1);
	for (int turn = 0; turn < 60; turn++) {
		memcpy(copy, file, len);
		src.size = turn % 5 ? len : (size_t)random() % len;
		for (int k = 0; k < 40; k++) {
			size_t at = turn % 2 && frame_size
					    ? (frame + (size_t)random() % (2 * frame_size)) % len
					    : (size_t)random() % (turn % 3 ? len : 1024);

			copy[at] = (uint8_t)random();
		}
		cfi_read(&src, rows, ROWS_MAX, &r);
	}
	free(copy);
	free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_file),	 cmocka_unit_test(a_usual_function),
		cmocka_unit_test(rare_rules),	 cmocka_unit_test(contradictions),
		cmocka_unit_test(damaged_files),
	};

	rows = calloc(ROWS_MAX, sizeof(*rows));
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	free(rows);
	return r;
}
