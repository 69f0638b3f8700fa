/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One pass over the text; of each address only the nearest symbol below it is kept.  The text says
 * no sizes: what lies behind the last symbol of a region is told by the next symbol of any type
 * being too far, and data symbols are fences.
 */
#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cleanup.h"
#include "kallsyms.h"

#define LINE_MAX_BYTES 1024
#define FUNCTION_MAX (1u << 20) /* farther from its symbol than any function is long */

struct best {
	uint64_t address, value;
	char *text; /* "t name\t[module]" */
};

static void take(struct best *b, uint32_t count, uint64_t value, const char *text)
{
	uint32_t low = 0, high = count;
	char *copy;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (b[mid].address < value)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == count || value < b[low].value)
		return;
	/* Of several names at one address the first is kept, but functions win over the rest. */
	if (b[low].text && b[low].value == value &&
	    (tolower(b[low].text[0]) == 't' || tolower(text[0]) != 't'))
		return;
	copy = strdup(text);
	if (!copy)
		return;
	free(b[low].text);
	b[low].text = copy;
	b[low].value = value;
}

static void settle(struct best *b, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		if (!b[i - 1].text || (b[i].text && b[i].value >= b[i - 1].value))
			continue;
		free(b[i].text);
		b[i].text = strdup(b[i - 1].text);
		b[i].value = b[i - 1].value;
	}
}

/* Lines "ADDRESS TYPE NAME[\t[MODULE]]". */
static int read_text(struct best *b, uint32_t count, int fd, bool *ret_zeros)
{
	_cleanup_file_ FILE *f = NULL;
	char line[LINE_MAX_BYTES];
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	*ret_zeros = true;
	f = own < 0 ? NULL : fdopen(own, "r");
	if (!f) {
		if (own >= 0)
			close(own);
		return -errno;
	}
	while (fgets(line, sizeof(line), f)) {
		size_t len = strlen(line);
		uint64_t value;
		char *end;

		if (!len || line[len - 1] != '\n')
			continue;
		line[len - 1] = 0;
		value = strtoull(line, &end, 16);
		if (end == line || end[0] != ' ' || !end[1] || end[2] != ' ')
			continue;
		if (!value)
			continue;
		*ret_zeros = false;
		take(b, count, value, end + 1);
	}
	return ferror(f) ? -EIO : 0;
}

static void name_row(struct symbols *s, struct symbol_row *row, const struct best *b)
{
	char *name, *module;
	uint32_t m = 0;

	if (!b->text || tolower(b->text[0]) == 'd' || tolower(b->text[0]) == 'b' ||
	    tolower(b->text[0]) == 'r' || b->address - b->value > FUNCTION_MAX)
		return;
	name = b->text + 2;
	module = strchr(name, '\t');
	if (module) {
		*module++ = 0;
		m = symbols_kernel_module(
			s, strcmp(module, "[bpf]") == 0 ? MODULE_BPF : MODULE_KMODULE, module);
	}
	row->symbol = b->value;
	row->name = symbols_keep_name(s, name, strlen(name));
	row->found_in = m == UINT32_MAX ? 0 : m;
}

int kallsyms_name(struct symbols *s, const uint32_t *order, uint32_t first, uint32_t count,
		  int text_fd)
{
	struct best *b = calloc(count ? count : 1, sizeof(*b));
	bool zeros;
	int r;

	if (!b)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		b[i].address = s->rows[order[first + i]].offset;
	r = read_text(b, count, text_fd, &zeros);
	settle(b, count);
	for (uint32_t i = 0; i < count; i++) {
		struct symbol_row *row = &s->rows[order[first + i]];

		row->address = row->offset;
		name_row(s, row, &b[i]);
		free(b[i].text);
	}
	free(b);
	if (!r && zeros)
		r = -EACCES;
	return r;
}

/* ------------------------------------------------------------------ build-ids */

static void build_id_from(struct symbol_module *m, int sys_fd, const char *path)
{
	_cleanup_fd_ int fd = openat(sys_fd, path, O_RDONLY | O_CLOEXEC);
	uint8_t notes[2048];
	ssize_t n = fd < 0 ? -1 : read(fd, notes, sizeof(notes));

	if (n > 0)
		m->build_id_len = elf_note_build_id(notes, (size_t)n, m->build_id);
}

void kernel_build_ids(struct symbols *s, int sys_fd)
{
	for (uint32_t i = 0; i < s->module_count && sys_fd >= 0; i++) {
		struct symbol_module *m = &s->modules[i];
		char path[160];
		int len = (int)strlen(m->path) - 2;

		if (m->kind == MODULE_KERNEL) {
			build_id_from(m, sys_fd, "kernel/notes");
		} else if (m->kind == MODULE_KMODULE && len > 0 && len < 64) {
			snprintf(path, sizeof(path), "module/%.*s/notes/.note.gnu.build-id", len,
				 m->path + 1);
			build_id_from(m, sys_fd, path);
		}
	}
}
