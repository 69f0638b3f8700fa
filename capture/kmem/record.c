/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct piece {
	uint64_t addr, len, offset;
};

struct record_source {
	struct kmem_source s;
	struct kmem_source *inner;
	int fd;
	uint64_t at, max;
	struct piece *pieces;
	size_t count, cap;
	int error; /* first one of writing; reported at the end */
};

static struct record_source *of(struct kmem_source *s)
{
	return (struct record_source *)s;
}

static int write_full(int fd, const void *data, size_t len, uint64_t offset)
{
	const char *p = data;

	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
		offset += (size_t)n;
	}
	return 0;
}

static void keep(struct record_source *r, uint64_t addr, const void *data, size_t len)
{
	if (r->error)
		return;
	if (r->at + len > r->max) {
		r->error = -EFBIG;
		return;
	}
	if (r->count == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 1024;
		struct piece *p = realloc(r->pieces, cap * sizeof(*p));

		if (!p) {
			r->error = -ENOMEM;
			return;
		}
		r->pieces = p;
		r->cap = cap;
	}
	r->error = write_full(r->fd, data, len, r->at);
	r->pieces[r->count++] = (struct piece){addr, len, r->at};
	r->at += len;
}

static int record_read(struct kmem_source *s, uint64_t addr, void *buf, size_t len,
		       const void **ret)
{
	int r = of(s)->inner->ops->read(of(s)->inner, addr, buf, len, ret);

	if (r == 0)
		keep(of(s), addr, *ret, len);
	return r;
}

static bool is_zero(const unsigned char *p, size_t len)
{
	return p[0] == 0 && !memcmp(p, p + 1, len - 1);
}

static int record_gather(struct kmem_source *s, const uint64_t *addr, size_t n, size_t size,
			 void *buf, const void **ret, size_t *ret_faults)
{
	int r = of(s)->inner->ops->gather(of(s)->inner, addr, n, size, buf, ret, ret_faults);

	for (size_t i = 0; r == 0 && i < n; i++) {
		const unsigned char *item = (const unsigned char *)*ret + i * size;

		/* What faulted is zeros, and is to fault again. */
		if (!*ret_faults || !is_zero(item, size))
			keep(of(s), addr[i], item, size);
	}
	return r;
}

static int record_finish_inner(struct kmem_source *s, struct err *e)
{
	struct kmem_source *inner = of(s)->inner;

	return inner->ops->finish ? inner->ops->finish(inner, e) : 0;
}

static void record_close(struct kmem_source *s)
{
	free(of(s)->pieces);
	free(s->ranges);
	free(s);
}

static const struct kmem_source_ops record_ops = {.name = "record",
						  .read = record_read,
						  .gather = record_gather,
						  .finish = record_finish_inner,
						  .close = record_close};

int kmem_record_open(struct kmem_source **ret, struct kmem_source *inner, int fd, uint64_t max,
		     struct err *e)
{
	struct record_source *r = calloc(1, sizeof(*r));

	if (!r)
		return err_errno(e, ENOMEM, "recording");
	r->s = *inner;
	r->s.ops = &record_ops;
	r->s.ranges = malloc(inner->range_count * sizeof(*inner->ranges));
	if (!r->s.ranges) {
		free(r);
		return err_errno(e, ENOMEM, "recording");
	}
	memcpy(r->s.ranges, inner->ranges, inner->range_count * sizeof(*inner->ranges));
	r->inner = inner;
	r->fd = fd;
	r->max = max;
	r->at = sizeof(Elf64_Ehdr) + sizeof(Elf64_Shdr);
	*ret = &r->s;
	return 0;
}

/* By address; of the same address the longer and then the later first, so that it is found. */
static int by_addr(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? 1 : -1;
	return x->offset < y->offset ? 1 : -1;
}

/* Pieces that lie wholly inside the one before them say nothing new. */
static void drop_contained(struct record_source *r)
{
	size_t n = 0;

	if (r->count)
		qsort(r->pieces, r->count, sizeof(*r->pieces), by_addr);
	for (size_t i = 0; i < r->count; i++) {
		const struct piece *last = n ? &r->pieces[n - 1] : NULL;

		if (last && r->pieces[i].addr + r->pieces[i].len <= last->addr + last->len)
			continue;
		r->pieces[n++] = r->pieces[i];
	}
	r->count = n;
}

static int write_note(struct record_source *r, Elf64_Phdr *ret)
{
	struct {
		Elf64_Nhdr h;
		char name[8];
		struct record_note note;
	} head = {.h = {.n_namesz = sizeof(RECORD_NOTE_NAME), .n_type = RECORD_NOTE_TYPE},
		  .name = RECORD_NOTE_NAME,
		  .note = {2, r->s.vmemmap_base, r->s.page_struct_size, r->s.page_size,
			   r->s.range_count, r->s.recorded_one_in, r->s.recorded_seed}};
	size_t ranges = r->s.range_count * sizeof(*r->s.ranges);
	int err;

	_Static_assert(sizeof(struct kmem_range) == 16, "two words, as the note has them");
	head.h.n_descsz = (Elf64_Word)(sizeof(head.note) + ranges);
	*ret = (Elf64_Phdr){.p_type = PT_NOTE,
			    .p_offset = r->at,
			    .p_filesz = sizeof(head.h) + sizeof(head.name) + head.h.n_descsz};
	/* The struct has padding after the name at most; write its parts. */
	err = write_full(r->fd, &head.h, sizeof(head.h), r->at);
	r->at += sizeof(head.h);
	if (!err)
		err = write_full(r->fd, head.name, sizeof(head.name), r->at);
	r->at += sizeof(head.name);
	if (!err)
		err = write_full(r->fd, &head.note, sizeof(head.note), r->at);
	r->at += sizeof(head.note);
	if (!err)
		err = write_full(r->fd, r->s.ranges, ranges, r->at);
	r->at += ranges;
	return err;
}

int kmem_record_finish(struct kmem_source *s, struct err *e)
{
	struct record_source *r = of(s);
	Elf64_Ehdr h = {.e_type = ET_CORE,
			.e_version = EV_CURRENT,
			.e_ehsize = sizeof(h),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_shentsize = sizeof(Elf64_Shdr),
			.e_shoff = sizeof(h),
			.e_shnum = 1};
	Elf64_Shdr section = {0};
	Elf64_Phdr p;
	int err = r->error;

	drop_contained(r);
	if (!err)
		err = write_note(r, &p);
	h.e_phoff = r->at;
	if (!err)
		err = write_full(r->fd, &p, sizeof(p), r->at);
	r->at += sizeof(p);
	for (size_t i = 0; !err && i < r->count; i++) {
		p = (Elf64_Phdr){.p_type = PT_LOAD,
				 .p_flags = PF_R,
				 .p_offset = r->pieces[i].offset,
				 .p_vaddr = r->pieces[i].addr,
				 .p_paddr = UINT64_MAX,
				 .p_filesz = r->pieces[i].len,
				 .p_memsz = r->pieces[i].len};
		err = write_full(r->fd, &p, sizeof(p), r->at);
		r->at += sizeof(p);
	}
	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
	h.e_ident[EI_VERSION] = EV_CURRENT;
	section.sh_info = (Elf64_Word)(r->count + 1);
	h.e_phnum = r->count + 1 < PN_XNUM ? (Elf64_Half)(r->count + 1) : PN_XNUM;
	if (!err)
		err = write_full(r->fd, &section, sizeof(section), sizeof(h));
	if (!err)
		err = write_full(r->fd, &h, sizeof(h), 0);
	return err ? err_errno(e, err, "recording") : 0;
}
