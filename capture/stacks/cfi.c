/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cfi.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cfi_parse.h"

#define ENTRY_MAX (64u << 10) /* of one description */
#define WINDOW (256u << 10)
#define CIES 64u /* remembered */

struct section {
	const struct elf_source *src;
	uint64_t offset, size; /* in the file; size: at most */
	uint64_t vaddr;
	uint8_t *window;
	uint64_t at; /* what of the section the window holds */
	size_t len;
};

struct out {
	struct stacks_row *rows;
	size_t count, max;
	struct cfi_result *result;
};

/* ------------------------------------------------------------------ the section */

static int read_ehdr(const struct elf_source *src, Elf64_Ehdr *e)
{
	if (elf_read(src, 0, e, sizeof(*e)) || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 ||
	    e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_machine != EM_X86_64 ||
	    e->e_phentsize != sizeof(Elf64_Phdr) || e->e_phnum > 512)
		return -ENODATA;
	return 0;
}

/* The loaded segment that holds vaddr: where in the file, and how much of it is left. */
static int locate(const struct elf_source *src, const Elf64_Ehdr *e, uint64_t vaddr,
		  uint64_t *ret_offset, uint64_t *ret_size)
{
	for (unsigned i = 0; i < e->e_phnum; i++) {
		Elf64_Phdr p;

		if (elf_read(src, e->e_phoff + i * sizeof(p), &p, sizeof(p)))
			return -EIO;
		if (p.p_type != PT_LOAD || vaddr < p.p_vaddr || vaddr - p.p_vaddr >= p.p_filesz)
			continue;
		*ret_offset = p.p_offset + (vaddr - p.p_vaddr);
		*ret_size = p.p_filesz - (vaddr - p.p_vaddr);
		return 0;
	}
	return -ENODATA;
}

/* A static program has no segment for it, only a section. */
static int find_by_name(struct section *s, const struct elf_source *src, const Elf64_Ehdr *e)
{
	Elf64_Shdr names, h;
	char name[sizeof(".eh_frame")];

	if (e->e_shentsize != sizeof(h) || e->e_shstrndx >= e->e_shnum ||
	    elf_read(src, e->e_shoff + e->e_shstrndx * sizeof(h), &names, sizeof(names)))
		return -ENODATA;
	for (unsigned i = 0; i < e->e_shnum; i++) {
		if (elf_read(src, e->e_shoff + i * sizeof(h), &h, sizeof(h)))
			return -EIO;
		if (h.sh_type == SHT_NOBITS ||
		    elf_read(src, names.sh_offset + h.sh_name, name, sizeof(name)) ||
		    memcmp(name, ".eh_frame", sizeof(name)) != 0)
			continue;
		*s = (struct section){
			.src = src, .vaddr = h.sh_addr, .offset = h.sh_offset, .size = h.sh_size};
		return h.sh_size && h.sh_addr ? 0 : -ENODATA;
	}
	return -ENODATA;
}

/* PT_GNU_EH_FRAME holds version 1, three encodings, and where .eh_frame is. */
static int find_section(struct section *s, const struct elf_source *src)
{
	uint8_t header[12];
	uint64_t vaddr = 0;
	Elf64_Ehdr e;
	Elf64_Phdr p;
	int r = read_ehdr(src, &e);

	for (unsigned i = 0; !r && i < e.e_phnum; i++) {
		if (elf_read(src, e.e_phoff + i * sizeof(p), &p, sizeof(p)))
			return -EIO;
		if (p.p_type != PT_GNU_EH_FRAME)
			continue;
		if (elf_read(src, p.p_offset, header, sizeof(header)))
			return -EIO;
		struct cfi_bytes b = {header + 4, header + sizeof(header)};

		if (header[0] == 1 &&
		    cfi_pointer(&b, header[1], p.p_vaddr + 4, p.p_vaddr, &vaddr) == 0)
			break;
		return -ENODATA;
	}
	if (r)
		return r;
	if (!vaddr)
		return find_by_name(s, src, &e);
	*s = (struct section){.src = src, .vaddr = vaddr};
	return locate(src, &e, vaddr, &s->offset, &s->size);
}

