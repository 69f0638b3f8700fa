/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "../base/sysroot.h"
#include "../base/units.h"

enum {
	OPT_SENSITIVITY = 256,
	OPT_SCOPE,
	OPT_PREFER,
	OPT_AVOID,
	OPT_GROUP,
	OPT_SPARE_PID1,
	OPT_DRY_RUN,
	OPT_DURATION,
	OPT_JOURNAL,
	OPT_TRACE,
	OPT_CHECK,
	OPT_VERSION
};

void options_help(void)
{
	puts("Usage: fastoom [OPTIONS]\n"
	     "Kill the right process before the machine, a cgroup or a pod runs out of memory, "
	     "and\n"
	     "record why.\n\n"
	     "  -c, --config FILE        policies to follow\n"
	     "      --scope SCOPE        node (default), cgroup:PATH, pod:NAMESPACE/PATTERN;\n"
	     "                           repeatable\n"
	     "      --sensitivity LEVEL  high acts early, low close to the kernel's own limit\n"
	     "                           (default medium)\n"
	     "      --prefer PATTERN     goes before others; repeatable, the first is first to go\n"
	     "      --avoid PATTERN      never dies; repeatable\n"
	     "      --group              the victim's process group dies with it, within the "
	     "scope\n"
	     "      --spare-pid1         the first process of a pod never dies\n"
	     "      --dry-run            decide and record, signal nobody\n"
	     "      --duration TIME      stop after TIME (10s, 5m, 24h)\n"
	     "      --journal FILE       default " OPTIONS_JOURNAL "; - is standard output\n"
	     "      --trace FILE         also every reading as a line of numbers, to fit the model "
	     "to\n"
	     "      --check              explain the configuration, show who would die now and "
	     "why,\n"
	     "                           and who never; then stop\n"
	     "  -h, --help\n"
	     "      --version\n\n"
	     "PATTERN is looked for in a process's name, arguments, executable path and cgroup "
	     "path:\n"
	     ". * + ? [] ^ $ | and \\ before any of them; parentheses are ordinary characters.\n\n"
	     "Exit: 0 ended as asked, 2 usage or configuration, 4 cannot run here.");
}

static int push(const char **list, unsigned *n, unsigned max, const char *what, struct err *e)
{
	if (*n == max)
		return err_set(e, E2BIG, "--%s: more than %u", what, max);
	list[(*n)++] = optarg;
	return 0;
}

static int one_option(int opt, struct options *o, struct err *e)
{
	switch (opt) {
	case 'c':
		o->config_path = optarg;
		return 0;
	case 'h':
		o->help = true;
		return 0;
	case OPT_VERSION:
		o->version = true;
		return 0;
	case OPT_SENSITIVITY:
		o->sensitivity = optarg;
		return 0;
	case OPT_SCOPE:
		return push(o->scopes, &o->n_scopes, CONFIG_POLICIES, "scope", e);
	case OPT_PREFER:
		return push(o->prefer, &o->n_prefer, CONFIG_LIST, "prefer", e);
	case OPT_AVOID:
		return push(o->avoid, &o->n_avoid, CONFIG_LIST, "avoid", e);
	case OPT_GROUP:
		o->group = true;
		return 0;
	case OPT_SPARE_PID1:
		o->spare_pid1 = true;
		return 0;
	case OPT_DRY_RUN:
		o->dry_run = true;
		return 0;
	case OPT_CHECK:
		o->check = true;
		return 0;
	case OPT_JOURNAL:
		o->journal = optarg;
		if (!*optarg || strlen(optarg) > 255)
			return err_set(e, EINVAL, "--journal: a path of 1 to 255 bytes");
		return 0;
	case OPT_TRACE:
		o->trace = optarg;
		return 0;
	case OPT_DURATION:
		if (parse_duration_ns(optarg, &o->duration_ns) < 0 || !o->duration_ns)
			return err_set(e, EINVAL, "--duration: %.60s: not a time (10s, 5m, 24h)",
				       optarg);
		return 0;
	default:
		return err_set(e, EINVAL, "see fastoom --help");
	}
}

