/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "site.h"

#include <ctype.h>
#include <string.h>

#include "../capture/base/cleanup.h"

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* Files whose functions serve whoever calls them. */
static bool is_library(const char *module)
{
	static const char *const names[] = {
		"libc.so",   "libc-",	   "ld-linux",	  "ld-musl",	 "libstdc++.so",
		"libc++.so", "libc++abi",  "libjemalloc", "libtcmalloc", "libmimalloc",
		"libm.so",   "libpthread", "libgcc_s",	  "linux-vdso",	 "[vdso]",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (begins(module, names[i]))
			return true;
	return false;
}

/* The same, linked into the program. */
static bool is_allocation(const char *function)
{
	static const char *const whole[] = {
		"malloc",	 "calloc", "realloc",  "reallocarray", "posix_memalign",
		"aligned_alloc", "valloc", "memalign", "pvalloc",      "mmap",
		"mmap64",	 "brk",	   "sbrk",     "strdup",       "strndup",
		"memset",	 "memcpy", "memmove",  "bzero",	       "sysmalloc",
	};
	static const char *const starts[] = {
		"operator new", "__libc_", "__mem", "_int_",   "__GI_",
		"je_",		"tc_",	   "_mid_", "tcache_", "do_anonymous",
	};

	for (size_t i = 0; i < ARRAY_SIZE(whole); i++)
		if (!strcmp(function, whole[i]))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		if (begins(function, starts[i]))
			return true;
	return false;
}

/* Behind "decltype (" stands no parameter list, and behind "(anonymous namespace)" neither. */
static bool is_parameters(const char *name, const char *p)
{
	const char *end = p;

	while (end > name && end[-1] == ' ')
		end--;
	return !(end - name >= 8 && begins(end - 8, "decltype")) &&
	       !begins(p, "(anonymous namespace)");
}

/* "operator<", "operator()", "operator bool": what follows is part of the name. */
static bool is_operator(const char *name, const char *p)
{
	return begins(p, "operator") && (p == name || p[-1] == ':' || p[-1] == ' ') &&
	       !isalnum((unsigned char)p[8]) && p[8] != '_';
}

/* The qualified name of a demangled function: behind its return type, which templates have. */
static const char *own_name(const char *function)
{
	const char *own = function;
	int depth = 0;

	for (const char *p = function; *p; p++) {
		if (!depth && is_operator(function, p))
			break;
		if (*p == '<' || *p == '{' || *p == '(') {
			if (*p == '(' && !depth && is_parameters(function, p))
				break;
			depth++;
		} else if (*p == '}' || *p == ')' || (*p == '>' && p > function && p[-1] != '-')) {
			depth -= depth > 0;
		} else if (*p == ' ' && !depth && p[1] != '[' &&
			   !(p[1] == '(' && is_parameters(function, p + 1))) {
			own = p + 1;
		}
	}
	return own;
}

/*
 * Of the C++ library's templates, which are compiled into the program: "void
 * std::vector<Order>::_M_realloc_insert<Order>(…)".  What it returns, takes and is made of is not
 * who it is: "std::shared_ptr<Order> make_order<Order>(int)" is the program's.
 */
static bool is_template_glue(const char *function)
{
	const char *own = own_name(function);

	return begins(own, "std::") || begins(own, "__gnu_cxx::");
}

/* A program's own layer above malloc: its caller is who wants the memory. */
static bool is_wrapper(const char *function)
{
	return strcasestr(function, "alloc") != NULL;
}

static uint32_t above(const struct hotspot *h, const struct hot_stack *k, uint32_t i)
{
	return i > 0 ? h->frames[k->first + i - 1] : UINT32_MAX;
}

/* The innermost frame of Python below place i (from 1), or 0. */
static uint32_t python_below(const struct hotspot *h, const struct hot_stack *k, uint32_t i)
{
	for (; i > 0; i--) {
		const struct hot_name *name = &h->names[above(h, k, i)];

		if (name->python && name->function[0] != '[')
			return i;
	}
	return 0;
}

struct site site_of_stack(const struct hotspot *h, const struct hot_stack *k)
{
	struct site second = {UINT32_MAX, UINT32_MAX};
	uint32_t python = python_below(h, k, k->count);

	/* What the interpreter does inside is the program's doing. */
	if (python)
		return (struct site){above(h, k, python),
				     above(h, k, python_below(h, k, python - 1))};
	for (uint32_t i = k->count; i > 0; i--) {
		struct site here = {above(h, k, i), above(h, k, i - 1)};
		const struct hot_name *name = &h->names[here.name];

		if (name->kernel || is_library(name->module) || name->function[0] == '[' ||
		    is_allocation(name->function) || is_template_glue(name->function))
			continue;
		if (!is_wrapper(name->function))
			return here;
		if (second.name == UINT32_MAX)
			second = here;
	}
	return second;
}