/* len bytes at `at`, or NULL.  Valid until the next call. */
static const uint8_t *section_bytes(struct section *s, uint64_t at, size_t len)
{
	if (at > s->size || len > s->size - at || len > WINDOW)
		return NULL;
	if (at < s->at || at + len > s->at + s->len) {
		size_t take = s->size - at < WINDOW ? s->size - at : WINDOW;

		s->len = 0;
		if (elf_read(s->src, s->offset + at, s->window, take))
			return NULL;
		s->at = at;
		s->len = take;
	}
	return s->window + (at - s->at);
}

/* ------------------------------------------------------------------ rows */

static struct stacks_row encode(uint32_t pc, const struct cfi_state *s)
{
	struct stacks_row row = {.pc = pc};
	uint32_t kind = STACKS_CFA_UNKNOWN, offset = 0, bp = STACKS_BP_SAME;
	int64_t bp_offset = 0;

	if (s->ra == CFI_UNDEFINED) {
		row.cfa = STACKS_CFA_END << STACKS_CFA_SHIFT;
		return row;
	}
	if (s->signal) {
		row.cfa = STACKS_CFA_SIGNAL << STACKS_CFA_SHIFT;
		return row;
	}
	if (s->cfa == CFI_CFA_REGISTER && s->cfa_register == CFI_RSP)
		kind = STACKS_CFA_SP;
	else if (s->cfa == CFI_CFA_REGISTER && s->cfa_register == CFI_RBP)
		kind = STACKS_CFA_BP;
	else if (s->cfa == CFI_CFA_BP_DEREF)
		kind = STACKS_CFA_BP_DEREF;
	else if (s->cfa == CFI_CFA_PLT)
		kind = STACKS_CFA_PLT;
	if (kind == STACKS_CFA_SP || kind == STACKS_CFA_BP || kind == STACKS_CFA_BP_DEREF) {
		if (s->cfa_offset < 0 || s->cfa_offset & 7 || s->cfa_offset / 8 > STACKS_CFA_OFFSET)
			kind = STACKS_CFA_UNKNOWN;
		else
			offset = (uint32_t)(s->cfa_offset / 8);
	}
	/* A realigned frame keeps rbp where rbp points to; others at a place below the CFA. */
	if (s->bp == CFI_OFFSET && kind != STACKS_CFA_BP_DEREF) {
		bp = STACKS_BP_AT;
		bp_offset = s->bp_offset;
	} else if (s->bp == CFI_BP_RELATIVE && kind == STACKS_CFA_BP_DEREF) {
		bp = STACKS_BP_AT;
		bp_offset = s->bp_offset;
	} else if (s->bp != CFI_SAME) {
		bp = STACKS_BP_LOST;
	}
	if (bp_offset & 7 || bp_offset / 8 < -8192 || bp_offset / 8 > 8191) {
		bp = STACKS_BP_LOST;
		bp_offset = 0;
	}
	if (s->ra != CFI_RETURN_ADDRESS)
		kind = STACKS_CFA_UNKNOWN;
	row.cfa = (uint16_t)(kind << STACKS_CFA_SHIFT | offset);
	row.bp = (uint16_t)(bp << STACKS_BP_SHIFT | ((uint32_t)(bp_offset / 8) & STACKS_BP_OFFSET));
	return row;
}

static int add_row(struct out *o, struct stacks_row row)
{
	if (o->count) {
		const struct stacks_row *last = &o->rows[o->count - 1];

		if (last->pc == row.pc)
			o->count--;
		else if (last->pc < row.pc && last->cfa == row.cfa && last->bp == row.bp)
			return 0;
	}
	if (o->count >= o->max)
		return -ENOSPC;
	o->result->unknown += row.cfa >> STACKS_CFA_SHIFT == STACKS_CFA_UNKNOWN;
	o->rows[o->count++] = row;
	return 0;
}

static int on_row(void *ctx, uint64_t pc, const struct cfi_state *state)
{
	return add_row(ctx, encode((uint32_t)pc, state));
}

/* By address; of two at one address the end of the function below comes first. */
static bool is_below(const struct stacks_row *a, const struct stacks_row *b)
{
	return a->pc != b->pc ? a->pc < b->pc : !a->cfa && b->cfa;
}

static void sift_down(struct stacks_row *rows, size_t at, size_t n)
{
	struct stacks_row row = rows[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < n && is_below(&rows[child], &rows[child + 1]))
			child++;
		if (child >= n || !is_below(&row, &rows[child]))
			break;
		rows[at] = rows[child];
		at = child;
	}
	rows[at] = row;
}

