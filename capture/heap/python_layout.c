/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which CPython it is, and what its memory looks like. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/cleanup.h"
#include "exports.h"
#include "python.h"
#include "python_private.h"

/*
 * pool_bits     12 up to 3.9; 14 with the radix tree of 3.10 (Objects/obmalloc.c, from 3.12 on
 *               Include/internal/pycore_obmalloc.h)
 * preheader     3.11: Py_TPFLAGS_MANAGED_DICT (1 << 4); 3.12: Py_TPFLAGS_PREHEADER, that and
 *               MANAGED_WEAKREF (1 << 3) (Include/object.h; _PyType_PreHeaderSize of
 *               Include/internal/pycore_object.h)
 * values        3.11: a pointer four words before the object; 3.12: three words before it, less
 *               one (_PyDictOrValues_GetValues); 3.13: inside the object
 * string_header 3.12 took `wstr` out of PyASCIIObject (Include/cpython/unicodeobject.h)
 * short_refcount  3.14: uint32_t ob_refcnt, uint16_t ob_overflow, uint16_t ob_flags
 * compact_keys  3.11 (struct _dictkeysobject of Include/internal/pycore_dict.h)
 */
static const struct python_layout layouts[] = {
	{8, 9, 12, 0, VALUES_NONE, 48, false, false},
	{10, 10, 14, 0, VALUES_NONE, 48, false, false},
	{11, 11, 14, 1 << 4, VALUES_POINTER, 48, false, true},
	{12, 12, 14, 3 << 3, VALUES_TAGGED, 40, false, true},
	{13, 13, 14, 3 << 3, VALUES_NONE, 40, false, true},
	{14, 14, 14, 3 << 3, VALUES_NONE, 40, true, true},
};

const struct python_layout *python_layout(unsigned minor)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		if (minor >= layouts[i].first && minor <= layouts[i].last)
			return &layouts[i];
	return NULL;
}

/* The N of "python3.N", "libpython3.N.so" and "NAME.cpython-3N-x86_64-linux-gnu.so"; 0: none. */
static unsigned minor_of_name(const char *name)
{
	const char *p = strstr(name, "python3.");
	unsigned minor = 0;

	if (p)
		p += strlen("python3.");
	else if ((p = strstr(name, ".cpython-3")))
		p += strlen(".cpython-3");
	else
		return 0;
	for (int i = 0; i < 2 && *p >= '0' && *p <= '9'; i++)
		minor = minor * 10 + (unsigned)(*p++ - '0');
	return minor;
}

/* Exports of the file that is mapped at this region, when it is CPython. */
static bool has_python(struct remote *r, const struct region *region, struct python *ret,
		       unsigned long *ret_version)
{
	struct exports e;
	uint64_t version;

	if (exports_open(&e, r, region->start) < 0)
		return false;
	ret->type_type = exports_find(&e, r, "PyType_Type");
	if (!ret->type_type)
		return false;
	ret->set_type = exports_find(&e, r, "PySet_Type");
	ret->frozenset_type = exports_find(&e, r, "PyFrozenSet_Type");
	ret->code_type = exports_find(&e, r, "PyCode_Type");
	ret->bytes_type = exports_find(&e, r, "PyBytes_Type");
	ret->text_type = exports_find(&e, r, "PyUnicode_Type");
	ret->runtime = exports_find(&e, r, "_PyRuntime");
	version = exports_find(&e, r, "Py_Version"); /* 3.11 and later: PY_VERSION_HEX */
	if (!version || !remote_get(r, version, ret_version, sizeof(*ret_version)))
		*ret_version = 0;
	return true;
}

/* `type` is its own type, and called so: in builds with another object header it is not. */
static bool usual_build(struct remote *r, uint64_t type_type)
{
	uint64_t words[4];
	char name[8] = "";

	return remote_get(r, type_type, words, sizeof(words)) && words[1] == type_type &&
	       remote_get(r, words[3], name, 5) && !strcmp(name, "type");
}

int python_find(struct python *ret, struct remote *r, const struct regions *regions, char *reason,
		size_t cap)
{
	struct python p = {0};
	unsigned long version = 0;
	unsigned named = 0;
	const char *last = "";
	bool found = false;

	for (size_t i = 0; i < regions->count; i++) {
		const struct region *x = &regions->rows[i];

		if (x->kind != REGION_FILE && x->kind != REGION_DATA)
			continue;
		if (strcmp(x->name, last) != 0 && minor_of_name(x->name))
			named = minor_of_name(x->name);
		if (!found && x->offset == 0 && x->readable && strcmp(x->name, last) != 0)
			found = has_python(r, x, &p, &version);
		last = x->name;
	}
	if (!found)
		return 0;
	p.minor = version >> 24 == 3 ? (unsigned)(version >> 16 & 0xff) : named;
	if (version)
		snprintf(p.version, sizeof(p.version), "3.%u.%u", p.minor,
			 (unsigned)(version >> 8 & 0xff));
	else if (p.minor)
		snprintf(p.version, sizeof(p.version), "3.%u", p.minor);
	p.layout = python_layout(p.minor);
	*ret = p;
	if (!p.minor)
		snprintf(reason, cap, "CPython of a version that its files do not name");
	else if (!p.layout)
		snprintf(reason, cap,
			 "CPython 3.%u: not a version that is understood (3.8 to 3.14)", p.minor);
	else if (!usual_build(r, p.type_type))
		snprintf(reason, cap,
			 "CPython %s: a build whose objects look different (free-threaded, or with "
			 "Py_TRACE_REFS)",
			 p.version);
	else
		return 1;
	return -ENOTSUP;
}
