/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elfcore.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"

static int read_full(int fd, void *buf, size_t len, uint64_t offset)
{
	char *p = buf;

	while (len) {
		ssize_t n = pread(fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		p += n;
		len -= (size_t)n;
		offset += (size_t)n;
	}
	return 0;
}

static uint64_t hash_bytes(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return h;
}

static int by_vaddr(const void *a, const void *b)
{
	const struct elf_segment *x = a, *y = b;

	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

static int read_headers(int fd, Elf64_Phdr **ret, size_t *ret_count)
{
	_cleanup_free_ Elf64_Phdr *headers = NULL;
	Elf64_Ehdr h;
	size_t count;
	int r = read_full(fd, &h, sizeof(h), 0);

	if (r < 0)
		return r;
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS64 ||
	    h.e_ident[EI_DATA] !=
		    (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB) ||
	    h.e_type != ET_CORE || h.e_phentsize != sizeof(Elf64_Phdr))
		return -ENOEXEC;
	count = h.e_phnum;
	if (count == PN_XNUM) { /* more than fit: the first section header tells */
		Elf64_Shdr s;

		r = read_full(fd, &s, sizeof(s), h.e_shoff);
		if (r < 0)
			return r;
		count = s.sh_info;
	}
	if (count == 0 || count > ELFCORE_MAX_SEGMENTS)
		return -ENOEXEC;
	headers = malloc(count * sizeof(*headers));
	if (!headers)
		return -ENOMEM;
	r = read_full(fd, headers, count * sizeof(*headers), h.e_phoff);
	if (r < 0)
		return r;
	*ret = headers;
	*ret_count = count;
	headers = NULL;
	return 0;
}

static int read_notes(struct elfcore *c, const Elf64_Phdr *p)
{
	size_t len = p->p_filesz < ELFCORE_MAX_NOTES ? p->p_filesz : ELFCORE_MAX_NOTES;

	if (c->notes || !len)
		return 0;
	c->notes = malloc(len);
	if (!c->notes)
		return -ENOMEM;
	if (read_full(c->fd, c->notes, len, p->p_offset) < 0)
		return 0; /* notes are a help, not a need */
	c->notes_len = len;
	return 0;
}

int elfcore_open(struct elfcore *ret, int fd, const char *name, struct err *e)
{
	struct elfcore c = {.fd = fd};
	_cleanup_free_ Elf64_Phdr *headers = NULL;
	size_t count;
	int r = read_headers(fd, &headers, &count);

	if (r == 0) {
		c.segments = malloc(count * sizeof(*c.segments));
		if (!c.segments)
			r = -ENOMEM;
	}
	if (r < 0) {
		close(fd);
		return r == -ENOEXEC ? err_set(e, ENOEXEC, "%s: not a 64-bit ELF core", name)
				     : err_errno(e, r, name);
	}
	c.hash = hash_bytes(headers, count * sizeof(*headers));
	for (size_t i = 0; i < count && r == 0; i++) {
		const Elf64_Phdr *p = &headers[i];

		if (p->p_type == PT_NOTE)
			r = read_notes(&c, p);
		if (p->p_type != PT_LOAD || !p->p_filesz || p->p_vaddr + p->p_filesz < p->p_vaddr ||
		    p->p_offset + p->p_filesz < p->p_offset)
			continue;
		c.segments[c.count++] =
			(struct elf_segment){p->p_vaddr, p->p_paddr, p->p_offset, p->p_filesz};
	}
	if (r < 0) {
		elfcore_close(&c);
		return err_errno(e, r, name);
	}
	qsort(c.segments, c.count, sizeof(*c.segments), by_vaddr);
	*ret = c;
	return 0;
}

void elfcore_close(struct elfcore *c)
{
	close(c->fd);
	free(c->segments);
	free(c->notes);
	*c = (struct elfcore){.fd = -1};
}

static bool holds(const struct elf_segment *s, uint64_t vaddr)
{
	return vaddr >= s->vaddr && vaddr - s->vaddr < s->size;
}

/* The last segment that starts at or below vaddr; when several hold it, the longest reach wins by
 * going back a little: recordings may overlap. */
static const struct elf_segment *find(struct elfcore *c, uint64_t vaddr)
{
	size_t low = 0, high = c->count;

	if (c->last < c->count && holds(&c->segments[c->last], vaddr))
		return &c->segments[c->last];
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->segments[mid].vaddr <= vaddr)
			low = mid + 1;
		else
			high = mid;
	}
	for (int back = 0; low > 0 && back < 64; low--, back++) {
		if (holds(&c->segments[low - 1], vaddr)) {
			c->last = low - 1;
			return &c->segments[low - 1];
		}
	}
	return NULL;
}

int elfcore_read(struct elfcore *c, uint64_t vaddr, void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		const struct elf_segment *s = find(c, vaddr);
		uint64_t at, n;

		if (!s)
			return -EFAULT;
		at = vaddr - s->vaddr;
		n = s->size - at;
		if (n > len)
			n = len;
		if (read_full(c->fd, p, n, s->offset + at) < 0)
			return -EFAULT;
		p += n;
		vaddr += n;
		len -= n;
	}
	return 0;
}

int elfcore_note(const struct elfcore *c, const char *name, uint32_t type, const void **ret,
		 size_t *ret_len)
{
	size_t pos = 0, wanted = strlen(name) + 1;
	Elf64_Nhdr n;

	while (c->notes_len - pos >= sizeof(n)) {
		size_t name_at, data_at;

		memcpy(&n, c->notes + pos, sizeof(n));
		name_at = pos + sizeof(n);
		if (n.n_namesz > c->notes_len - name_at)
			break;
		data_at = name_at + (((size_t)n.n_namesz + 3) & ~(size_t)3);
		if (data_at > c->notes_len || n.n_descsz > c->notes_len - data_at)
			break;
		if (n.n_type == type && n.n_namesz == wanted &&
		    !memcmp(c->notes + name_at, name, wanted)) {
			*ret = c->notes + data_at;
			*ret_len = n.n_descsz;
			return 0;
		}
		pos = data_at + (((size_t)n.n_descsz + 3) & ~(size_t)3);
		if (pos > c->notes_len)
			break;
	}
	return -ENOENT;
}

static const struct elf_segment *segment_at(const struct elfcore *c, uint64_t vaddr)
{
	const struct elf_segment key = {.vaddr = vaddr};

	return bsearch(&key, c->segments, c->count, sizeof(key), by_vaddr);
}

int elfcore_changed(struct elfcore *c, bool *ret)
{
	_cleanup_free_ Elf64_Phdr *headers = NULL;
	size_t count, same = 0;
	int r = read_headers(c->fd, &headers, &count);

	if (r < 0)
		return r;
	*ret = hash_bytes(headers, count * sizeof(*headers)) != c->hash;
	if (!*ret)
		return 0;
	/* kcore puts its segments behind the headers, all at one distance of their addresses: it
	 * takes many headers more to move them. */
	for (size_t i = 0; i < count; i++) {
		const struct elf_segment *old;

		if (headers[i].p_type != PT_LOAD)
			continue;
		old = segment_at(c, headers[i].p_vaddr);
		if (old && old->offset != headers[i].p_offset)
			return -ESTALE;
		same += old != NULL;
	}
	return same ? 0 : -ESTALE;
}
