/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address_space → inode → super block and dentry → path.
 *
 * All of it is read while the machine goes on, so every step is checked: an inode is believed when
 * its i_data is the mapping it was reached by, when super block, number and generation are those
 * of the moment its first page was seen, and when that still holds after the path has been read.
 */
#include "names.h"
#include "scan_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/cleanup.h"
#include "../base/clock.h"

#define SB_KERNMOUNT (1u << 22) /* a mount of the kernel's own: its files never had a name */
#define HUGETLBFS_MAGIC 0x958458f6u

#define MAX_DEPTH 256  /* of a path; more is a torn chain */
#define MAX_ALIASES 64 /* hard links looked at */
/* Naming goes on that long after the run was told to end. */
#define MOST_AFTER_STOP_NS (500 * NSEC_PER_MSEC)
#define BATCH 256u
#define PATHS (128u << 10) /* bytes of the paths of one batch */

struct row {
	struct scan_file f;
	char fstype[32], s_id[32];
	size_t path; /* offset in paths */
	uint32_t index;
	bool gone;
};

struct resolver {
	struct scan *s;
	const struct kmem_layout *l;
	uint32_t span; /* bytes of an inode that are looked at */
	struct namer names;
	struct row *rows;
	char *paths;
	size_t paths_len, row_count;
	unsigned char *inodes, *dentries;
	uint64_t addrs[BATCH];
};

const char *file_state_name(enum file_state s)
{
	static const char *const names[] = {"linked", "deleted", "unnamed", "unresolved"};

	return names[s];
}

static uint32_t end_of(struct kmem_field f)
{
	return f.offset + f.size;
}

static uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t identity_span(const struct kmem_layout *l)
{
	uint32_t n = l->inode.data.offset + end_of(l->mapping.host);

	n = max_u32(n, end_of(l->inode.sb));
	n = max_u32(n, end_of(l->inode.ino));
	return max_u32(n, end_of(l->inode.generation));
}

static uint32_t inode_span(const struct kmem_layout *l)
{
	const struct kmem_field fields[] = {l->inode.mode,	 l->inode.nlink, l->inode.rdev,
					    l->inode.size_bytes, l->inode.state, l->inode.dentry,
					    l->inode.mtime,	 l->inode.blocks};
	uint32_t n = max_u32(identity_span(l), l->inode.data.offset + end_of(l->mapping.nrpages));

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		n = field_present(fields[i]) ? max_u32(n, end_of(fields[i])) : n;
	return n;
}

static uint32_t identity(uint64_t sb, uint64_t ino, uint64_t generation)
{
	uint64_t h = (sb ^ ino) * 0x9e3779b97f4a7c15ULL;

	h = (h ^ h >> 31 ^ generation) * 0xbf58476d1ce4e5b9ULL;
	return (uint32_t)(h >> 32);
}

uint32_t scan_identity(const struct kmem_layout *l, const void *inode)
{
	return identity(field_get(inode, l->inode.sb), field_get(inode, l->inode.ino),
			field_get(inode, l->inode.generation));
}

static uint64_t host_of(const struct kmem_layout *l, const unsigned char *inode)
{
	return field_get(inode + l->inode.data.offset, l->mapping.host);
}

static uint64_t pending_inode(const struct scan *s, uint32_t i)
{
	return s->tables.files[s->pending[i]].mapping - s->l->inode.data.offset;
}

static void judge_pending(struct scan *s, uint32_t i, uint64_t host, uint32_t id)
{
	struct file_entry *f = &s->tables.files[s->pending[i]];

	f->status = host == pending_inode(s, i) ? FILE_VALID : FILE_INVALID;
	f->identity = id;
}

/* The value of a member in the word that was read where it begins. */
static uint64_t field_of_word(uint64_t word, struct kmem_field f)
{
	return field_get(&word, (struct kmem_field){.offset = 0, .size = f.size});
}

/* Of the files whose inodes lie far apart only the words that count: each is a cache miss, and a
 * copy of all that lies between them is not free. */
