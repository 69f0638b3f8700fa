/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pattern.h"

#include <errno.h>
#include <string.h>

enum kind { BYTE, ANY, CLASS, BEGIN, END, OR };
enum quantity { ONE, OPTIONAL, STAR, PLUS };

static int add_class(struct pattern_pool *p, const char **at, uint8_t *ret, struct err *e)
{
	const char *s = *at;
	uint8_t *set;
	bool invert = *s == '^';

	if (p->n_classes == PATTERN_CLASSES)
		return err_set(e, E2BIG, "more than %d classes in all patterns", PATTERN_CLASSES);
	set = p->classes[p->n_classes];
	memset(set, 0, 32);
	if (invert)
		s++;
	/* As everywhere, a ] that comes first stands for itself. */
	for (const char *start = s; *s && (*s != ']' || s == start); s++) {
		unsigned low, high;

		if (*s == '\\' && s[1])
			s++;
		low = high = (unsigned char)*s;
		if (s[1] == '-' && s[2] && s[2] != ']') {
			s += 2;
			if (*s == '\\' && s[1])
				s++;
			high = (unsigned char)*s;
		}
		if (low > high)
			return err_set(e, EINVAL, "a range in [] runs backwards");
		for (unsigned c = low; c <= high; c++)
			set[c / 8] |= (uint8_t)(1U << c % 8);
	}
	if (*s != ']')
		return err_set(e, EINVAL, "[ without its ]");
	if (invert) {
		for (unsigned i = 0; i < 32; i++)
			set[i] = (uint8_t)~set[i];
	}
	*ret = (uint8_t)p->n_classes++;
	*at = s + 1;
	return 0;
}

/* The atom at *at. */
static int one_atom(struct pattern_pool *p, const char **at, struct pattern_atom *ret,
		    struct err *e)
{
	const char *s = *at;

	*ret = (struct pattern_atom){.kind = BYTE, .quantity = ONE, .arg = (uint8_t)*s};
	*at = s + 1;
	switch (*s) {
	case '.':
		ret->kind = ANY;
		break;
	case '^':
		ret->kind = BEGIN;
		break;
	case '$':
		ret->kind = END;
		break;
	case '|':
		ret->kind = OR;
		break;
	case '[':
		ret->kind = CLASS;
		return add_class(p, at, &ret->arg, e);
	case '*':
	case '+':
	case '?':
		return err_set(e, EINVAL, "%c with nothing to repeat", *s);
	case '\\':
		if (!s[1])
			return err_set(e, EINVAL, "a \\ at the end");
		ret->arg = (uint8_t)s[1];
		*at = s + 2;
		break;
	default:
		break;
	}
	return 0;
}

static int compile(struct pattern_pool *p, const char *text, unsigned first, struct err *e)
{
	unsigned n = 0, in_alternative = 0;
	int r;

	while (*text) {
		struct pattern_atom a;

		if (first + n + 1 >= PATTERN_ATOMS || n == PATTERN_LONGEST)
			return err_set(e, E2BIG, "too long");
		r = one_atom(p, &text, &a, e);
		if (r < 0)
			return r;
		if (a.kind == OR) {
			if (!in_alternative)
				return err_set(e, EINVAL,
					       "an empty alternative matches everything");
			in_alternative = 0;
		} else {
			in_alternative++;
		}
		if (*text == '*' || *text == '+' || *text == '?') {
			if (a.kind == OR || a.kind == BEGIN || a.kind == END)
				return err_set(e, EINVAL, "%c with nothing to repeat", *text);
			a.quantity = *text == '*' ? STAR : *text == '+' ? PLUS : OPTIONAL;
			text++;
		}
		p->atoms[first + n++] = a;
	}
	if (!in_alternative)
		return err_set(e, EINVAL, "an empty %s matches everything",
			       n ? "alternative" : "pattern");
	p->atoms[first + n++] = (struct pattern_atom){.kind = OR};
	return (int)n;
}

int pattern_add(struct pattern_pool *p, const char *text, struct err *e)
{
	size_t len = strlen(text) + 1;
	uint16_t classes = p->n_classes;
	int n;

	if (p->n_patterns == PATTERN_MAX || p->texts_len + len > sizeof(p->texts))
		return err_set(e, E2BIG, "more than %d patterns, or too long ones", PATTERN_MAX);
	n = compile(p, text, p->n_atoms, e);
	if (n < 0) {
		p->n_classes = classes;
		return n;
	}
	p->patterns[p->n_patterns].first = p->n_atoms;
	p->patterns[p->n_patterns].count = (uint16_t)n;
	p->patterns[p->n_patterns].text = p->texts_len;
	memcpy(p->texts + p->texts_len, text, len);
	p->texts_len = (uint16_t)(p->texts_len + len);
	p->n_atoms = (uint16_t)(p->n_atoms + n);
	return p->n_patterns++;
}

static bool fits(const struct pattern_pool *p, const struct pattern_atom *a, unsigned char c)
{
	switch (a->kind) {
	case BYTE:
		return a->arg == c;
	case ANY:
		return true;
	case CLASS:
		return p->classes[a->arg][c / 8] & (1U << c % 8);
	default:
		return false;
	}
}

/* on[k]: the text so far leads to before atom k.  What consumes nothing only leads forward, so
 * one pass in order is enough. */
static bool follow(const struct pattern_atom *atoms, unsigned n, uint8_t *on, size_t pos,
		   size_t len)
{
	for (unsigned k = 0; k < n; k++) {
		if (!on[k])
			continue;
		if (atoms[k].kind == OR)
			return true;
		if ((atoms[k].kind == BEGIN && pos == 0) || (atoms[k].kind == END && pos == len) ||
		    atoms[k].quantity == OPTIONAL || atoms[k].quantity == STAR)
			on[k + 1] = 1;
	}
	return false;
}

bool pattern_match(const struct pattern_pool *p, unsigned index, const char *text, size_t len)
{
	const struct pattern_atom *atoms = p->atoms + p->patterns[index].first;
	unsigned n = p->patterns[index].count;
	uint8_t sets[2][PATTERN_LONGEST + 2] = {0};

	for (size_t pos = 0;; pos++) {
		uint8_t *on = sets[pos % 2], *next = sets[(pos + 1) % 2];

		on[0] = 1;
		for (unsigned k = 0; k + 1 < n; k++) {
			if (atoms[k].kind == OR)
				on[k + 1] = 1;
		}
		if (follow(atoms, n, on, pos, len))
			return true;
		if (pos == len)
			return false;
		memset(next, 0, n + 1);
		for (unsigned k = 0; k < n; k++) {
			if (!on[k] || !fits(p, &atoms[k], (unsigned char)text[pos]))
				continue;
			if (atoms[k].quantity == STAR || atoms[k].quantity == PLUS)
				next[k] = 1;
			if (atoms[k].quantity != STAR)
				next[k + 1] = 1;
		}
	}
}

const char *pattern_text(const struct pattern_pool *p, unsigned index)
{
	return p->texts + p->patterns[index].text;
}
