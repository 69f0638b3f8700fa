/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of customers through the reader of symbols.  The first byte says what the rest is: 'e' an
 * ELF file, 'd' one with itself as its debug file, 'p' the text of a perf-PID.map, 'n' notes.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../capture/symbols/module_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(holds)                                                                                \
	do {                                                                                       \
		if (!(holds)) {                                                                    \
			fprintf(stderr, "line %d: %s\n", __LINE__, #holds);                        \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static int found(void *ctx, size_t i, uint64_t address, uint64_t symbol, const char *name,
		 size_t len)
{
	uint8_t *seen = ctx;

	must(i < 6 && !seen[i]);
	must(!name || (len > 0 && len < ELF_NAME_MAX));
	must(!name || address >= symbol);
	for (size_t k = 0; k < len; k++)
		must(name[k] != 0);
	seen[i] = 1;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t offsets[] = {0, 0x40, 0x78, 0x1000, 0x1139, UINT64_MAX};
	uint8_t seen[6] = {0}, id[ELF_BUILD_ID_MAX], *copy;
	struct module_names n = {.offsets = offsets, .count = 6, .found = found, .ctx = seen};
	struct elf_source src = {.fd = -1};
	struct elf_file f;
	int r;

	if (!size)
		return 0;
	copy = malloc(size);
	memcpy(copy, data + 1, size - 1);
	src.mem = copy;
	src.size = size - 1;
	switch (data[0]) {
	case 'e':
	case 'd':
		r = elf_open(&f, &src);
		must(r == 0 || r == -ENOEXEC || r == -EBADMSG);
		if (r)
			break;
		must(module_names(&n, &f, data[0] == 'd' ? &f : NULL) == 0);
		for (size_t i = 0; i < 6; i++)
			must(seen[i]);
		break;
	case 'p':
		must(module_names_perf_map(&n, &src) == 0);
		break;
	case 'n':
		must(elf_note_build_id(copy, size - 1, id) <= ELF_BUILD_ID_MAX);
		break;
	default:
		break;
	}
	free(copy);
	return 0;
}