/* A heap sort: qsort() asks the system how much memory there is, and we may ask nothing. */
static void sort(struct stacks_row *rows, size_t n)
{
	for (size_t i = n / 2; i-- > 0;)
		sift_down(rows, i, n);
	for (size_t i = n; i-- > 1;) {
		struct stacks_row first = rows[0];

		rows[0] = rows[i];
		rows[i] = first;
		sift_down(rows, 0, i);
	}
}

static void finish(struct out *o)
{
	size_t n = 0;
	bool sorted = true;

	if (!o->count)
		return;
	for (size_t i = 1; i < o->count && sorted; i++)
		sorted = !is_below(&o->rows[i], &o->rows[i - 1]);
	if (!sorted)
		sort(o->rows, o->count);
	for (size_t i = 0; i < o->count; i++) {
		struct stacks_row row = o->rows[i];

		if (n && o->rows[n - 1].pc == row.pc)
			n--;
		if (n && o->rows[n - 1].cfa == row.cfa && o->rows[n - 1].bp == row.bp)
			continue;
		o->rows[n++] = row;
	}
	o->result->rows = n;
}

/* ------------------------------------------------------------------ descriptions */

static struct cfi_cie *cie_at(struct section *s, struct cfi_cie *cies, uint64_t at)
{
	struct cfi_cie *cie = &cies[(at / 4) % CIES];
	const uint8_t *p;
	uint32_t len;

	if (cie->known && cie->at == at)
		return cie;
	*cie = (struct cfi_cie){.at = at};
	p = section_bytes(s, at, 8);
	if (!p)
		return NULL;
	memcpy(&len, p, 4);
	if (len < 9 || len > ENTRY_MAX || !(p = section_bytes(s, at, 4 + (size_t)len)))
		return NULL;
	if (cfi_parse_cie(cie, p + 8, len - 4, s->vaddr + at + 8) < 0)
		return NULL;
	cie->known = true;
	return cie;
}

static int add_function(struct section *s, struct cfi_cie *cies, struct out *o, uint64_t at,
			uint32_t len, uint32_t id)
{
	const struct cfi_cie *cie;
	struct cfi_fde fde;
	const uint8_t *p;
	size_t before = o->count;
	int r;

	if (id > at + 4 || !(cie = cie_at(s, cies, at + 4 - id)) ||
	    !(p = section_bytes(s, at, 4 + (size_t)len)) ||
	    cfi_parse_fde(&fde, cie, p + 8, len - 4, s->vaddr + at + 8) < 0 ||
	    fde.start >= UINT32_MAX || fde.length >= UINT32_MAX - fde.start) {
		o->result->bad++;
		return 0;
	}
	o->result->functions++;
	if (!fde.length)
		return 0;
	r = cfi_run(&fde, cie, on_row, o);
	if (r == -ENOSPC)
		return r;
	if (r < 0) { /* what it says is not understood: then it says nothing */
		o->count = before;
		o->result->bad++;
		return 0;
	}
	return add_row(o, (struct stacks_row){.pc = (uint32_t)(fde.start + fde.length)});
}

int cfi_read(const struct elf_source *src, struct stacks_row *rows, size_t max,
	     struct cfi_result *ret)
{
	struct cfi_result result = {0};
	struct out o = {.rows = rows, .max = max, .result = &result};
	struct cfi_cie *cies = calloc(CIES, sizeof(*cies));
	struct section s;
	int r = find_section(&s, src);

	uint8_t *window = malloc(WINDOW);

	if (!r && (!window || !cies))
		r = -ENOMEM;
	s.window = window;
	for (uint64_t at = 0; !r;) {
		const uint8_t *p = section_bytes(&s, at, 8);
		uint32_t len, id;

		if (!p)
			break;
		memcpy(&len, p, 4);
		memcpy(&id, p + 4, 4);
		if (!len || len == UINT32_MAX) /* its end; 64-bit descriptions nobody writes */
			break;
		if (len < 4 || len > s.size)
			break;
		if (id && len > ENTRY_MAX)
			result.bad++;
		else if (id)
			r = add_function(&s, cies, &o, at, len, id);
		at += 4 + (uint64_t)len;
	}
	if (!r && !o.count)
		r = -ENODATA;
	if (!r) {
		finish(&o);
		*ret = result;
	}
	free(window);
	free(cies);
	return r;
}
