/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "python_code.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/cleanup.h"
#include "../heap/python.h"
#include "python_lines.h"

#define SIZE_AT 16  /* PyVarObject.ob_size; a string's length */
#define BYTES_AT 32 /* PyBytesObject.ob_sval */
#define STATE_AT 32 /* PyASCIIObject.state */
#define NOWHERE STACKS_PYTHON_NOWHERE
#define RUNTIME_MORE 8	      /* 3.12.1 and later may have _finalizing_id before the list */
#define THREAD_INTERPRETER 16 /* PyThreadState.interp, to 3.12 */
#define DEBUG_WORDS 64
#define REFERENCES_MAX (UINT64_C(1) << 20)
#define IMMORTAL 990000000u /* 999999999 in 3.11, 3 << 30 and more later */

/*
 * Offsets by version: Include/internal/pycore_runtime.h, pycore_interp.h, pycore_frame.h,
 * pycore_code.h, Include/cpython/pystate.h, code.h, frameobject.h, unicodeobject.h of each, for
 * 64 bits.  interpreters is that in _PyRuntime.  co_qualname came with 3.11.
 */
static const struct {
	unsigned first, last;
	struct python_build build;
} versions[] = {
	{8,
	 9,
	 {.frames = {.interpreters = 32,
		     .interpreter_next = 0,
		     .interpreter_threads = 8,
		     .thread_next = 8,
		     .thread_id = 176,
		     .thread_frame = 24,
		     .thread_cframe = NOWHERE,
		     .cframe_frame = NOWHERE,
		     .cframe_previous = 0,
		     .frame_previous = 24,
		     .frame_code = 32,
		     .frame_instruction = 104,
		     .code_first_line = 40,
		     .code_name = 112,
		     .instruction = STACKS_PYTHON_LASTI_BYTES,
		     .entry = STACKS_PYTHON_EACH},
	  .code_file = 104,
	  .code_name = 112,
	  .code_table = 120}},
	{10,
	 10,
	 {.frames = {.interpreters = 32,
		     .interpreter_next = 0,
		     .interpreter_threads = 8,
		     .thread_next = 8,
		     .thread_id = 176,
		     .thread_frame = 24,
		     .thread_cframe = 48,
		     .cframe_frame = NOWHERE,
		     .cframe_previous = 8,
		     .frame_previous = 24,
		     .frame_code = 32,
		     .frame_instruction = 96,
		     .code_first_line = 40,
		     .code_name = 112,
		     .instruction = STACKS_PYTHON_LASTI_UNITS,
		     .entry = STACKS_PYTHON_EACH},
	  .code_file = 104,
	  .code_name = 112,
	  .code_table = 120}},
	{11,
	 11,
	 {.frames = {.interpreters = 40,
		     .interpreter_next = 0,
		     .interpreter_threads = 16,
		     .thread_next = 8,
		     .thread_id = 152,
		     .thread_frame = NOWHERE,
		     .thread_cframe = 56,
		     .cframe_frame = 8,
		     .cframe_previous = 16,
		     .frame_previous = 48,
		     .frame_code = 32,
		     .frame_instruction = 56,
		     .frame_entry = 68,
		     .code_first_line = 72,
		     .code_name = 120,
		     .code_start = 184,
		     .instruction = STACKS_PYTHON_POINTER,
		     .entry = STACKS_PYTHON_FLAG},
	  .code_file = 112,
	  .code_name = 128,
	  .code_table = 136}},
	{12,
	 12,
	 {.frames = {.interpreters = 40,
		     .interpreter_next = 0,
		     .interpreter_threads = 72,
		     .thread_next = 8,
		     .thread_id = 136,
		     .thread_frame = NOWHERE,
		     .thread_cframe = 56,
		     .cframe_frame = 0,
		     .cframe_previous = 8,
		     .frame_previous = 8,
		     .frame_code = 0,
		     .frame_instruction = 56,
		     .frame_entry = 70,
		     .code_first_line = 68,
		     .code_name = 120,
		     .code_start = 192,
		     .instruction = STACKS_PYTHON_POINTER,
		     .entry = STACKS_PYTHON_MARKER},
	  .code_file = 112,
	  .code_name = 128,
	  .code_table = 136}},
};

/* _Py_DebugOffsets: which of its words says what (Include/internal/pycore_debug_offsets.h; in 3.13
 * it stands in pycore_runtime.h). */
static const struct {
	unsigned minor;
	uint8_t interpreters, interpreter_next, interpreter_threads;
	uint8_t thread_next, thread_frame, thread_id;
	uint8_t frame_previous, frame_code, frame_instruction, frame_entry;
	uint8_t file, name, qualname, table, first_line, start;
} debug_words[] = {
	{13, 5, 8, 9, 21, 23, 24, 29, 30, 31, 33, 35, 36, 37, 38, 39, 43},
	{14, 5, 8, 9, 24, 26, 27, 32, 33, 34, 36, 40, 41, 42, 43, 44, 48},
};
#define DEBUG_COOKIE "xdebugpy"
#define DEBUG_VERSION 1
#define DEBUG_FREE_THREADED 2
#define STACKREF_TAGS 7 /* objects lie at multiples of 16 */