int options_parse(int argc, char **argv, struct options *ret, struct err *e)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"sensitivity", required_argument, NULL, OPT_SENSITIVITY},
		{"scope", required_argument, NULL, OPT_SCOPE},
		{"prefer", required_argument, NULL, OPT_PREFER},
		{"avoid", required_argument, NULL, OPT_AVOID},
		{"group", no_argument, NULL, OPT_GROUP},
		{"spare-pid1", no_argument, NULL, OPT_SPARE_PID1},
		{"dry-run", no_argument, NULL, OPT_DRY_RUN},
		{"duration", required_argument, NULL, OPT_DURATION},
		{"journal", required_argument, NULL, OPT_JOURNAL},
		{"trace", required_argument, NULL, OPT_TRACE},
		{"check", no_argument, NULL, OPT_CHECK},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, OPT_VERSION},
		{NULL, 0, NULL, 0},
	};
	struct options o = {0};
	int opt, r;

	optind = 1;
	while ((opt = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
		r = one_option(opt, &o, e);
		if (r < 0)
			return r;
	}
	if (optind < argc)
		return err_set(e, EINVAL, "%.100s: no such argument", argv[optind]);
	*ret = o;
	return 0;
}

int options_read(const struct options *o, char *buf, size_t cap, struct err *e)
{
	ssize_t n = read_file_at(AT_FDCWD, o->config_path, buf, cap);

	if (n == -E2BIG)
		return err_set(e, E2BIG, "%s: longer than %zu bytes", o->config_path, cap - 1);
	if (n < 0)
		return err_errno(e, (int)n, o->config_path);
	return (int)n;
}

static int add_list(struct config *c, uint8_t *list, uint8_t *n, const char *const *texts,
		    unsigned count, const char *option, struct err *e)
{
	for (unsigned i = 0; i < count; i++) {
		struct err why = {0};
		int r = config_pattern(c, list, n, texts[i], &why);

		if (r < 0)
			return err_set(e, -r, "--%s '%.100s': %s", option, texts[i], why.text);
	}
	return 0;
}

/* What the command line names comes before what the file names. */
static int over_policy(const struct options *o, struct config *c, struct policy *p, struct err *e)
{
	struct policy file = *p;
	int r;

	p->n_prefer = p->n_avoid = 0;
	r = add_list(c, p->prefer, &p->n_prefer, o->prefer, o->n_prefer, "prefer", e);
	if (r == 0)
		r = add_list(c, p->avoid, &p->n_avoid, o->avoid, o->n_avoid, "avoid", e);
	if (r < 0)
		return r;
	if (p->n_prefer + file.n_prefer > CONFIG_LIST || p->n_avoid + file.n_avoid > CONFIG_LIST)
		return err_set(e, E2BIG,
			       "[%s]: more than %d patterns with those of the command line",
			       p->name, CONFIG_LIST);
	memcpy(p->prefer + p->n_prefer, file.prefer, file.n_prefer);
	memcpy(p->avoid + p->n_avoid, file.avoid, file.n_avoid);
	p->n_prefer = (uint8_t)(p->n_prefer + file.n_prefer);
	p->n_avoid = (uint8_t)(p->n_avoid + file.n_avoid);
	p->group |= o->group;
	p->spare_pid1 |= o->spare_pid1;
	return o->sensitivity ? config_sensitivity(o->sensitivity, &p->sensitivity, e) : 0;
}

int options_config(const struct options *o, const char *text, size_t len, struct config *c,
		   struct err *e)
{
	int r = 0;

	config_init(c);
	if (text)
		r = config_parse(c, text, len, o->config_path, o->each_line, c, e);
	for (unsigned i = 0; r == 0 && i < o->n_scopes; i++) {
		struct policy *p = config_policy(c, "command line");

		if (!p)
			return err_set(e, E2BIG, "--scope: more than %d policies", CONFIG_POLICIES);
		r = config_scope(c, p, o->scopes[i], e);
	}
	if (r == 0 && c->n_policies == 0)
		config_policy(c, "default")->scope_set = true;
	for (unsigned i = 0; r == 0 && i < c->n_policies; i++)
		r = over_policy(o, c, &c->policies[i], e);
	if (r < 0)
		return r;
	c->dry_run |= o->dry_run;
	if (o->journal)
		snprintf(c->journal, sizeof(c->journal), "%s", o->journal);
	else if (!c->journal[0])
		snprintf(c->journal, sizeof(c->journal), "%s", OPTIONS_JOURNAL);
	return 0;
}
