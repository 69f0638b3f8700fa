/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cfi_parse.h"

#include <errno.h>
#include <string.h>

/* Encodings of pointers. */
enum {
	PE_ABSPTR = 0x00,
	PE_ULEB = 0x01,
	PE_UDATA2 = 0x02,
	PE_UDATA4 = 0x03,
	PE_UDATA8 = 0x04,
	PE_SLEB = 0x09,
	PE_SDATA2 = 0x0a,
	PE_SDATA4 = 0x0b,
	PE_SDATA8 = 0x0c,
	PE_PCREL = 0x10,
	PE_DATAREL = 0x30,
	PE_INDIRECT = 0x80,
	PE_OMIT = 0xff,
};

enum {
	CFA_NOP = 0x00,
	CFA_SET_LOC = 0x01,
	CFA_ADVANCE_LOC1 = 0x02,
	CFA_ADVANCE_LOC2 = 0x03,
	CFA_ADVANCE_LOC4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_REGISTER = 0x09,
	CFA_REMEMBER_STATE = 0x0a,
	CFA_RESTORE_STATE = 0x0b,
	CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_REGISTER = 0x0d,
	CFA_DEF_CFA_OFFSET = 0x0e,
	CFA_DEF_CFA_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_OFFSET_EXTENDED_SF = 0x11,
	CFA_DEF_CFA_SF = 0x12,
	CFA_DEF_CFA_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_GNU_NEGATIVE_OFFSET = 0x2f,
	CFA_ADVANCE_LOC = 0x40,
	CFA_OFFSET = 0x80,
	CFA_RESTORE = 0xc0,
};

/* ------------------------------------------------------------------ bytes */

/* Past the end everything reads as 0 and b->p is NULL: one check at the end is enough. */
static uint64_t take(struct cfi_bytes *b, size_t n)
{
	uint64_t v = 0;

	if (!b->p || (size_t)(b->end - b->p) < n) {
		b->p = NULL;
		return 0;
	}
	memcpy(&v, b->p, n);
	b->p += n;
	return v;
}

static uint64_t take_uleb(struct cfi_bytes *b)
{
	uint64_t v = 0, byte;
	unsigned shift = 0;

	do {
		byte = take(b, 1);
		if (shift < 64)
			v |= (byte & 0x7f) << shift;
		shift += 7;
	} while (b->p && byte & 0x80);
	return v;
}

static int64_t take_sleb(struct cfi_bytes *b)
{
	uint64_t v = 0, byte;
	unsigned shift = 0;

	do {
		byte = take(b, 1);
		if (shift < 64)
			v |= (byte & 0x7f) << shift;
		shift += 7;
	} while (b->p && byte & 0x80);
	if (shift < 64 && byte & 0x40)
		v |= ~0ULL << shift;
	return (int64_t)v;
}

static struct cfi_bytes take_block(struct cfi_bytes *b)
{
	uint64_t len = take_uleb(b);
	struct cfi_bytes block = {0};

	if (!b->p || len > (uint64_t)(b->end - b->p)) {
		b->p = NULL;
		return block;
	}
	block = (struct cfi_bytes){b->p, b->p + len};
	b->p += len;
	return block;
}

int cfi_pointer(struct cfi_bytes *b, uint8_t encoding, uint64_t at, uint64_t data, uint64_t *ret)
{
	uint64_t v;

	switch (encoding & 0x0f) {
	case PE_ABSPTR:
	case PE_UDATA8:
	case PE_SDATA8:
		v = take(b, 8);
		break;
	case PE_UDATA4:
		v = take(b, 4);
		break;
	case PE_SDATA4:
		v = (uint64_t)(int64_t)(int32_t)take(b, 4);
		break;
	case PE_UDATA2:
		v = take(b, 2);
		break;
	case PE_SDATA2:
		v = (uint64_t)(int64_t)(int16_t)take(b, 2);
		break;
	case PE_ULEB:
		v = take_uleb(b);
		break;
	case PE_SLEB:
		v = (uint64_t)take_sleb(b);
		break;
	default:
		return -EINVAL;
	}
	switch (encoding & 0x70) {
	case 0:
		break;
	case PE_PCREL:
		v += at;
		break;
	case PE_DATAREL:
		v += data;
		break;
	default:
		return -EINVAL;
	}
	if (!b->p || encoding & PE_INDIRECT)
		return -EINVAL;
	*ret = v;
	return 0;
}

/* ------------------------------------------------------------------ the program */

/* The three expressions that compilers and linkers write. */
static void cfa_expression(struct cfi_state *s, struct cfi_bytes e)
{
	/* rsp + 8 + ((rip & 15) >= 11) * 8 */
	static const uint8_t plt[] = {0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22};
	size_t len = e.p ? (size_t)(e.end - e.p) : 0;

	s->cfa = CFI_CFA_OTHER;
	if (len == sizeof(plt) && !memcmp(e.p, plt, len)) {
		s->cfa = CFI_CFA_PLT;
	} else if (len >= 3 && *e.p == 0x76) { /* *(rbp + offset) */
		e.p++;
		int64_t offset = take_sleb(&e);

		if (e.p && e.end - e.p == 1 && *e.p == 0x06) {
			s->cfa = CFI_CFA_BP_DEREF;
			s->cfa_offset = -offset;
		}
	}
}