static int check_words(struct scan *s)
{
	const struct kmem_layout *l = s->l;
	const struct kmem_field fields[] = {
		{.offset = l->inode.data.offset + l->mapping.host.offset, .size = 8},
		l->inode.sb,
		l->inode.ino,
		l->inode.generation,
	};
	const uint32_t words = ARRAY_SIZE(fields), most = KMEM_GATHER_MAX / words;

	for (uint32_t done = 0, n; done < s->pending_count; done += n) {
		const uint64_t *w;
		int r;

		n = s->pending_count - done < most ? s->pending_count - done : most;
		for (uint32_t i = 0; i < n; i++)
			for (uint32_t k = 0; k < words; k++)
				s->addrs[i * words + k] =
					pending_inode(s, done + i) + fields[k].offset;
		r = kmem_words(s->source, s->addrs, n * words, &w);
		if (r < 0)
			return r;
		for (uint32_t i = 0; i < n; i++, w += words)
			judge_pending(s, done + i, w[0],
				      identity(w[1], field_of_word(w[2], fields[2]),
					       field_of_word(w[3], fields[3])));
	}
	s->pending_count = 0;
	return 0;
}

static int check_spans(struct scan *s)
{
	const struct kmem_layout *l = s->l;
	uint32_t span = identity_span(l), done = 0;

	if (span > KMEM_ITEM_MAX)
		return -ENOTSUP;
	while (done < s->pending_count) {
		uint32_t n = s->pending_count - done;
		const void *view;
		size_t faults;
		int r;

		if (n > KMEM_READ_MAX / span)
			n = KMEM_READ_MAX / span;
		if (n > KMEM_GATHER_MAX)
			n = KMEM_GATHER_MAX;
		for (uint32_t i = 0; i < n; i++)
			s->addrs[i] = pending_inode(s, done + i);
		r = s->source->ops->gather(s->source, s->addrs, n, span, s->items, &view, &faults);
		if (r < 0)
			return r;
		for (uint32_t i = 0; i < n; i++) {
			const unsigned char *inode = (const unsigned char *)view + i * span;

			judge_pending(s, done + i, host_of(l, inode), scan_identity(l, inode));
		}
		done += n;
	}
	s->pending_count = 0;
	return 0;
}

int scan_check_pending(struct scan *s)
{
	int r = field_present(s->l->inode.generation) ? check_words(s) : -ENOTSUP;

	return r == -ENOTSUP ? check_spans(s) : r;
}

/* ------------------------------------------------------------------ one file */

static void put_label(struct resolver *p, struct row *row, const struct name_info *n)
{
	memcpy(p->paths + row->path, n->name, n->len);
	row->f.path_len = n->len;
}

static void put_path(struct resolver *p, struct row *row, const struct name_info *n)
{
	char path[PATH_ROOM];
	bool whole;
	size_t len = names_climb(&p->names, n, path + sizeof(path), &whole);

	memcpy(p->paths + row->path, path + sizeof(path) - len, len);
	row->f.path_len = len;
	row->f.truncated = !whole;
}

/* d_tmpfile() gives a file of O_TMPFILE the name "#INODE". */
static bool is_tmpfile_name(const struct name_info *n)
{
	if (n->len < 2 || n->name[0] != '#')
		return false;
	for (unsigned i = 1; i < n->len; i++) {
		if (n->name[i] < '0' || n->name[i] > '9')
			return false;
	}
	return true;
}

static void name_file(struct resolver *p, struct row *row, const struct sb_info *sb, uint64_t inode,
		      uint64_t dentry, unsigned char *image)
{
	struct name_info n;
	bool hashed = false;
	int r = names_alias(&p->names, inode, dentry, image, &hashed, &n);

	/* Unhashed is not deleted: what lives on a mount of the kernel's own was never hashed. */
	if (sb->flags & SB_KERNMOUNT) {
		row->f.state = FILE_UNNAMED;
		if (r == 0 && !row->f.is_blockdev)
			put_label(p, row, &n);
		return;
	}
	if (r < 0) {
		row->f.state = row->f.nlink ? FILE_UNRESOLVED : FILE_DELETED;
		return;
	}
	if (hashed || (n.addr == n.parent && n.addr == sb->root)) {
		row->f.state = FILE_LINKED;
	} else if (row->f.nlink == 0) {
		row->f.state = is_tmpfile_name(&n) ? FILE_UNNAMED : FILE_DELETED;
	} else {
		/* Dropped by the file system (NFS, FUSE), or this name is gone and another one is
		 * not in memory: the file is there, what it is called is not known. */
		row->f.state = FILE_UNRESOLVED;
	}
	put_path(p, row, &n);
	if (row->f.truncated && row->f.state == FILE_LINKED && row->f.path_len == 0)
		row->f.state = FILE_UNRESOLVED;
}

