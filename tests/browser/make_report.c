/* SPDX-License-Identifier: GPL-2.0-or-later */
/* make_report DIR: the pages that the browser lane looks at, from facts made by hand. */
#include "sample.h"
#include "sample_stacks.h"

static int to_file(void *ctx, const void *data, size_t len)
{
	return fwrite(data, 1, len, ctx) == len ? 0 : -1;
}

static void put(const char *dir, const char *name, const struct report *hosts, size_t count,
		int (*form)(const struct report *, size_t, report_write_fn, void *, struct err *))
{
	static const struct report_options options = {.top = 30};
	char path[4096];
	struct err e = {0};
	FILE *f;
	int r;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	if (!f) {
		perror(path);
		exit(1);
	}
	r = form ? form(hosts, count, to_file, f, &e)
		 : report_html(hosts, count, &options, to_file, f, &e);
	if (fclose(f) || r < 0) {
		fprintf(stderr, "make_report: %s: %s\n", path, e.text);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct sample rich, healthy, empty, big;
	struct report fleet[3];

	if (argc != 2) {
		fprintf(stderr, "usage: make_report DIR\n");
		return 2;
	}
	sample_rich(&rich, "web-07.example", 4000);
	sample_stacks(&rich, 0);
	sample_healthy(&healthy, "web-08.example");
	sample_empty(&empty);
	sample_rich(&big, "big-01.example", 200000);
	sample_stacks(&big, 200000);
	fleet[0] = healthy.report;
	fleet[1] = rich.report;
	fleet[2] = empty.report;
	put(argv[1], "rich.html", &rich.report, 1, NULL);
	put(argv[1], "rich.json", &rich.report, 1, report_json);
	put(argv[1], "rich.txt", &rich.report, 1, report_text);
	put(argv[1], "healthy.html", &healthy.report, 1, NULL);
	put(argv[1], "empty.html", &empty.report, 1, NULL);
	put(argv[1], "big.html", &big.report, 1, NULL);
	put(argv[1], "fleet.html", fleet, 3, NULL);
	put(argv[1], "fleet.json", fleet, 3, report_json);
	sample_destroy(&rich);
	sample_destroy(&healthy);
	sample_destroy(&empty);
	sample_destroy(&big);
	return 0;
}