static void rule(struct cfi_state *s, uint64_t reg, enum cfi_rule r, int64_t offset)
{
	if (reg == CFI_RBP) {
		s->bp = r;
		s->bp_offset = offset;
	} else if (reg == CFI_RIP) {
		s->ra = r == CFI_OFFSET && offset == -8 ? CFI_RETURN_ADDRESS
			: r == CFI_UNDEFINED		? CFI_UNDEFINED
							: CFI_LOST;
	}
}

/* A register is at the address that an expression gives: only "rbp + offset" is understood. */
static void rule_expression(struct cfi_state *s, uint64_t reg, struct cfi_bytes e)
{
	if (e.p && e.p < e.end && *e.p == 0x76) {
		e.p++;
		int64_t offset = take_sleb(&e);

		if (e.p && e.p == e.end) {
			rule(s, reg, reg == CFI_RBP ? CFI_BP_RELATIVE : CFI_LOST, offset);
			return;
		}
	}
	rule(s, reg, CFI_LOST, 0);
}

static void restore(struct cfi_state *s, uint64_t reg, const struct cfi_state *initial)
{
	if (reg == CFI_RBP) {
		s->bp = initial->bp;
		s->bp_offset = initial->bp_offset;
	} else if (reg == CFI_RIP) {
		s->ra = initial->ra;
	}
}

struct machine {
	const struct cfi_cie *cie;
	struct cfi_state state, kept[CFI_DEPTH];
	unsigned depth;
	uint64_t advance; /* by this instruction */
};

static int run_extended(struct machine *m, uint8_t op, struct cfi_bytes *b)
{
	struct cfi_state *s = &m->state;
	int64_t align = m->cie->data_align;
	uint64_t reg;

	switch (op) {
	case CFA_NOP:
		break;
	case CFA_ADVANCE_LOC1:
		m->advance = take(b, 1);
		break;
	case CFA_ADVANCE_LOC2:
		m->advance = take(b, 2);
		break;
	case CFA_ADVANCE_LOC4:
		m->advance = take(b, 4);
		break;
	case CFA_OFFSET_EXTENDED:
		reg = take_uleb(b);
		rule(s, reg, CFI_OFFSET, (int64_t)take_uleb(b) * align);
		break;
	case CFA_OFFSET_EXTENDED_SF:
		reg = take_uleb(b);
		rule(s, reg, CFI_OFFSET, take_sleb(b) * align);
		break;
	case CFA_GNU_NEGATIVE_OFFSET:
		reg = take_uleb(b);
		rule(s, reg, CFI_OFFSET, -(int64_t)take_uleb(b) * align);
		break;
	case CFA_RESTORE_EXTENDED:
		restore(s, take_uleb(b), &m->cie->initial);
		break;
	case CFA_UNDEFINED:
		rule(s, take_uleb(b), CFI_UNDEFINED, 0);
		break;
	case CFA_SAME_VALUE:
		rule(s, take_uleb(b), CFI_SAME, 0);
		break;
	case CFA_REGISTER:
	case CFA_VAL_OFFSET:
		reg = take_uleb(b);
		take_uleb(b);
		rule(s, reg, CFI_LOST, 0);
		break;
	case CFA_VAL_OFFSET_SF:
		reg = take_uleb(b);
		take_sleb(b);
		rule(s, reg, CFI_LOST, 0);
		break;
	case CFA_REMEMBER_STATE:
		if (m->depth >= CFI_DEPTH)
			return -EINVAL;
		m->kept[m->depth++] = *s;
		break;
	case CFA_RESTORE_STATE:
		if (!m->depth)
			return -EINVAL;
		*s = m->kept[--m->depth];
		break;
	case CFA_DEF_CFA:
		s->cfa = CFI_CFA_REGISTER;
		s->cfa_register = take_uleb(b);
		s->cfa_offset = (int64_t)take_uleb(b);
		break;
	case CFA_DEF_CFA_SF:
		s->cfa = CFI_CFA_REGISTER;
		s->cfa_register = take_uleb(b);
		s->cfa_offset = take_sleb(b) * align;
		break;
	case CFA_DEF_CFA_REGISTER:
		s->cfa = CFI_CFA_REGISTER;
		s->cfa_register = take_uleb(b);
		break;
	case CFA_DEF_CFA_OFFSET:
		s->cfa_offset = (int64_t)take_uleb(b);
		break;
	case CFA_DEF_CFA_OFFSET_SF:
		s->cfa_offset = take_sleb(b) * align;
		break;
	case CFA_DEF_CFA_EXPRESSION:
		cfa_expression(s, take_block(b));
		break;
	case CFA_EXPRESSION:
		reg = take_uleb(b);
		rule_expression(s, reg, take_block(b));
		break;
	case CFA_VAL_EXPRESSION:
		reg = take_uleb(b);
		take_block(b);
		rule(s, reg, CFI_LOST, 0);
		break;
	case CFA_GNU_ARGS_SIZE:
		take_uleb(b);
		break;
	default: /* CFA_SET_LOC too: no x86-64 compiler writes it */
		return -EINVAL;
	}
	return 0;
}

