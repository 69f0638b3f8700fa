/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const sensitivities[] = {"low", "medium", "high"};

const char *sensitivity_name(enum sensitivity s)
{
	return sensitivities[s];
}

void config_init(struct config *c)
{
	memset(c, 0, sizeof(*c));
}

struct policy *config_policy(struct config *c, const char *name)
{
	struct policy *p;

	if (c->n_policies == CONFIG_POLICIES)
		return NULL;
	p = &c->policies[c->n_policies++];
	*p = (struct policy){.kind = SCOPE_NODE, .sensitivity = SENSITIVITY_MEDIUM};
	snprintf(p->name, sizeof(p->name), "%s", name);
	return p;
}

static int copy(char *to, size_t cap, const char *from, size_t len, const char *what, struct err *e)
{
	if (len == 0)
		return err_set(e, EINVAL, "scope: no %s", what);
	if (len >= cap)
		return err_set(e, ENAMETOOLONG, "scope: the %s is too long", what);
	memcpy(to, from, len);
	to[len] = '\0';
	return 0;
}

static bool climbs(const char *path)
{
	const char *at = path;

	while ((at = strstr(at, ".."))) {
		if ((at == path || at[-1] == '/') && (at[2] == '/' || at[2] == '\0'))
			return true;
		at += 2;
	}
	return false;
}

int config_scope(struct config *c, struct policy *p, const char *text, struct err *e)
{
	const char *slash;
	int r;

	p->scope_set = true;
	if (strcmp(text, "node") == 0) {
		p->kind = SCOPE_NODE;
		return 0;
	}
	if (strncmp(text, "cgroup:", 7) == 0) {
		p->kind = SCOPE_CGROUP;
		r = copy(p->where, sizeof(p->where), text + 7, strlen(text + 7), "path", e);
		if (r == 0 && climbs(p->where))
			r = err_set(e, EINVAL, "scope: %s: .. is not followed", text);
		for (size_t n = strlen(p->where); r == 0 && n > 1 && p->where[n - 1] == '/'; n--)
			p->where[n - 1] = '\0';
		return r;
	}
	if (strncmp(text, "pod:", 4) == 0) {
		p->kind = SCOPE_POD;
		slash = strchr(text + 4, '/');
		if (!slash)
			return err_set(e, EINVAL, "scope: %s: expected pod:NAMESPACE/PATTERN",
				       text);
		r = copy(p->where, sizeof(p->where), text + 4, (size_t)(slash - text - 4),
			 "namespace", e);
		if (r < 0)
			return r;
		r = pattern_add(&c->pool, slash + 1, e);
		if (r < 0)
			return r;
		p->pod = (uint16_t)r;
		return 0;
	}
	return err_set(e, EINVAL,
		       "scope: %.200s: expected node, cgroup:PATH or pod:NAMESPACE/PATTERN", text);
}

int config_sensitivity(const char *text, enum sensitivity *ret, struct err *e)
{
	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(text, sensitivities[i]) == 0) {
			*ret = (enum sensitivity)i;
			return 0;
		}
	}
	return err_set(e, EINVAL, "sensitivity: %.100s: expected low, medium or high", text);
}

int config_pattern(struct config *c, uint8_t *list, uint8_t *n, const char *text, struct err *e)
{
	int r;

	if (*n == CONFIG_LIST)
		return err_set(e, E2BIG, "more than %d patterns in one list", CONFIG_LIST);
	r = pattern_add(&c->pool, text, e);
	if (r < 0)
		return r;
	list[(*n)++] = (uint8_t)r;
	return 0;
}

static int yes_no(const char *key, const char *value, bool *ret, struct err *e)
{
	if (strcmp(value, "yes") == 0)
		*ret = true;
	else if (strcmp(value, "no") == 0)
		*ret = false;
	else
		return err_set(e, EINVAL, "%s: %.100s: expected yes or no", key, value);
	return 0;
}

static int global_key(struct config *c, const char *key, const char *value, struct err *e)
{
	if (strcmp(key, "dry-run") == 0)
		return yes_no(key, value, &c->dry_run, e);
	if (strcmp(key, "journal") == 0) {
		if (!*value || strlen(value) >= sizeof(c->journal))
			return err_set(e, EINVAL, "journal: a path of 1 to 255 bytes");
		snprintf(c->journal, sizeof(c->journal), "%s", value);
		return 0;
	}
	return err_set(e, EINVAL, "%.100s: no such key before the first [policy]", key);
}

static int policy_key(struct config *c, struct policy *p, const char *key, const char *value,
		      struct err *e)
{
	if (strcmp(key, "scope") == 0)
		return config_scope(c, p, value, e);
	if (strcmp(key, "sensitivity") == 0)
		return config_sensitivity(value, &p->sensitivity, e);
	if (strcmp(key, "prefer") == 0)
		return config_pattern(c, p->prefer, &p->n_prefer, value, e);
	if (strcmp(key, "avoid") == 0)
		return config_pattern(c, p->avoid, &p->n_avoid, value, e);
	if (strcmp(key, "group") == 0)
		return yes_no(key, value, &p->group, e);
	if (strcmp(key, "spare-pid1") == 0)
		return yes_no(key, value, &p->spare_pid1, e);
	return err_set(e, EINVAL, "%.100s: no such key in a policy", key);
}

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t\r");
	n = strlen(s);
	while (n && strchr(" \t\r", s[n - 1]))
		s[--n] = '\0';
	return s;
}

static int parse_line(struct config *c, struct policy **p, char *line, struct err *e)
{
	char *value;
	size_t n;

	line = trim(line);
	if (!*line || *line == '#')
		return 0;
	if (*line == '[') {
		n = strlen(line);
		if (line[n - 1] != ']' || n < 3 || n > sizeof((*p)->name))
			return err_set(e, EINVAL, "%.60s: expected [NAME], NAME up to 30 bytes",
				       line);
		line[n - 1] = '\0';
		*p = config_policy(c, line + 1);
		return *p ? 0 : err_set(e, E2BIG, "more than %d policies", CONFIG_POLICIES);
	}
	value = strchr(line, '=');
	if (!value)
		return err_set(e, EINVAL, "%.100s: expected KEY = VALUE", line);
	*value++ = '\0';
	line = trim(line);
	value = trim(value);
	return *p ? policy_key(c, *p, line, value, e) : global_key(c, line, value, e);
}

int config_parse(struct config *c, const char *text, size_t len, const char *file,
		 config_line_fn each, void *ctx, struct err *e)
{
	struct policy *p = NULL;
	const char *end = text + len;
	unsigned number = 0;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((newline ? newline : end) - text);
		struct err why = {0};
		char line[512], said[512];
		int r;

		number++;
		if (n >= sizeof(line))
			return err_set(e, E2BIG, "%s:%u: longer than %zu bytes", file, number,
				       sizeof(line) - 1);
		memcpy(line, text, n);
		line[n] = '\0';
		memcpy(said, line, n + 1);
		r = strlen(line) == n ? parse_line(c, &p, line, &why)
				      : err_set(&why, EINVAL, "a NUL byte");
		if (r < 0)
			return err_set(e, -r, "%s:%u: %s", file, number, why.text);
		if (each && *trim(said) && *trim(said) != '#')
			each(ctx, number, trim(said), p);
		text += n + 1;
	}
	for (unsigned i = 0; i < c->n_policies; i++) {
		if (!c->policies[i].scope_set)
			return err_set(e, EINVAL, "%s: [%s]: no scope", file, c->policies[i].name);
	}
	return 0;
}
