/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to cfi.c: one description of .eh_frame, and the little program in it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CFI_RBP 6
#define CFI_RSP 7
#define CFI_RIP 16
#define CFI_DEPTH 16 /* of DW_CFA_remember_state */

struct cfi_bytes {
	const uint8_t *p, *end;
};

/* An encoded pointer (DW_EH_PE_*).  at: its own address.  0 or -EINVAL. */
int cfi_pointer(struct cfi_bytes *b, uint8_t encoding, uint64_t at, uint64_t data, uint64_t *ret);

/* How a register of the caller is found. */
enum cfi_rule {
	CFI_SAME,
	CFI_OFFSET,	    /* at CFA + offset */
	CFI_UNDEFINED,	    /* of the return address: there is no caller */
	CFI_RETURN_ADDRESS, /* at CFA − 8 */
	CFI_BP_RELATIVE,    /* at rbp + offset */
	CFI_LOST,	    /* some other way */
};

enum cfi_cfa { CFI_CFA_REGISTER, CFI_CFA_BP_DEREF, CFI_CFA_PLT, CFI_CFA_OTHER };

struct cfi_state {
	enum cfi_cfa cfa;
	uint64_t cfa_register;
	int64_t cfa_offset;
	enum cfi_rule bp, ra;
	int64_t bp_offset;
	bool signal;
};

struct cfi_cie {
	uint64_t at;
	bool known;
	uint64_t code_align;
	int64_t data_align;
	uint8_t encoding;
	bool augmented, signal;
	struct cfi_state initial;
};

struct cfi_fde {
	uint64_t start, length;
	struct cfi_bytes program;
};

/* body: what follows the id; at: its address.  0 or -EINVAL. */
int cfi_parse_cie(struct cfi_cie *ret, const uint8_t *body, size_t len, uint64_t at);
int cfi_parse_fde(struct cfi_fde *ret, const struct cfi_cie *cie, const uint8_t *body, size_t len,
		  uint64_t at);
/* Calls row for each address from which on a state holds.  0, -EINVAL, or what row returned. */
int cfi_run(const struct cfi_fde *fde, const struct cfi_cie *cie,
	    int (*row)(void *ctx, uint64_t pc, const struct cfi_state *s), void *ctx);
