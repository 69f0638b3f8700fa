/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * btf_cut IN OUT TYPE...: the named structures and enums of a kernel's type information, and what
 * stands inside them.  What they point to is void.  For fixtures: all of it takes megabytes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>

struct cut {
	const struct btf *in;
	struct btf *in_owned;
	struct btf *out;
	int *made; /* by type of in: type of out, 0: not yet */
	int pointer;
};

static void die(const char *what)
{
	fprintf(stderr, "btf_cut: %s\n", what);
	exit(1);
}

static int check(int id, const char *what)
{
	if (id < 0)
		die(what);
	return id;
}

static int copy_type(struct cut *c, uint32_t id);

static int copy_composite(struct cut *c, uint32_t id, const struct btf_type *t)
{
	const struct btf_member *m = btf_members(t);
	int n = btf_vlen(t), *types = calloc((size_t)n + 1, sizeof(*types)), made;

	/* What stands inside comes first: members are added to the last type only. */
	for (int i = 0; i < n; i++)
		types[i] = copy_type(c, m[i].type);
	made = btf_is_struct(t)
		       ? btf__add_struct(c->out, btf__name_by_offset(c->in, t->name_off), t->size)
		       : btf__add_union(c->out, btf__name_by_offset(c->in, t->name_off), t->size);
	check(made, "a structure");
	for (int i = 0; i < n; i++)
		check(btf__add_field(c->out, btf__name_by_offset(c->in, m[i].name_off), types[i],
				     btf_member_bit_offset(t, (uint32_t)i),
				     btf_member_bitfield_size(t, (uint32_t)i)),
		      "a member");
	free(types);
	return made;
}

static int copy_enum(struct cut *c, const struct btf_type *t)
{
	const struct btf_enum *v = btf_enum(t);
	int made = check(btf__add_enum(c->out, btf__name_by_offset(c->in, t->name_off), t->size),
			 "an enum");

	for (int i = 0; i < btf_vlen(t); i++)
		check(btf__add_enum_value(c->out, btf__name_by_offset(c->in, v[i].name_off),
					  v[i].val),
		      "an enumerator");
	return made;
}

static int copy_type(struct cut *c, uint32_t id)
{
	const struct btf_type *t = btf__type_by_id(c->in, id);
	const struct btf_array *a;

	if (!id || !t)
		return 0;
	if (c->made[id])
		return c->made[id];
	switch (btf_kind(t)) {
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		c->made[id] = copy_composite(c, id, t);
		break;
	case BTF_KIND_ENUM:
		c->made[id] = copy_enum(c, t);
		break;
	case BTF_KIND_INT:
		c->made[id] = check(btf__add_int(c->out, btf__name_by_offset(c->in, t->name_off),
						 t->size, btf_int_encoding(t)),
				    "an int");
		break;
	case BTF_KIND_ARRAY:
		a = btf_array(t);
		c->made[id] = check(btf__add_array(c->out, copy_type(c, a->index_type),
						   copy_type(c, a->type), a->nelems),
				    "an array");
		break;
	case BTF_KIND_PTR:
		c->made[id] = c->pointer;
		break;
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_CONST:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
		return c->made[id] = copy_type(c, t->type);
	default:
		die("a kind of type that has no business inside a structure");
	}
	return c->made[id];
}

int main(int argc, char **argv)
{
	struct cut c = {0};
	const void *data;
	uint32_t size;
	FILE *f;

	if (argc < 4)
		die("usage: btf_cut IN OUT TYPE...");
	c.in = c.in_owned = btf__parse(argv[1], NULL);
	c.out = btf__new_empty();
	if (!c.in || !c.out)
		die(argv[1]);
	c.made = calloc(btf__type_cnt(c.in), sizeof(*c.made));
	c.pointer = check(btf__add_ptr(c.out, 0), "a pointer");
	for (int i = 3; i < argc; i++) {
		int id = btf__find_by_name(c.in, argv[i]);

		if (id > 0)
			copy_type(&c, (uint32_t)id);
		else
			fprintf(stderr, "btf_cut: %s: not in this kernel\n", argv[i]);
	}
	data = btf__raw_data(c.out, &size);
	f = fopen(argv[2], "w");
	if (!f || fwrite(data, 1, size, f) != size || fclose(f))
		die(argv[2]);
	free(c.made);
	btf__free(c.in_owned);
	btf__free(c.out);
	return 0;
}
