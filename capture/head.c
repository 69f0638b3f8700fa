/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/proc.h"
#include "base/sbuf.h"
#include "collectors/gather.h"
#include "head.h"
#include "redact.h"

/* include/linux/proc_ns.h: PROC_PID_INIT_INO, the inode of the first pid namespace. */
#define INIT_PID_NS 0xEFFFFFFCu

static void trim(char *s)
{
	s[strcspn(s, "\n")] = 0;
}

/* The first line of a file below the machine's root, or "". */
static void read_line(const struct sysroot *root, const char *path, char *out, size_t cap)
{
	char text[4096];

	out[0] = 0;
	if (gather_read(root, path, text, sizeof(text), NULL) <= 0)
		return;
	trim(text);
	snprintf(out, cap, "%s", text);
}

/* PRETTY_NAME of os-release(5): shell quoting, of which only quotes and backslashes matter. */
static void read_os(const struct sysroot *root, char *out, size_t cap)
{
	static const char *const paths[] = {"etc/os-release", "usr/lib/os-release"};
	char text[8192];
	struct sbuf b = {.p = out, .cap = cap};
	const char *line, *pos = NULL;

	sbuf_reset(&b);
	for (size_t i = 0; i < 2 && !pos; i++)
		if (gather_read(root, paths[i], text, sizeof(text), NULL) > 0)
			pos = text;
	for (line = pos; line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (strncmp(line, "PRETTY_NAME=", 12) != 0)
			continue;
		line += 12;
		char quote = *line == '"' || *line == '\'' ? *line++ : '\n';
		for (; *line && *line != quote && *line != '\n'; line++) {
			if (*line == '\\' && quote != '\'' && line[1])
				line++;
			sbuf_putc(&b, *line);
		}
		return;
	}
}

/* The kernel's build id, from the ELF notes it exports: what its BTF belongs to. */
static void read_build_id(const struct sysroot *root, char *out, size_t cap)
{
	union {
		char text[8192];
		Elf32_Nhdr aligned;
	} notes;
	size_t pos = 0;

	out[0] = 0;
	ssize_t got = gather_read(root, "sys/kernel/notes", notes.text, sizeof(notes.text), NULL);
	if (got <= 0)
		return;
	while (pos + sizeof(Elf32_Nhdr) <= (size_t)got) {
		Elf32_Nhdr n;
		size_t left = (size_t)got - pos - sizeof(n);

		memcpy(&n, notes.text + pos, sizeof(n));
		size_t name_len = ((size_t)n.n_namesz + 3) & ~(size_t)3;
		size_t desc_len = ((size_t)n.n_descsz + 3) & ~(size_t)3;
		if (name_len > left || desc_len > left - name_len)
			return;
		const char *name = notes.text + pos + sizeof(n);
		const unsigned char *desc = (const unsigned char *)name + name_len;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 && !memcmp(name, "GNU", 4)) {
			for (size_t i = 0; i < n.n_descsz && 2 * i + 3 <= cap; i++)
				snprintf(out + 2 * i, 3, "%02x", desc[i]);
			return;
		}
		pos += sizeof(n) + name_len + desc_len;
	}
}

/* "none [integrity] confidentiality": the one in brackets. */
static void read_lockdown(const struct sysroot *root, char *out, size_t cap)
{
	char text[128];

	snprintf(out, cap, "unknown");
	read_line(root, "sys/kernel/security/lockdown", text, sizeof(text));
	char *from = strchr(text, '['), *to = from ? strchr(from, ']') : NULL;
	if (!to)
		return;
	*to = 0;
	if (!strcmp(from + 1, "none") || !strcmp(from + 1, "integrity") ||
	    !strcmp(from + 1, "confidentiality"))
		snprintf(out, cap, "%s", from + 1);
}

static void read_capabilities(char *out, size_t cap)
{
	char text[8192];
	const char *p;

	out[0] = 0;
	if (read_file_at(AT_FDCWD, "/proc/self/status", text, sizeof(text)) <= 0)
		return;
	p = strstr(text, "\nCapEff:");
	if (!p)
		return;
	p += strlen("\nCapEff:");
	p += strspn(p, " \t");
	snprintf(out, cap, "%.*s", (int)strspn(p, "0123456789abcdef"), p);
}

/*
 * Are we inside a container?  The initial PID namespace has a fixed inode number
 * (include/linux/proc_ns.h).  A file such as /.dockerenv says only that the root file system was
 * once an image's, which is true of many virtual machines: it is asked only when the namespace
 * cannot be.  Of a recording nobody can say.
 */
static bool in_container(const struct sysroot *root)
{
	struct stat st;

	if (root->recorded)
		return false;
	if (!stat("/proc/self/ns/pid", &st))
		return st.st_ino != INIT_PID_NS;
	return !fstatat(root->root_fd, ".dockerenv", &st, 0) ||
	       !fstatat(root->root_fd, "run/.containerenv", &st, 0);
}