static uint64_t read_word(struct remote *r, uint64_t address)
{
	uint64_t v = 0;

	return remote_get(r, address, &v, sizeof(v)) ? v : 0;
}

/* Of 3.12 a field may stand before the list: what hangs there tells.  0: nothing hangs there yet.
 */
static uint64_t find_interpreters(struct remote *r, uint64_t runtime, const struct stacks_python *p)
{
	for (uint64_t more = 0; more <= RUNTIME_MORE; more += RUNTIME_MORE) {
		uint64_t at = runtime + p->interpreters + more, interpreter = read_word(r, at);
		uint64_t thread =
			interpreter ? read_word(r, interpreter + p->interpreter_threads) : 0;

		if (thread && read_word(r, thread + THREAD_INTERPRETER) == interpreter)
			return at;
	}
	return 0;
}

static int by_version(struct python_build *b, struct remote *r, const struct python *python)
{
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		if (python->minor < versions[i].first || python->minor > versions[i].last)
			continue;
		*b = versions[i].build;
		b->frames.interpreters = find_interpreters(r, python->runtime, &b->frames);
		return b->frames.interpreters ? 1 : -EAGAIN;
	}
	return -ENOTSUP;
}

static uint16_t offset_of(uint64_t word, bool *bad)
{
	*bad |= word >= NOWHERE;
	return (uint16_t)word;
}

static int by_debug_offsets(struct python_build *b, struct remote *r, const struct python *python)
{
	uint64_t words[DEBUG_WORDS];
	bool bad = false;

	if (!remote_get(r, python->runtime, words, sizeof(words)))
		return -EAGAIN;
	if (memcmp(words, DEBUG_COOKIE, 8) != 0 || words[DEBUG_FREE_THREADED] ||
	    words[DEBUG_VERSION] >> 24 != 3 || (words[DEBUG_VERSION] >> 16 & 0xff) != python->minor)
		return -ENOTSUP;
	for (size_t i = 0; i < ARRAY_SIZE(debug_words); i++) {
		if (debug_words[i].minor != python->minor)
			continue;
#define WORD(field) offset_of(words[debug_words[i].field], &bad)
		*b = (struct python_build){
			.frames = {.interpreters = python->runtime + WORD(interpreters),
				   .interpreter_next = WORD(interpreter_next),
				   .interpreter_threads = WORD(interpreter_threads),
				   .thread_next = WORD(thread_next),
				   .thread_id = WORD(thread_id),
				   .thread_frame = WORD(thread_frame),
				   .thread_cframe = NOWHERE,
				   .cframe_frame = NOWHERE,
				   .frame_previous = WORD(frame_previous),
				   .frame_code = WORD(frame_code),
				   .frame_instruction = WORD(frame_instruction),
				   .frame_entry = WORD(frame_entry),
				   .code_first_line = WORD(first_line),
				   .code_name = WORD(name),
				   .code_start = WORD(start),
				   .instruction = STACKS_PYTHON_POINTER,
				   .entry = STACKS_PYTHON_MARKER,
				   .tags = STACKREF_TAGS},
			.code_file = WORD(file),
			.code_name = WORD(qualname),
			.code_table = WORD(table),
		};
#undef WORD
		return bad ? -ENOTSUP : 1;
	}
	return -ENOTSUP;
}

int python_build_find(struct python_build *ret, struct remote *r, const struct regions *regions,
		      char *reason, size_t cap)
{
	struct python_build b = {0};
	struct python python;
	int found = python_find(&python, r, regions, reason, cap);

	if (found != 1)
		return found;
	if (!python.runtime || !python.code_type || !python.bytes_type || !python.text_type) {
		snprintf(reason, cap, "CPython %s: it does not export _PyRuntime and its types",
			 python.version);
		return -ENOTSUP;
	}
	found = python.minor >= 13 ? by_debug_offsets(&b, r, &python) : by_version(&b, r, &python);
	if (found == -ENOTSUP)
		snprintf(reason, cap, "CPython %s: it does not say where its frames are",
			 python.version);
	if (found != 1)
		return found;
	b.minor = (uint8_t)python.minor;
	b.code_type = python.code_type;
	b.bytes_type = python.bytes_type;
	b.text_type = python.text_type;
	b.short_references = python.layout->short_refcount;
	b.ascii_header = (uint16_t)python.layout->string_header;
	b.wide_header = (uint16_t)(b.ascii_header + (python.minor >= 12 ? 16 : 24));
	memcpy(b.version, python.version, sizeof(b.version));
	*ret = b;
	return 1;
}

/* ------------------------------------------------------------------ objects */

/*
 * Is it still there?  An allocator writes its links over the first words of what was freed, where
 * the references and the type were.  Immortal objects have a great many references.
 */
