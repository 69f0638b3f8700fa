/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "jail.h"
#include "module_names.h"
#include "opener.h"
#include "reader.h"

#define OUT_BUFFER (64u << 10)

struct reader {
	const struct symbols *s;
	const uint32_t *order;
	int opener_fd, out_fd;
	struct open_question question;
	size_t len;
	uint32_t first; /* in order: of the module at hand */
	uint64_t last_symbol;
	bool has_last;
	uint64_t vdso_size; /* of our own */
	char out[OUT_BUFFER];
};

/* ------------------------------------------------------------------ saying */

static void flush(struct reader *r)
{
	for (size_t done = 0; done < r->len;) {
		ssize_t n = write(r->out_fd, r->out + done, r->len - done);

		if (n < 0 && errno != EINTR)
			_exit(1);
		if (n > 0)
			done += (size_t)n;
	}
	r->len = 0;
}

static void say(struct reader *r, const struct said *h, const void *payload)
{
	if (r->len + sizeof(*h) + h->len > sizeof(r->out))
		flush(r);
	memcpy(r->out + r->len, h, sizeof(*h));
	r->len += sizeof(*h);
	if (h->len)
		memcpy(r->out + r->len, payload, h->len);
	r->len += h->len;
}

static int say_name(void *ctx, size_t i, uint64_t address, uint64_t symbol, const char *name,
		    size_t len)
{
	struct reader *r = ctx;
	struct said h = {.kind = SAID_PLACE,
			 .index = r->order[r->first + i],
			 .address = address,
			 .symbol = symbol};
	bool same;

	if (name) {
		/* At one place there is one best symbol. */
		same = r->has_last && r->last_symbol == symbol;
		h.kind = same ? SAID_SAME : SAID_NAME;
		h.len = same ? 0 : (uint32_t)len;
		r->has_last = true;
		r->last_symbol = symbol;
	}
	say(r, &h, name);
	return 0;
}

/* ------------------------------------------------------------------ a module */

static int open_elf(struct reader *r, struct elf_file *f)
{
	struct elf_source src = {.fd = -1};
	int error = opener_ask(r->opener_fd, &r->question, &src.fd, &src.size);

	if (error)
		return error;
	error = elf_open(f, &src);
	if (error)
		close(src.fd);
	return error;
}

/* One try.  A file that is not what was mapped is -ESTALE. */
static int try_open(struct reader *r, const struct symbol_module *m, enum opening how, uint32_t nth,
		    const struct symbol_map_row *witness, struct elf_file *f)
{
	struct open_question *q = &r->question;
	int error;

	q->how = how;
	q->nth = nth;
	q->pid = witness ? witness->pid : 0;
	q->start = witness ? witness->start : 0;
	q->end = witness ? witness->end : 0;
	error = open_elf(r, f);
	if (error || !m->build_id_len)
		return error;
	if (f->build_id_len == m->build_id_len &&
	    memcmp(f->build_id, m->build_id, m->build_id_len) == 0)
		return 0;
	close(f->src.fd);
	return -ESTALE;
}

/* What is told of several failures: the one that says most. */
static int worse(int a, int b)
{
	static const int telling[] = {-ESTALE, -EACCES, -EPERM, -EBADMSG, -ENOEXEC, -EIO};

	for (size_t i = 0; i < ARRAY_SIZE(telling); i++)
		if (a == telling[i] || b == telling[i])
			return telling[i];
	return a ? a : b;
}

static int find_module(struct reader *r, const struct symbol_module *m, struct elf_file *f,
		       enum module_source *ret)
{
	uint32_t n = m->witness_count < MODULE_WITNESSES ? m->witness_count : MODULE_WITNESSES;
	struct open_question *q = &r->question;
	int error = 0, one;

	q->major = m->major;
	q->minor = m->minor;
	q->ino = m->ino;
	q->seen_ns = m->build_id_len ? 0 : m->seen_ns;
	q->path_len = (uint32_t)strlen(m->path);
	if (q->path_len >= OPEN_PATH_MAX)
		q->path_len = 0;
	memcpy(q->path, m->path, q->path_len);
	for (uint32_t i = 0; i < n; i++) {
		const struct symbol_map_row *w =
			&r->s->maps[m->witness[(m->witness_count - 1 - i) % MODULE_WITNESSES]];

		*ret = FOUND_MAP_FILES;
		one = try_open(r, m, OPEN_MAP_FILES, 0, w, f);
		if (one && q->path_len) {
			error = worse(error, one);
			*ret = FOUND_ROOT;
			one = try_open(r, m, OPEN_ROOT, 0, w, f);
		}
		if (!one)
			return 0;
		error = worse(error, one);
	}
	if (!q->path_len)
		return error ? error : -ENOENT;
	*ret = FOUND_HOST;
	one = try_open(r, m, OPEN_HOST, 0, NULL, f);
	*ret = one ? FOUND_NAMESPACE : FOUND_HOST;
	for (uint32_t i = 0; one && one != -ENODATA; i++) {
		error = worse(error, one);
		one = try_open(r, m, OPEN_NAMESPACE, i, NULL, f);
	}
	return one ? error : 0;
}

/* The debug file that belongs to f, where one is installed. */
static bool find_debug(struct reader *r, const struct symbol_module *m, const struct elf_file *f,
		       struct elf_file *ret)
{
	struct open_question *q = &r->question;

	if (!f->build_id_len)
		return false;
	q->how = OPEN_DEBUG;
	q->path_len = 0;
	q->build_id_len = f->build_id_len;
	memcpy(q->build_id, f->build_id, f->build_id_len);
	q->pid = m->witness_count ? r->s->maps[m->witness[0]].pid : 0;
	for (q->nth = 0; q->nth < 2; q->nth++) {
		if (open_elf(r, ret))
			continue;
		if (ret->build_id_len == f->build_id_len &&
		    memcmp(ret->build_id, f->build_id, f->build_id_len) == 0)
			return true;
		close(ret->src.fd);
	}
	return false;
}

