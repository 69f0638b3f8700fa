/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exports.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#define PROGRAM_HEADERS_MAX 64
#define DYNAMIC_MAX 256
#define CHAIN_MAX 4096u /* symbols of one bucket: some ten in real files */
#define OWN_ORDER (__BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB)

/* glibc writes addresses into the mapped table, others leave offsets there. */
static uint64_t pointer(const struct exports *e, uint64_t base, uint64_t value)
{
	return value < base ? value + e->bias : value;
}

static int read_dynamic(struct exports *e, struct remote *r, uint64_t base, uint64_t address,
			uint64_t size)
{
	Elf64_Dyn dyn[DYNAMIC_MAX];
	size_t count = size / sizeof(*dyn) < DYNAMIC_MAX ? size / sizeof(*dyn) : DYNAMIC_MAX;

	count = remote_read(r, address, dyn, count * sizeof(*dyn)) / sizeof(*dyn);
	for (size_t i = 0; i < count && dyn[i].d_tag != DT_NULL; i++) {
		uint64_t p = pointer(e, base, dyn[i].d_un.d_ptr);

		switch (dyn[i].d_tag) {
		case DT_SYMTAB:
			e->symtab = p;
			break;
		case DT_STRTAB:
			e->strtab = p;
			break;
		case DT_GNU_HASH:
			e->gnu_hash = p;
			break;
		case DT_HASH:
			e->hash = p;
			break;
		default:
			break;
		}
	}
	return e->symtab && e->strtab && (e->gnu_hash || e->hash) ? 0 : -ENOEXEC;
}

int exports_open(struct exports *ret, struct remote *r, uint64_t base)
{
	Elf64_Ehdr head;
	Elf64_Phdr ph[PROGRAM_HEADERS_MAX];
	struct exports e = {0};
	const Elf64_Phdr *dynamic = NULL;
	bool loaded = false;
	int error;

	if (!remote_get(r, base, &head, sizeof(head)) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    head.e_ident[EI_DATA] != OWN_ORDER || head.e_phentsize != sizeof(*ph) ||
	    head.e_phnum > PROGRAM_HEADERS_MAX || head.e_phoff > 65536)
		return -ENOEXEC;
	if (!remote_get(r, base + head.e_phoff, ph, head.e_phnum * sizeof(*ph)))
		return -ENOEXEC;
	for (size_t i = 0; i < head.e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && !loaded) {
			loaded = true;
			e.bias = base - (ph[i].p_vaddr - ph[i].p_offset);
		} else if (ph[i].p_type == PT_DYNAMIC) {
			dynamic = &ph[i];
		}
	}
	if (!loaded || !dynamic)
		return -ENOEXEC;
	error = read_dynamic(&e, r, base, dynamic->p_vaddr + e.bias, dynamic->p_memsz);
	if (error < 0)
		return error;
	*ret = e;
	return 0;
}

/* The symbol's address when number `index` has this name. */
static uint64_t named(const struct exports *e, struct remote *r, uint32_t index, const char *name)
{
	size_t len = strlen(name) + 1;
	char text[64];
	Elf64_Sym sym;

	if (len > sizeof(text) ||
	    !remote_get(r, e->symtab + index * sizeof(sym), &sym, sizeof(sym)) ||
	    sym.st_shndx == SHN_UNDEF || !remote_get(r, e->strtab + sym.st_name, text, len) ||
	    memcmp(text, name, len) != 0)
		return 0;
	return sym.st_value + e->bias;
}

static uint64_t by_gnu_hash(const struct exports *e, struct remote *r, const char *name)
{
	struct {
		uint32_t buckets, first, bloom_words, bloom_shift;
	} h;
	uint32_t wanted = 5381, index, value;
	uint64_t buckets, chains;

	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		wanted = wanted * 33 + *p;
	if (!remote_get(r, e->gnu_hash, &h, sizeof(h)) || !h.buckets)
		return 0;
	buckets = e->gnu_hash + sizeof(h) + h.bloom_words * UINT64_C(8);
	chains = buckets + h.buckets * UINT64_C(4);
	if (!remote_get(r, buckets + wanted % h.buckets * UINT64_C(4), &index, sizeof(index)) ||
	    index < h.first)
		return 0;
	for (uint32_t i = 0; i < CHAIN_MAX; i++, index++) {
		if (!remote_get(r, chains + (index - h.first) * UINT64_C(4), &value, sizeof(value)))
			return 0;
		if ((value | 1) == (wanted | 1)) {
			uint64_t address = named(e, r, index, name);

			if (address)
				return address;
		}
		if (value & 1)
			return 0;
	}
	return 0;
}

static uint64_t by_hash(const struct exports *e, struct remote *r, const char *name)
{
	uint32_t h[2], wanted = 0, index;

	for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
		wanted = (wanted << 4) + *p;
		wanted = (wanted ^ (wanted >> 24 & 0xf0)) & 0x0fffffff;
	}
	if (!remote_get(r, e->hash, h, sizeof(h)) || !h[0] ||
	    !remote_get(r, e->hash + 8 + wanted % h[0] * UINT64_C(4), &index, sizeof(index)))
		return 0;
	for (uint32_t i = 0; i < CHAIN_MAX && index && index < h[1]; i++) {
		uint64_t address = named(e, r, index, name);

		if (address)
			return address;
		if (!remote_get(r, e->hash + 8 + (h[0] + (uint64_t)index) * 4, &index,
				sizeof(index)))
			return 0;
	}
	return 0;
}

uint64_t exports_find(const struct exports *e, struct remote *r, const char *name)
{
	return e->gnu_hash ? by_gnu_hash(e, r, name) : by_hash(e, r, name);
}
