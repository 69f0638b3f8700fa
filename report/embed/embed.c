/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Build tool: embed OUTPUT.c FILE...  Each file becomes a row of the assets table, with the
 * SHA-256 of its bytes in the form a content security policy wants.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/base64.h>
#include <nettle/sha2.h>

static int slurp(const char *path, unsigned char **ret, size_t *ret_len)
{
	FILE *f = fopen(path, "rbe");
	unsigned char *data = NULL;
	size_t len = 0, cap = 0;

	if (!f)
		return -errno;
	for (;;) {
		if (len == cap) {
			unsigned char *grown = realloc(data, cap = cap ? cap * 2 : 65536);

			if (!grown)
				abort();
			data = grown;
		}
		size_t n = fread(data + len, 1, cap - len, f);

		if (!n)
			break;
		len += n;
	}
	fclose(f);
	*ret = data;
	*ret_len = len;
	return 0;
}

static void embed(FILE *out, unsigned n, const char *path)
{
	struct sha256_ctx sha;
	uint8_t digest[SHA256_DIGEST_SIZE];
	char base64[BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE) + 1];
	unsigned char *data = NULL;
	const char *name = strrchr(path, '/');
	size_t len = 0;
	int r = slurp(path, &data, &len);

	if (r < 0) {
		fprintf(stderr, "embed: %s: %s\n", path, strerror(-r));
		exit(1);
	}
	sha256_init(&sha);
	sha256_update(&sha, len, data);
	sha256_digest(&sha, sizeof(digest), digest);
	base64_encode_raw(base64, sizeof(digest), digest);
	base64[sizeof(base64) - 1] = '\0';

	fprintf(out, "static const char data_%u[] = {", n);
	for (size_t i = 0; i < len; i++)
		fprintf(out, "%s%d,", i % 20 ? "" : "\n", (signed char)data[i]);
	fprintf(out, "0};\n#define ROW_%u {\"%s\", data_%u, %zu, \"sha256-%s\"}\n", n,
		name ? name + 1 : path, n, len, base64);
	free(data);
}

int main(int argc, char **argv)
{
	FILE *out;

	if (argc < 3) {
		fprintf(stderr, "usage: embed OUTPUT.c FILE...\n");
		return 2;
	}
	out = fopen(argv[1], "we");
	if (!out) {
		fprintf(stderr, "embed: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	fprintf(out, "/* Made by report/embed/embed.c. */\n#include \"report/assets.h\"\n");
	for (int i = 2; i < argc; i++)
		embed(out, i, argv[i]);
	fprintf(out, "const struct asset assets[] = {\n");
	for (int i = 2; i < argc; i++)
		fprintf(out, "\tROW_%d,\n", i);
	fprintf(out, "\t{0},\n};\n");
	if (fclose(out)) {
		fprintf(stderr, "embed: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	return 0;
}