/* Fill a row from the inode's bytes; false when it is not, or no longer, the file that was seen. */
static bool read_file_row(struct resolver *p, uint32_t index, uint64_t addr,
			  const unsigned char *inode, unsigned char *dentry_image, struct row *row)
{
	const struct kmem_layout *l = p->l;
	struct file_entry *entry = &p->s->tables.files[index];
	uint64_t first = field_get(inode, l->inode.dentry), rdev;
	const struct sb_info *sb;
	struct scan_file *f = &row->f;

	if (host_of(l, inode) != addr || scan_identity(l, inode) != entry->identity)
		return false;
	sb = names_super_block(&p->names, field_get(inode, l->inode.sb));
	if (!sb)
		return false;
	if ((uint32_t)sb->magic == HUGETLBFS_MAGIC) {
		entry->status = FILE_HUGETLB;
		return false;
	}
	*row = (struct row){.index = index, .path = p->paths_len};
	f->file = index + 1;
	f->dev_major = sb->dev >> 20;
	f->dev_minor = sb->dev & 0xfffff;
	f->ino = field_get(inode, l->inode.ino);
	f->generation = (uint32_t)field_get(inode, l->inode.generation);
	f->mode = (uint32_t)field_get(inode, l->inode.mode);
	f->nlink = (uint32_t)field_get(inode, l->inode.nlink);
	f->size = field_get(inode, l->inode.size_bytes);
	f->nrpages = field_get(inode + l->inode.data.offset, l->mapping.nrpages);
	f->mtime = field_present(l->inode.mtime) ? (int64_t)field_get(inode, l->inode.mtime)
						 : INT64_MIN;
	f->blocks = field_present(l->inode.blocks) ? field_get(inode, l->inode.blocks) : UINT64_MAX;
	rdev = field_get(inode, l->inode.rdev);
	f->rdev_major = (uint32_t)rdev >> 20;
	f->rdev_minor = (uint32_t)rdev & 0xfffff;
	f->is_blockdev = S_ISBLK(f->mode) && !strcmp(sb->fstype, "bdev");
	memcpy(row->fstype, sb->fstype, sizeof(row->fstype));
	memcpy(row->s_id, sb->id, sizeof(row->s_id));
	name_file(p, row, sb, addr, first ? first - l->dentry.alias_next.offset : 0, dentry_image);
	p->paths_len += f->path_len;
	return true;
}

/* ------------------------------------------------------------------ all files, in batches */

/* Is each still what it was when its row was read?  A page of it that still leads to it proves it;
 * a page that does not (evicted, truncated) leaves the inode's own word. */
static int recheck(struct resolver *p)
{
	const struct kmem_layout *l = p->l;
	size_t faults;
	int r;

	for (size_t i = 0; i < p->row_count; i++)
		p->addrs[i] = p->s->tables.files[p->rows[i].index].mapping - l->inode.data.offset;
	r = kmem_gather(p->s->source, p->addrs, p->row_count, p->span, p->inodes, &faults);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->row_count; i++) {
		const unsigned char *inode = p->inodes + i * p->span;
		struct row *row = &p->rows[i];

		row->gone = host_of(l, inode) != p->addrs[i] ||
			    scan_identity(l, inode) != p->s->tables.files[row->index].identity ||
			    field_get(inode, l->inode.state) & l->inode.freeing;
	}
	return 0;
}

static int emit_rows(struct resolver *p, const struct scan_sink *sink)
{
	int r = recheck(p);

	for (size_t i = 0; i < p->row_count && r >= 0; i++) {
		struct row *row = &p->rows[i];

		if (row->gone) {
			p->s->tables.files[row->index].status = FILE_DISCARDED;
			continue;
		}
		row->f.fstype = row->fstype;
		row->f.s_id = row->s_id;
		row->f.path = p->paths + row->path;
		r = sink->file(sink->ctx, &row->f);
	}
	p->row_count = 0;
	p->paths_len = 0;
	return r < 0 ? r : 0;
}