static int run_one(struct machine *m, struct cfi_bytes *b)
{
	uint8_t op = (uint8_t)take(b, 1), low = op & 0x3f;
	int r = 0;

	m->advance = 0;
	switch (op & 0xc0) {
	case CFA_ADVANCE_LOC:
		m->advance = low;
		break;
	case CFA_OFFSET:
		rule(&m->state, low, CFI_OFFSET, (int64_t)take_uleb(b) * m->cie->data_align);
		break;
	case CFA_RESTORE:
		restore(&m->state, low, &m->cie->initial);
		break;
	default:
		r = run_extended(m, op, b);
	}
	return b->p ? r : -EINVAL;
}

int cfi_run(const struct cfi_fde *fde, const struct cfi_cie *cie,
	    int (*row)(void *ctx, uint64_t pc, const struct cfi_state *s), void *ctx)
{
	struct machine m = {.cie = cie, .state = cie->initial};
	struct cfi_bytes b = fde->program;
	uint64_t pc = fde->start, end = fde->start + fde->length;
	int r = 0;

	while (!r && b.p < b.end) {
		struct cfi_state before = m.state;

		r = run_one(&m, &b);
		if (r || !m.advance)
			continue;
		/* Instructions past the function's end describe nothing. */
		if (pc < end)
			r = row(ctx, pc, &before);
		if (m.advance > (end - pc) / (cie->code_align ? cie->code_align : 1))
			pc = end;
		else
			pc += m.advance * cie->code_align;
	}
	if (!r && pc < end)
		r = row(ctx, pc, &m.state);
	return r;
}

/* ------------------------------------------------------------------ the descriptions */

static int augmentation(struct cfi_cie *cie, const char *letters, struct cfi_bytes *b, uint64_t at,
			const uint8_t *body)
{
	struct cfi_bytes data;
	uint64_t ignored;

	if (!*letters)
		return 0;
	if (*letters != 'z')
		return -EINVAL;
	cie->augmented = true;
	data = take_block(b);
	for (const char *c = letters + 1; *c; c++) {
		uint8_t encoding;

		switch (*c) {
		case 'R':
			cie->encoding = (uint8_t)take(&data, 1);
			break;
		case 'L':
			take(&data, 1);
			break;
		case 'P':
			encoding = (uint8_t)take(&data, 1);
			if (data.p && cfi_pointer(&data, encoding & 0x7f,
						  at + (uint64_t)(data.p - body), 0, &ignored) < 0)
				return -EINVAL;
			break;
		case 'S':
			cie->signal = true;
			break;
		case 'B': /* of arm64: signed return addresses */
			break;
		default: /* the block's length lets us go on */
			return 0;
		}
	}
	return data.p ? 0 : -EINVAL;
}

int cfi_parse_cie(struct cfi_cie *ret, const uint8_t *body, size_t len, uint64_t at)
{
	struct cfi_bytes b = {body, body + len};
	uint8_t version = (uint8_t)take(&b, 1);
	const char *letters = (const char *)b.p;
	struct machine m = {.cie = ret};
	uint64_t ra;
	int r;

	if ((version != 1 && version != 3) || !b.p || !memchr(b.p, 0, (size_t)(b.end - b.p)))
		return -EINVAL;
	b.p += strlen(letters) + 1;
	ret->code_align = take_uleb(&b);
	ret->data_align = take_sleb(&b);
	ra = version == 1 ? take(&b, 1) : take_uleb(&b);
	/* Larger ones would only serve to overflow something. */
	if (!b.p || ra != CFI_RIP || ret->code_align > 16 || ret->data_align > 0 ||
	    ret->data_align < -16)
		return -EINVAL;
	r = augmentation(ret, letters, &b, at, body);
	if (r < 0 || !b.p)
		return -EINVAL;
	m.state.ra = CFI_LOST;
	m.state.signal = ret->signal;
	while (!r && b.p < b.end)
		r = run_one(&m, &b);
	ret->initial = m.state;
	return r;
}

int cfi_parse_fde(struct cfi_fde *ret, const struct cfi_cie *cie, const uint8_t *body, size_t len,
		  uint64_t at)
{
	struct cfi_bytes b = {body, body + len};
	int r = cfi_pointer(&b, cie->encoding, at, 0, &ret->start);

	if (!r)
		r = cfi_pointer(&b, cie->encoding & 0x0f, 0, 0, &ret->length);
	if (!r && cie->augmented)
		take_block(&b);
	if (r < 0 || !b.p)
		return -EINVAL;
	ret->program = b;
	return 0;
}
