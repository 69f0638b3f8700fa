/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "options_table.h"

#include <stdio.h>
#include <string.h>

static void print_row(const struct option_row *row)
{
	char left[48];
	const char *line = row->help;
	int n;

	n = snprintf(left, sizeof(left), "  %c%c%s --%s%s%s", row->letter ? '-' : ' ',
		     row->letter ? row->letter : ' ', row->letter ? "," : " ", row->name,
		     row->arg[0] && row->arg[0] != '[' ? " " : "", row->arg);
	printf("%s", left);
	for (;;) {
		size_t len = strcspn(line, "\n");

		printf("%*s%.*s\n", n < 29 ? 29 - n : 1, "", (int)len, line);
		if (!line[len])
			return;
		line += len + 1;
		n = 0;
	}
}

int option_help(struct option_parser *p, const char *name, const char *value)
{
	printf("Usage: ossnap-capture [OPTIONS]          capture this machine into one .tar.zst\n"
	       "       ossnap-capture [OPTIONS] check    what can run here, and the budgets\n"
	       "       ossnap-capture list               the collectors\n"
	       "       ossnap-capture verify FILE        is the archive whole?\n"
	       "\n"
	       "Options:\n");
	for (size_t i = 0; i < OPTION_ROWS; i++) {
		if (option_rows[i].set)
			print_row(&option_rows[i]);
	}
	printf("\nNot in this version (" OSSNAP_VERSION "), refused:\n");
	for (size_t i = 0; i < OPTION_ROWS; i++) {
		if (!option_rows[i].set)
			print_row(&option_rows[i]);
	}
	printf("\n"
	       "Standard output carries the archive's path; progress and problems go to\n"
	       "standard error.  A first Ctrl-C ends the window and writes what there is.\n"
	       "\n"
	       "Exit: 0 complete, 2 usage, 3 archive written but partial, 4 no archive,\n"
	       "5 refused before starting, 128+signal interrupted and archive written.\n"
	       "verify: 0 whole, 3 damaged or partial, 4 not an archive.\n"
	       "check: 0 all collectors can run, 3 some cannot.\n");
	return 1;
}

int option_version(struct option_parser *p, const char *name, const char *value)
{
	printf("ossnap-capture " OSSNAP_VERSION "\n");
	return 1;
}
