/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a helper reads out of processes of CPython: where their frames are, and what those mean. */
#pragma once

#include "../symbols/python_code.h"
#include "helper.h"

#define PYREAD_PLACES 64u
#define PYREAD_WITNESSES 2u
#define PYREAD_TEXT (PYREAD_PLACES * 2 * PYTHON_TEXT_MAX)

enum { PYREAD_BUILD = 1, PYREAD_PLACE = 2, PYREAD_LIST = 3 };

struct pyread_place {
	int32_t no; /* of python_place_read() */
	int32_t first_line, line;
	uint32_t name, file; /* in text */
};

struct pyread {
	/* The question. */
	int32_t what;
	int32_t pids[PYREAD_WITNESSES]; /* PLACE: the second one is asked when the first is gone */
	uint32_t count;
	uint64_t words[2 * PYREAD_PLACES];
	/* The answer; of PLACE build is part of the question. */
	int32_t no; /* of python_build_find(); LIST: how many pids stand in text */
	struct python_build build;
	char reason[160];
	struct pyread_place places[PYREAD_PLACES];
	char text[PYREAD_TEXT];
};

/* pids whose program is called after Python, into ret.  How many, or a negative errno. */
int pyread_list(struct helper *h, uint32_t *ret, uint32_t room);
int pyread_create(struct helper **ret, const struct sysroot *root);
/* 1: *ret is what there is; 0: no CPython; -EAGAIN: perhaps later; else a negative errno. */
int pyread_build(struct helper *h, uint32_t pid, struct python_build *ret, char *reason,
		 size_t cap);
/* places and text of *ret are valid until the next question.  witness: a process that pid was
 * forked from and that has the same code, or 0. */
int pyread_places(struct helper *h, uint32_t pid, uint32_t witness, const struct python_build *b,
		  const uint64_t *words, uint32_t count, const struct pyread **ret);