static bool is_alive(const struct python_build *b, struct remote *r, uint64_t address,
		     uint64_t type)
{
	uint64_t head[2], references;

	if (!remote_get(r, address, head, sizeof(head)) || head[1] != type)
		return false;
	references = b->short_references ? head[0] & 0xffffffffffff : head[0];
	return (references > 0 && references < REFERENCES_MAX) ||
	       (references >= IMMORTAL && references <= UINT32_MAX);
}

/* ------------------------------------------------------------------ strings */

/* One character as UTF-8 into out, which has room for four.  How many bytes. */
static size_t put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		/* Surrogates stand for bytes of a path that is no UTF-8 (PEP 383). */
		if (c >= 0xd800 && c < 0xe000)
			c = 0xfffd;
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	if (c > 0x10ffff)
		return put_utf8(out, 0xfffd);
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63));
	out[3] = (char)(0x80 | (c & 63));
	return 4;
}

/* How many bytes put_utf8() writes. */
static size_t utf8_size(uint32_t c)
{
	if (c > 0x10ffff)
		c = 0xfffd;
	return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

static uint32_t character(const uint8_t *p, unsigned width)
{
	uint16_t two;
	uint32_t four;

	if (width == 1)
		return *p;
	if (width == 2) {
		memcpy(&two, p, sizeof(two));
		return two;
	}
	memcpy(&four, p, sizeof(four));
	return four;
}

/* A str of the process as UTF-8; of a long one its end, which is what tells files apart. */
static bool read_text(const struct python_build *b, struct remote *r, uint64_t address, char *out)
{
	uint8_t head[40], text[PYTHON_TEXT_MAX * 4];
	unsigned width, ascii;
	uint64_t length, skip, most;
	uint32_t state;
	size_t n = 0;

	if (!is_alive(b, r, address, b->text_type) || !remote_get(r, address, head, sizeof(head)))
		return false;
	memcpy(&length, head + SIZE_AT, sizeof(length));
	memcpy(&state, head + STATE_AT, sizeof(state));
	/* interned:2, kind:3, compact:1, ascii:1 */
	width = state >> 2 & 7;
	ascii = state >> 6 & 1;
	if (!(state >> 5 & 1) || (width != 1 && width != 2 && width != 4) || length > 1u << 20)
		return false;
	/* Both are the process' word, and room is made for what ASCII means. */
	if (ascii && width != 1)
		return false;
	/* A character has one byte more than its width at most, of 4 none more, of ASCII one. */
	most = (PYTHON_TEXT_MAX - 1) / (ascii ? 1 : width == 4 ? 4 : width + 1);
	skip = length > most ? length - most : 0;
	length -= skip;
	address += (ascii ? b->ascii_header : b->wide_header) + skip * width;
	if (length && !remote_get(r, address, text, length * width))
		return false;
	for (uint64_t i = 0; i < length; i++) {
		uint32_t c = character(text + i * width, width);

		if ((ascii && c >= 0x80) || n + utf8_size(c) >= PYTHON_TEXT_MAX)
			return false;
		n += put_utf8(out + n, c);
	}
	out[n] = 0;
	/* A NUL inside would end it early, and a name is never empty. */
	return n > 0 && strlen(out) == n;
}

/* ------------------------------------------------------------------ places */

/* 0, -ESTALE: it is another one than was sampled, or none. */
static int is_same(const struct python_build *b, struct remote *r, uint64_t code, uint64_t place,
		   int32_t *ret_first_line)
{
	uint64_t name = 0;

	if (!remote_get(r, code + b->frames.code_first_line, ret_first_line,
			sizeof(*ret_first_line)) ||
	    !remote_get(r, code + b->frames.code_name, &name, sizeof(name)))
		return -EFAULT;
	return is_alive(b, r, code, b->code_type) &&
			       STACKS_PYTHON_IDENTITY(*ret_first_line, name) ==
				       (uint32_t)(place >> 32)
		       ? 0
		       : -ESTALE;
}

static bool read_table(struct python_place *ret, const struct python_build *b, struct remote *r,
		       uint64_t lines, uint64_t *ret_size)
{
	*ret_size = read_word(r, lines + SIZE_AT);
	return is_alive(b, r, lines, b->bytes_type) && *ret_size <= sizeof(ret->table) &&
	       remote_get(r, lines + BYTES_AT, ret->table, *ret_size);
}

int python_place_read(struct python_place *ret, const struct python_build *b, struct remote *r,
		      uint64_t code, uint64_t place)
{
	int32_t first_line, again, at = (int32_t)(uint32_t)place;
	int line, error = is_same(b, r, code, place, &first_line);
	uint64_t size;

	if (error)
		return error;
	if (!read_table(ret, b, r, read_word(r, code + b->code_table), &size) ||
	    !read_text(b, r, read_word(r, code + b->code_name), ret->name) ||
	    !read_text(b, r, read_word(r, code + b->code_file), ret->file))
		return -ESTALE;
	line = python_line(b->minor, ret->table, size, first_line, at);
	/* Once more: it may have become another one while it was read. */
	error = is_same(b, r, code, place, &again);
	if (line < 0 || error || again != first_line)
		return -ESTALE;
	ret->first_line = first_line;
	ret->line = line;
	return 0;
}
