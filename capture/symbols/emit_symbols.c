/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of the archive: FORMAT.md says what their columns mean. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cleanup.h"
#include "../base/sbuf.h"
#include "../collect.h"
#include "symbols_private.h"

static const char *const kinds[] = {"file", "vdso", "anon", "kernel", "module", "bpf"};
static const char *const states[] = {"unread", "ok", "absent", "refused", "bad", "stuck"};
static const char *const sources[] = {NULL, "map_files", "root", "host", "namespace", "self"};

static int emit_maps(const struct symbols *s, struct emit *out)
{
	int r = member_open(out, "tables/stack_mappings.tsv",
			    "mapping\tprocess\tpid\tstart\tend\toffset\tobject\n");

	for (uint32_t i = 1; i < s->map_count && !r; i++) {
		const struct symbol_map_row *m = &s->maps[i];

		row_u64(out, i);
		row_u64(out, m->process);
		row_u64(out, m->pid);
		row_u64(out, m->start);
		row_u64(out, m->end);
		row_u64(out, m->pgoff);
		row_u64(out, m->module);
		r = row_end(out);
	}
	return r ? r : member_close(out, false);
}

static void put_loads(const struct symbol_module *m, struct emit *out)
{
	char text[ELF_LOADS_MAX * 64];
	struct sbuf b = SBUF(text);

	sbuf_reset(&b);
	for (unsigned k = 0; k < m->load_count; k++)
		sbuf_printf(&b, "%s%" PRIu64 ":%" PRIu64 ":%" PRIu64, k ? " " : "",
			    m->loads[k].offset, m->loads[k].vaddr, m->loads[k].filesz);
	row_str(out, text, b.len);
}

static void put_build_id(const struct symbol_module *m, struct emit *out)
{
	char hex[SYMBOLS_BUILD_ID_MAX * 2 + 1];

	for (unsigned k = 0; k < m->build_id_len; k++)
		snprintf(hex + 2 * k, 3, "%02x", m->build_id[k]);
	row_str(out, hex, 2 * (size_t)m->build_id_len);
}

static int emit_modules(const struct symbols *s, struct emit *out)
{
	int r = member_open(out, "tables/stack_objects.tsv",
			    "object\tkind\tdev\tino\tbuild_id\tpath\tdeleted\tpid\tstate\terrno\t"
			    "found\tdebug\tsegments\n");

	for (uint32_t i = 0; i < s->module_count && !r; i++) {
		const struct symbol_module *m = &s->modules[i];
		char dev[32];

		row_u64(out, i);
		row_cstr(out, kinds[m->kind]);
		snprintf(dev, sizeof(dev), "%" PRIu32 ":%" PRIu32, m->major, m->minor);
		if (m->ino) {
			row_cstr(out, dev);
			row_u64(out, m->ino);
		} else {
			row_none(out);
			row_none(out);
		}
		put_build_id(m, out);
		row_cstr(out, m->path);
		row_u64(out, m->deleted);
		if (m->kind == MODULE_ANON)
			row_u64(out, m->pid);
		else
			row_none(out);
		row_cstr(out, states[m->status]);
		row_u64(out, (uint64_t)m->no);
		row_cstr(out, sources[m->source] ? sources[m->source] : "");
		row_u64(out, m->has_debug);
		put_loads(m, out);
		r = row_end(out);
	}
	return r ? r : member_close(out, false);
}

static int emit_names(const struct symbols *s, struct emit *out)
{
	_cleanup_free_ uint32_t *order = symbols_order(s);
	int r = order ? member_open(out, "tables/stack_symbols.tsv",
				    "object\toffset\taddress\tfunction\tinto\tfound_in\n")
		      : -ENOMEM;

	for (uint32_t i = 0; i < s->row_count && !r; i++) {
		const struct symbol_row *row = &s->rows[order[i]];

		if (!row->address)
			continue;
		row_u64(out, row->module);
		row_u64(out, row->offset);
		row_u64(out, row->address);
		if (row->name) {
			row_cstr(out, s->names + row->name - 1);
			row_u64(out, row->address - row->symbol);
		} else {
			row_none(out);
			row_none(out);
		}
		row_u64(out, row->found_in ? row->found_in : row->module);
		r = row_end(out);
	}
	return r ? r : member_close(out, false);
}

int symbols_emit(const struct symbols *s, struct emit *out)
{
	int r = emit_maps(s, out);

	if (!r)
		r = emit_modules(s, out);
	return r ? r : emit_names(s, out);
}
