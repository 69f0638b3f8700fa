/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPython in another process: where its threads' frames are, for the BPF programs to walk, and what
 * a code object is called.  3.8 to 3.14, of the usual build; from 3.13 on the interpreter itself
 * says where things are (_Py_DebugOffsets), before that the version does.  Nothing that is read is
 * believed: addresses may lead anywhere, and lengths are bounded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../bpf/stacks.h"
#include "../heap/remote.h"

#define PYTHON_TEXT_MAX 512u /* bytes of UTF-8 of a function's or a file's name */

struct regions;

struct python_build {
	struct stacks_python frames;
	uint64_t code_type, bytes_type, text_type;
	uint8_t minor;
	bool short_references; /* 32 bits of them, then flags */
	uint16_t ascii_header; /* bytes before the characters of a string; all others: … */
	uint16_t wide_header;
	uint16_t code_file, code_name; /* name: the qualified one, where there is one */
	uint16_t code_table;
	char version[16];
};

/* 1: it is one; 0: no CPython; -EAGAIN: not begun yet; -ENOTSUP: reason says why. */
int python_build_find(struct python_build *ret, struct remote *r, const struct regions *regions,
		      char *reason, size_t cap);

struct python_place {
	int first_line;
	int line; /* 0: the place has none */
	char name[PYTHON_TEXT_MAX], file[PYTHON_TEXT_MAX];
	uint8_t table[64u << 10]; /* of line numbers, while it is read */
};

/*
 * What a frame's two words mean.  0; -ESTALE: there is another code object now, or none; -EFAULT:
 * it cannot be read.
 */
int python_place_read(struct python_place *ret, const struct python_build *b, struct remote *r,
		      uint64_t code, uint64_t place);