/* Reads as many of the files from *at on as a batch takes. */
static int read_batch(struct resolver *p, uint32_t *at)
{
	const struct kmem_layout *l = p->l;
	struct scan_tables *t = &p->s->tables;
	uint32_t index[BATCH], n = 0, i = *at;
	uint64_t dentries[BATCH];
	size_t faults;
	int r;

	for (; i < t->file_count && n < BATCH; i++) {
		if (t->files[i].status != FILE_VALID)
			continue;
		index[n] = i;
		p->addrs[n++] = t->files[i].mapping - l->inode.data.offset;
	}
	r = kmem_gather(p->s->source, p->addrs, n, p->span, p->inodes, &faults);
	if (r < 0)
		return r;
	for (uint32_t k = 0; k < n; k++) {
		uint64_t first = field_get(p->inodes + k * p->span, l->inode.dentry);

		dentries[k] = first ? first - l->dentry.alias_next.offset : 0;
	}
	r = kmem_gather(p->s->source, dentries, n, l->dentry.size, p->dentries, &faults);
	if (r < 0)
		return r;
	for (uint32_t k = 0; k < n; k++) {
		if (p->paths_len + PATH_ROOM > PATHS) { /* the rest goes into the next batch */
			*at = index[k];
			return 0;
		}
		if (read_file_row(p, index[k], p->addrs[k], p->inodes + k * p->span,
				  p->dentries + k * l->dentry.size, &p->rows[p->row_count]))
			p->row_count++;
		else if (t->files[index[k]].status == FILE_VALID)
			t->files[index[k]].status = FILE_DISCARDED;
	}
	*at = i;
	return 0;
}

/* The run was told to end, or its time is over, a while ago. */
static bool out_of_time(const struct scan *s, uint64_t *stopped)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (s->config.resolve_deadline_ns && now >= s->config.resolve_deadline_ns)
		return true;
	if (!s->config.stop || !s->config.stop(s->config.stop_ctx))
		return false;
	if (!*stopped)
		*stopped = now;
	return now - *stopped > MOST_AFTER_STOP_NS;
}

/* Their pages still count, under file 0. */
static void drop_files_from(struct scan_tables *t, uint32_t at)
{
	for (; at < t->file_count; at++) {
		if (t->files[at].status == FILE_VALID) {
			t->files[at].status = FILE_DROPPED;
			t->files_dropped++;
		}
	}
}

int scan_resolve_files(struct scan *s, const struct scan_sink *sink, struct err *e)
{
	struct resolver *p = calloc(1, sizeof(*p));
	uint64_t stopped = 0;
	uint32_t at = 0;
	int r = -ENOMEM;

	if (!p)
		return err_errno(e, ENOMEM, "page-cache scan");
	p->s = s;
	p->l = s->l;
	p->span = inode_span(s->l);
	p->names = (struct namer){.source = s->source, .l = s->l};
	p->names.sbs = calloc(NAMER_SUPER_BLOCKS, sizeof(*p->names.sbs));
	p->names.dentries = calloc(NAMER_DENTRIES, sizeof(*p->names.dentries));
	p->rows = calloc(BATCH, sizeof(*p->rows));
	p->paths = malloc(PATHS);
	p->inodes = malloc((size_t)BATCH * p->span);
	p->dentries = malloc((size_t)BATCH * s->l->dentry.size);
	if (p->names.sbs && p->names.dentries && p->rows && p->paths && p->inodes && p->dentries)
		r = p->span > KMEM_ITEM_MAX || s->l->dentry.size > 512 ? -ENOTSUP : 0;
	while (r == 0 && at < s->tables.file_count) {
		if (out_of_time(s, &stopped)) {
			drop_files_from(&s->tables, at);
			break;
		}
		r = read_batch(p, &at);
		if (r == 0)
			r = emit_rows(p, sink);
	}
	free(p->names.sbs);
	free(p->names.dentries);
	free(p->rows);
	free(p->paths);
	free(p->inodes);
	free(p->dentries);
	free(p);
	return r < 0 ? err_errno(e, r, "page-cache scan: naming files") : 0;
}