/* Our own command line without the program's name, as the redactor lets it pass. */
static void read_arguments(const struct capture_options *o, char *out, size_t cap)
{
	const struct redactor r = {.level = o->redact};
	char text[8192];
	uint64_t count = 0;
	struct sbuf b = {.p = out, .cap = cap};

	sbuf_reset(&b);
	ssize_t got = read_file_at(AT_FDCWD, "/proc/self/cmdline", text, sizeof(text) / 2);
	if (got == -E2BIG)
		got = sizeof(text) / 2 - 1;
	if (got <= 0)
		return;
	size_t len = redact_cmdline(&r, text, (size_t)got, sizeof(text), &count);
	size_t pos = strnlen(text, len) + 1;
	while (pos < len) {
		size_t n = strnlen(text + pos, len - pos);

		if (b.len)
			sbuf_putc(&b, ' ');
		sbuf_put(&b, text + pos, n);
		pos += n + 1;
	}
}

static uint32_t count_cpus(const struct sysroot *root)
{
	char text[4096];
	uint32_t n = 0;

	/* sysconf() asks the live machine; "0-3,8" is also in a recording. */
	read_line(root, "sys/devices/system/cpu/online", text, sizeof(text));
	for (char *p = text; *p;) {
		char *end;
		unsigned long a = strtoul(p, &end, 10), z = a;

		if (end == p)
			break;
		if (*end == '-')
			z = strtoul(end + 1, &end, 10);
		if (z < a || z > 65535)
			break;
		n += (uint32_t)(z - a + 1);
		p = *end == ',' ? end + 1 : end;
	}
	if (!n && !root->recorded)
		n = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	return n;
}

void host_facts_answer(const void *options, const struct sysroot *root, void *ret)
{
	struct host_facts *f = ret;
	struct utsname u = {0};

	uname(&u);
	read_line(root, "proc/sys/kernel/hostname", f->hostname, sizeof(f->hostname));
	read_line(root, "proc/sys/kernel/osrelease", f->kernel, sizeof(f->kernel));
	if (!root->recorded) {
		snprintf(f->hostname, sizeof(f->hostname), "%s", u.nodename);
		snprintf(f->kernel, sizeof(f->kernel), "%s", u.release);
	}
	/* A recording was made on a machine of an architecture that its files do not name. */
	if (!root->recorded)
		snprintf(f->arch, sizeof(f->arch), "%.31s", u.machine);
	read_os(root, f->os, sizeof(f->os));
	read_build_id(root, f->btf_id, sizeof(f->btf_id));
	read_lockdown(root, f->lockdown, sizeof(f->lockdown));
	read_capabilities(f->capabilities, sizeof(f->capabilities));
	read_arguments(options, f->arguments, sizeof(f->arguments));
	f->cpus = count_cpus(root);
	f->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	f->container = in_container(root);
}

static const char *memory_source_name(const struct capture_options *o)
{
	switch (o->memory_source) {
	case MEMORY_KCORE:
		return "kcore";
	case MEMORY_BPF:
		return "bpf";
	case MEMORY_CORE:
		return "core";
	case MEMORY_KPAGEFLAGS:
		return "kpageflags";
	case MEMORY_PROCFS:
		return "procfs";
	case MEMORY_AUTO:
		break;
	}
	return "auto";
}

static const char *redaction_name(enum capture_redact level)
{
	return level == REDACT_NONE ? "none" : level == REDACT_STRICT ? "strict" : "default";
}

#define COPY(field, text) snprintf(h->field, sizeof(h->field), "%s", text)

void head_fill(struct capture_head *h, const struct capture_options *o,
	       const struct host_facts *facts)
{
	COPY(tool, OSSNAP_VERSION);
	COPY(label, o->label ? o->label : "");
	COPY(ticket, o->ticket ? o->ticket : "");
	COPY(arguments, facts->arguments);
	h->version_major = BUNDLE_MAJOR;
	h->version_minor = BUNDLE_MINOR;
	h->duration_s = (double)o->duration_ns / 1e9;
	COPY(memory_source, memory_source_name(o));
	if (o->sample_one_in > 1)
		snprintf(h->sample, sizeof(h->sample), "1/%u", o->sample_one_in);
	else
		COPY(sample, o->sample_one_in ? "all" : "auto");
	h->max_size = o->max_size;
	h->max_memory = o->max_memory;
	h->min_free = o->min_free;
	h->max_cpu = o->max_cpu;
	h->euid = (uint32_t)geteuid();
	COPY(capabilities, facts->capabilities);
	COPY(lockdown, facts->lockdown[0] ? facts->lockdown : "unknown");
	COPY(hostname, facts->hostname);
	COPY(kernel, facts->kernel);
	COPY(os, facts->os);
	COPY(arch, facts->arch);
	COPY(btf_id, facts->btf_id);
	h->cpus = facts->cpus;
	h->page_size = facts->page_size;
	h->container = facts->container;
	COPY(redaction, redaction_name(o->redact));
}