static enum module_status status_of(int error)
{
	switch (error) {
	case 0:
		return MODULE_READ;
	case -EACCES:
	case -EPERM:
		return MODULE_REFUSED;
	case -ENOEXEC:
	case -EBADMSG:
	case -EIO:
		return MODULE_BAD;
	default:
		return MODULE_ABSENT;
	}
}

static void say_module(struct reader *r, uint32_t module, int error, enum module_source source,
		       const struct elf_file *f, bool has_debug)
{
	struct said h = {.kind = SAID_MODULE, .index = module, .len = sizeof(struct said_module)};
	struct said_module m = {.status = status_of(error),
				.no = -error,
				.source = error ? FOUND_NOT : source,
				.has_debug = has_debug};

	if (f) {
		m.build_id_len = f->build_id_len;
		memcpy(m.build_id, f->build_id, f->build_id_len);
		for (size_t i = 0; i < f->load_count; i++) {
			if (!f->loads[i].exec)
				continue;
			m.loads[m.load_count].offset = f->loads[i].offset;
			m.loads[m.load_count].vaddr = f->loads[i].vaddr;
			m.loads[m.load_count++].filesz = f->loads[i].filesz;
		}
	}
	say(r, &h, &m);
}

static void read_elf_module(struct reader *r, uint32_t module, const struct module_names *names)
{
	const struct symbol_module *m = &r->s->modules[module];
	struct elf_file f, debug;
	enum module_source source = FOUND_NOT;
	bool has_debug;
	int error = find_module(r, m, &f, &source);

	if (error) {
		say_module(r, module, error, source, NULL, false);
		return;
	}
	has_debug = !f.symtab.size && find_debug(r, m, &f, &debug);
	say_module(r, module, 0, source, &f, has_debug);
	module_names(names, &f, has_debug ? &debug : NULL);
	close(f.src.fd);
	if (has_debug)
		close(debug.src.fd);
}

static const uint8_t *own_vdso(void)
{
	/* The kernel tells it as a number. */
	return (const uint8_t *)getauxval(AT_SYSINFO_EHDR); /* NOLINT(performance-no-int-to-ptr) */
}

/* The kernel gives every process of our kind the same one; ours is read in place. */
static void read_vdso(struct reader *r, uint32_t module, const struct module_names *names)
{
	struct elf_source src = {.fd = -1, .mem = own_vdso(), .size = r->vdso_size};
	struct elf_file f;
	int error = src.mem && src.size ? elf_open(&f, &src) : -ENOENT;

	say_module(r, module, error, FOUND_SELF, error ? NULL : &f, false);
	if (!error)
		module_names(names, &f, NULL);
}

static uint64_t own_vdso_size(void)
{
	_cleanup_file_ FILE *maps = fopen("/proc/self/maps", "re");
	uint64_t at = getauxval(AT_SYSINFO_EHDR);
	char line[512];

	while (maps && fgets(line, sizeof(line), maps)) {
		char *p;
		uint64_t start = strtoull(line, &p, 16);

		if (start == at && *p == '-')
			return strtoull(p + 1, NULL, 16) - start;
	}
	return 0;
}

static void read_perf_map(struct reader *r, uint32_t module, const struct module_names *names)
{
	const struct symbol_module *m = &r->s->modules[module];
	struct elf_source text = {.fd = -1};
	int error;

	r->question = (struct open_question){.how = OPEN_PERF_MAP, .pid = m->pid};
	error = opener_ask(r->opener_fd, &r->question, &text.fd, &text.size);
	say_module(r, module, error, FOUND_ROOT, NULL, false);
	if (error)
		return;
	module_names_perf_map(names, &text);
	close(text.fd);
}

static void read_module(struct reader *r, uint32_t module, uint32_t count)
{
	uint64_t *offsets = malloc(count * sizeof(*offsets));
	struct module_names names = {
		.offsets = offsets, .count = count, .found = say_name, .ctx = r};

	r->has_last = false;
	if (!offsets)
		return;
	for (uint32_t i = 0; i < count; i++)
		offsets[i] = r->s->rows[r->order[r->first + i]].offset;
	switch (r->s->modules[module].kind) {
	case MODULE_ELF:
		read_elf_module(r, module, &names);
		break;
	case MODULE_VDSO:
		read_vdso(r, module, &names);
		break;
	case MODULE_ANON:
		read_perf_map(r, module, &names);
		break;
	case MODULE_KERNEL:
	case MODULE_KMODULE:
	case MODULE_BPF:
		break; /* kallsyms.c */
	}
	free(offsets);
}

_Noreturn void reader_run(const struct symbols *s, const uint32_t *order, uint32_t first,
			  int opener_fd, int out_fd)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (!r)
		_exit(1);
	*r = (struct reader){.s = s, .order = order, .opener_fd = opener_fd, .out_fd = out_fd};
	r->vdso_size = own_vdso_size();
	jail_enter();
	for (uint32_t i = 0; i < s->row_count;) {
		uint32_t module = s->rows[order[i]].module, end = i;

		while (end < s->row_count && s->rows[order[end]].module == module)
			end++;
		if (module >= first && s->modules[module].status == MODULE_UNREAD) {
			say(r, &(struct said){.kind = SAID_BEGIN, .index = module}, NULL);
			flush(r); /* so that it is known which one we are stuck in */
			r->first = i;
			read_module(r, module, end - i);
		}
		i = end;
	}
	say(r, &(struct said){.kind = SAID_END}, NULL);
	flush(r);
	_exit(0);
}
