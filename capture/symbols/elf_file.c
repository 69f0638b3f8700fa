/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "elf_file.h"

#define SECTIONS_MAX 65536u
#define SEGMENTS_MAX 512u
#define NOTE_MAX 4096u /* of one note segment we look at */
#define DYNAMIC_MAX 512u

int elf_read(const struct elf_source *s, uint64_t offset, void *buf, size_t len)
{
	if (offset > s->size || len > s->size - offset)
		return -EIO;
	if (s->fd < 0) {
		memcpy(buf, s->mem + offset, len);
		return 0;
	}
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(s->fd, (char *)buf + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

/* Is [offset, offset + size) in the file? */
static bool within(const struct elf_source *s, uint64_t offset, uint64_t size)
{
	return offset <= s->size && size <= s->size - offset;
}

static int read_phdr(const struct elf_file *f, uint64_t at, Elf64_Phdr *ret)
{
	Elf32_Phdr p;
	int r;

	if (f->is64)
		return elf_read(&f->src, at, ret, sizeof(*ret));
	r = elf_read(&f->src, at, &p, sizeof(p));
	if (!r)
		*ret = (Elf64_Phdr){.p_type = p.p_type,
				    .p_flags = p.p_flags,
				    .p_offset = p.p_offset,
				    .p_vaddr = p.p_vaddr,
				    .p_filesz = p.p_filesz,
				    .p_memsz = p.p_memsz};
	return r;
}

static int read_shdr(const struct elf_file *f, uint64_t at, Elf64_Shdr *ret)
{
	Elf32_Shdr s;
	int r;

	if (f->is64)
		return elf_read(&f->src, at, ret, sizeof(*ret));
	r = elf_read(&f->src, at, &s, sizeof(s));
	if (!r)
		*ret = (Elf64_Shdr){.sh_name = s.sh_name,
				    .sh_type = s.sh_type,
				    .sh_offset = s.sh_offset,
				    .sh_size = s.sh_size,
				    .sh_link = s.sh_link,
				    .sh_info = s.sh_info,
				    .sh_entsize = s.sh_entsize};
	return r;
}

static int read_ehdr(struct elf_file *f, Elf64_Ehdr *ret)
{
	unsigned char ident[EI_NIDENT];
	Elf32_Ehdr e;
	int r = elf_read(&f->src, 0, ident, sizeof(ident));

	if (r || memcmp(ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if (ident[EI_DATA] != (BYTE_ORDER == LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB))
		return -ENOEXEC;
	f->is64 = ident[EI_CLASS] == ELFCLASS64;
	if (f->is64)
		return elf_read(&f->src, 0, ret, sizeof(*ret)) ? -EBADMSG : 0;
	if (ident[EI_CLASS] != ELFCLASS32)
		return -ENOEXEC;
	r = elf_read(&f->src, 0, &e, sizeof(e));
	if (r)
		return -EBADMSG;
	*ret = (Elf64_Ehdr){.e_type = e.e_type,
			    .e_machine = e.e_machine,
			    .e_phoff = e.e_phoff,
			    .e_shoff = e.e_shoff,
			    .e_phentsize = e.e_phentsize,
			    .e_phnum = e.e_phnum,
			    .e_shentsize = e.e_shentsize,
			    .e_shnum = e.e_shnum,
			    .e_shstrndx = e.e_shstrndx};
	return 0;
}

/* Notes are name size, description size, type; each part padded to four bytes. */
uint8_t elf_note_build_id(const uint8_t *notes, size_t size, uint8_t ret[ELF_BUILD_ID_MAX])
{
	for (uint64_t at = 0; size - at >= 12;) {
		uint32_t h[3];
		uint64_t name, desc, next;

		memcpy(h, notes + at, sizeof(h));
		name = at + 12;
		desc = name + (((uint64_t)h[0] + 3) & ~3ULL);
		next = desc + (((uint64_t)h[1] + 3) & ~3ULL);
		if (next > size)
			break;
		if (h[2] == NT_GNU_BUILD_ID && h[0] == 4 && memcmp(notes + name, "GNU", 4) == 0 &&
		    h[1] > 0 && h[1] <= ELF_BUILD_ID_MAX) {
			memcpy(ret, notes + desc, h[1]);
			return (uint8_t)h[1];
		}
		at = next;
	}
	return 0;
}

static void find_build_id(struct elf_file *f, uint64_t offset, uint64_t size)
{
	uint8_t notes[NOTE_MAX];

	if (size > sizeof(notes))
		size = sizeof(notes);
	if (!f->build_id_len && !elf_read(&f->src, offset, notes, size))
		f->build_id_len = elf_note_build_id(notes, size, f->build_id);
}

static bool offset_of(const struct elf_file *f, uint64_t vaddr, uint64_t *ret)
{
	for (size_t i = 0; i < f->load_count; i++) {
		const struct elf_load *l = &f->loads[i];

		if (vaddr >= l->vaddr && vaddr - l->vaddr < l->filesz) {
			*ret = vaddr - l->vaddr + l->offset;
			return true;
		}
	}
	return false;
}

/*
 * The dynamic symbols of a file without section headers.  Nothing says how many there are; linkers
 * put the strings right behind them.
 */
static void dynamic_symbols(struct elf_file *f, uint64_t offset, uint64_t size)
{
	size_t entry = f->is64 ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);
	uint64_t symbols = 0, strings = 0, bytes = 0, at_symbols, at_strings;

	for (uint64_t i = 0; i < DYNAMIC_MAX && (i + 1) * entry <= size; i++) {
		Elf64_Dyn d;
		Elf32_Dyn d32;
		int r;

		if (f->is64) {
			r = elf_read(&f->src, offset + i * entry, &d, sizeof(d));
		} else {
			r = elf_read(&f->src, offset + i * entry, &d32, sizeof(d32));
			if (!r)
				d = (Elf64_Dyn){.d_tag = d32.d_tag, .d_un.d_val = d32.d_un.d_val};
		}
		if (r || d.d_tag == DT_NULL)
			break;
		if (d.d_tag == DT_SYMTAB)
			symbols = d.d_un.d_ptr;
		else if (d.d_tag == DT_STRTAB)
			strings = d.d_un.d_ptr;
		else if (d.d_tag == DT_STRSZ)
			bytes = d.d_un.d_val;
	}
	if (!offset_of(f, symbols, &at_symbols) || !offset_of(f, strings, &at_strings) ||
	    at_strings <= at_symbols || !within(&f->src, at_strings, bytes))
		return;
	f->dynsym = (struct elf_table){.offset = at_symbols,
				       .size = at_strings - at_symbols,
				       .strings = at_strings,
				       .strings_size = bytes};
}

static int read_segments(struct elf_file *f, const Elf64_Ehdr *e)
{
	size_t entry = f->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	uint64_t dynamic = 0, dynamic_size = 0;

	if (!e->e_phnum)
		return 0;
	if (e->e_phentsize != entry || e->e_phnum > SEGMENTS_MAX ||
	    !within(&f->src, e->e_phoff, e->e_phnum * entry))
		return -EBADMSG;
	for (unsigned i = 0; i < e->e_phnum; i++) {
		Elf64_Phdr p;

		if (read_phdr(f, e->e_phoff + i * entry, &p))
			return -EBADMSG;
		if (p.p_type == PT_NOTE)
			find_build_id(f, p.p_offset, p.p_filesz);
		if (p.p_type == PT_DYNAMIC) {
			dynamic = p.p_offset;
			dynamic_size = p.p_filesz;
		}
		if (p.p_type == PT_LOAD && f->load_count < ELF_LOADS_MAX)
			f->loads[f->load_count++] = (struct elf_load){.offset = p.p_offset,
								      .vaddr = p.p_vaddr,
								      .filesz = p.p_filesz,
								      .exec = p.p_flags & PF_X};
	}
	if (dynamic_size)
		dynamic_symbols(f, dynamic, dynamic_size);
	return 0;
}

struct sections {
	uint64_t at, count;
	size_t entry;
	Elf64_Shdr names;
};

static int read_section(const struct elf_file *f, const struct sections *s, uint64_t i,
			Elf64_Shdr *ret)
{
	return i < s->count ? read_shdr(f, s->at + i * s->entry, ret) : -EBADMSG;
}

static void take_table(const struct elf_file *f, const struct sections *s, const Elf64_Shdr *h,
		       struct elf_table *ret)
{
	Elf64_Shdr strings;

	if (read_section(f, s, h->sh_link, &strings) || strings.sh_type != SHT_STRTAB ||
	    !within(&f->src, h->sh_offset, h->sh_size) ||
	    !within(&f->src, strings.sh_offset, strings.sh_size))
		return;
	*ret = (struct elf_table){.offset = h->sh_offset,
				  .size = h->sh_size,
				  .strings = strings.sh_offset,
				  .strings_size = strings.sh_size};
}

static bool is_named(const struct elf_file *f, const struct sections *s, const Elf64_Shdr *h,
		     const char *name)
{
	char text[24];
	size_t len = strlen(name) + 1;

	return h->sh_name < s->names.sh_size && len <= s->names.sh_size - h->sh_name &&
	       within(&f->src, s->names.sh_offset, s->names.sh_size) &&
	       !elf_read(&f->src, s->names.sh_offset + h->sh_name, text, len) &&
	       memcmp(text, name, len) == 0;
}

/* Section headers are not needed to run: where they make no sense, the segments must do. */
static void read_sections(struct elf_file *f, const Elf64_Ehdr *e)
{
	struct sections s = {.at = e->e_shoff,
			     .count = e->e_shnum,
			     .entry = f->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)};
	uint64_t names = e->e_shstrndx;
	Elf64_Shdr h;

	if (!e->e_shoff || e->e_shentsize != s.entry)
		return;
	/* Numbers too large for the header's 16 bits are in section 0. */
	if (!s.count || names == SHN_XINDEX) {
		if (read_shdr(f, s.at, &h))
			return;
		s.count = s.count ? s.count : h.sh_size;
		names = names == SHN_XINDEX ? h.sh_link : names;
	}
	if (s.count > SECTIONS_MAX || !within(&f->src, s.at, s.count * s.entry))
		return;
	if (read_section(f, &s, names, &s.names))
		s.names = (Elf64_Shdr){0};
	for (uint64_t i = 1; i < s.count; i++) {
		if (read_section(f, &s, i, &h))
			return;
		if (h.sh_type == SHT_SYMTAB && !f->symtab.size)
			take_table(f, &s, &h, &f->symtab);
		else if (h.sh_type == SHT_DYNSYM)
			take_table(f, &s, &h, &f->dynsym);
		else if (h.sh_type == SHT_NOTE)
			find_build_id(f, h.sh_offset, h.sh_size);
		else if (h.sh_type == SHT_PROGBITS && is_named(f, &s, &h, ".gnu_debugdata") &&
			 within(&f->src, h.sh_offset, h.sh_size)) {
			f->debugdata = h.sh_offset;
			f->debugdata_size = h.sh_size;
		}
	}
}

int elf_open(struct elf_file *f, const struct elf_source *src)
{
	struct elf_file new = {.src = *src};
	Elf64_Ehdr e;
	int r = read_ehdr(&new, &e);

	if (r)
		return r;
	new.type = e.e_type;
	new.machine = e.e_machine;
	r = read_segments(&new, &e);
	if (r)
		return r;
	read_sections(&new, &e);
	*f = new;
	return 0;
}

bool elf_address(const struct elf_file *f, uint64_t offset, uint64_t *ret)
{
	const struct elf_load *found = NULL;

	for (size_t i = 0; i < f->load_count; i++) {
		const struct elf_load *l = &f->loads[i];

		if (offset >= l->offset && offset - l->offset < l->filesz &&
		    (!found || (l->exec && !found->exec)))
			found = l;
	}
	if (!found)
		return false;
	*ret = offset - found->offset + found->vaddr;
	return true;
}

/* Functions before labels, known before unknown extent, then as visible as possible. */
static uint8_t rank_of(uint8_t info, uint64_t size)
{
	uint8_t bind = info >> 4, type = info & 15;

	return (uint8_t)((type == STT_FUNC || type == STT_GNU_IFUNC ? 8 : 0) + (size ? 4 : 0) +
			 (bind == STB_GLOBAL ? 2
			  : bind == STB_WEAK ? 1
					     : 0));
}

static bool may_be_code(const struct elf_file *f, uint8_t info, uint16_t section, uint64_t size)
{
	uint8_t type = info & 15;

	if (section == SHN_UNDEF || section == SHN_ABS || section == SHN_COMMON)
		return false;
	if (type == STT_FUNC || type == STT_GNU_IFUNC)
		return true;
	/* Labels of hand-written assembly; on arm the local ones only say where code and data
	 * begin. */
	return type == STT_NOTYPE && (size || f->machine == EM_X86_64 || f->machine == EM_386);
}

int elf_symbols(const struct elf_file *f, const struct elf_table *t,
		int (*fn)(void *ctx, const struct elf_symbol *s), void *ctx)
{
	union {
		Elf64_Sym s64[1024];
		Elf32_Sym s32[1024];
	} chunk;
	size_t entry = f->is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	uint64_t count = t->size / entry;

	if (count > ELF_SYMBOLS_MAX)
		count = ELF_SYMBOLS_MAX;
	for (uint64_t at = 0; at < count;) {
		size_t n = count - at < 1024 ? (size_t)(count - at) : 1024;
		int r = elf_read(&f->src, t->offset + at * entry, &chunk, n * entry);

		if (r)
			return r;
		at += n;
		for (size_t i = 0; i < n; i++) {
			struct elf_symbol s;
			uint8_t info;
			uint16_t section;

			if (f->is64) {
				s = (struct elf_symbol){.value = chunk.s64[i].st_value,
							.size = chunk.s64[i].st_size,
							.name = chunk.s64[i].st_name};
				info = chunk.s64[i].st_info;
				section = chunk.s64[i].st_shndx;
			} else {
				s = (struct elf_symbol){.value = chunk.s32[i].st_value,
							.size = chunk.s32[i].st_size,
							.name = chunk.s32[i].st_name};
				info = chunk.s32[i].st_info;
				section = chunk.s32[i].st_shndx;
			}
			if (!s.name || !may_be_code(f, info, section, s.size))
				continue;
			s.rank = rank_of(info, s.size);
			r = fn(ctx, &s);
			if (r)
				return r;
		}
	}
	return 0;
}

ssize_t elf_name(const struct elf_file *f, const struct elf_table *t, uint32_t name, char *out,
		 size_t cap)
{
	size_t done = 0;

	if (name >= t->strings_size || !cap)
		return -EBADMSG;
	while (done < cap - 1) {
		uint64_t left = t->strings_size - name - done;
		size_t want = cap - 1 - done < 256 ? cap - 1 - done : 256;
		const char *end;

		if (want > left)
			want = (size_t)left;
		if (!want)
			break;
		if (elf_read(&f->src, t->strings + name + done, out + done, want))
			return -EIO;
		end = memchr(out + done, 0, want);
		if (end)
			return end - out;
		done += want;
	}
	out[done] = 0;
	return (ssize_t)done;
}
