/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packs for shell scripts, from standard input: "unpack -l" lists "NAME LENGTH ERRNO", "unpack -d
 * DIR" writes each entry to DIR/NAME (a later one replaces an earlier one), "unpack NAME" prints
 * the last entry of that name.  Written from the format's description, not with its reader.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *all; /* standard input: for as long as the program runs */

static char *read_all(size_t *ret_len)
{
	size_t cap = 1 << 20, len = 0;
	char *p = malloc(cap);
	ssize_t n;

	while (p && (n = read(0, p + len, cap - 1 - len)) > 0) {
		len += (size_t)n;
		if (len + 1 == cap)
			p = realloc(p, cap *= 2);
	}
	if (p)
		p[len] = 0;
	*ret_len = len;
	return p;
}

static int write_entry(const char *dir, const char *name, const char *data, size_t len)
{
	char path[8192];
	FILE *f;

	if (strstr(name, "..") || snprintf(path, sizeof(path), "%s/%s", dir, name) >= 8192)
		return -1;
	mkdir(dir, 0700);
	for (char *p = path + strlen(dir) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(path, 0700);
		*p = '/';
	}
	f = fopen(path, "w");
	if (!f || fwrite(data, 1, len, f) != len || fclose(f)) {
		fprintf(stderr, "unpack: %s: %s\n", path, strerror(errno));
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *found = NULL;
	size_t size, found_len = 0;
	char *p, *end;

	all = read_all(&size);
	if (argc < 2 || !all)
		return 2;
	p = all;
	end = all + size;
	while (p < end) {
		size_t name_len, data_len;
		char name[8192], *number = p + 1;
		long no;

		/* Not sscanf: it takes the length of all that is left, each time. */
		name_len = strtoul(number, &number, 10);
		data_len = strtoul(number, &number, 10);
		no = strtol(number, &number, 10);
		if (*p != '@' || *number++ != '\n' || name_len >= sizeof(name) ||
		    (size_t)(end - number) < name_len + data_len + 2) {
			fprintf(stderr, "unpack: malformed at byte %td\n", p - all);
			return 1;
		}
		p = number;
		memcpy(name, p, name_len);
		name[name_len] = 0;
		p += name_len + 1;
		if (!strcmp(argv[1], "-l"))
			printf("%s %zu %ld\n", name, data_len, no);
		else if (!strcmp(argv[1], "-d") && write_entry(argv[2], name, p, data_len))
			return 1;
		else if (!strcmp(argv[1], name)) {
			found = p;
			found_len = data_len;
		}
		p += data_len;
		if (*p++ != '\n')
			return 1;
	}
	if (argv[1][0] == '-')
		return 0;
	if (!found)
		return 1;
	fwrite(found, 1, found_len, stdout);
	return 0;
}
