/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * heap_user MODE MIB: a C program that uses its heap as tests need it, says "ready" with what
 * mallinfo2() counts ("USED FREE" bytes of all arenas), then goes on until it is killed.
 *   leak    from then on allocates MIB more each second, in small blocks, for as long as it lives
 *   arena   the same in a thread, so in an arena of its own
 *   once    half a second later allocates MIB at once, and never again
 *   holes   before "ready" allocates MIB in small blocks and frees every block but each 64th
 */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 1000u

static void *block(void)
{
	void *p = malloc(BLOCK);

	if (p)
		memset(p, 1, BLOCK);
	return p;
}

static void *leak(void *mib)
{
	size_t step = (size_t)strtoul(mib, NULL, 10) * (1 << 20) / BLOCK / 20;

	for (;;) {
		for (size_t i = 0; i < step; i++)
			*(void *volatile *)&(void *){NULL} = block();
		usleep(50000);
	}
	return NULL;
}

static void ready(void)
{
	struct mallinfo2 m = mallinfo2();

	printf("ready %zu %zu\n", m.uordblks, m.fordblks);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	size_t blocks;
	void **all;
	pthread_t t;

	if (argc != 3)
		return 2;
	blocks = (size_t)strtoul(argv[2], NULL, 10) * (1 << 20) / BLOCK;
	if (!strcmp(argv[1], "leak") || !strcmp(argv[1], "arena")) {
		ready();
		if (!strcmp(argv[1], "leak"))
			leak(argv[2]);
		if (pthread_create(&t, NULL, leak, argv[2]))
			return 1;
		pthread_join(t, NULL);
	}
	if (!strcmp(argv[1], "once")) {
		ready();
		usleep(500000);
		for (size_t i = 0; i < blocks; i++)
			block();
	}
	if (!strcmp(argv[1], "holes")) {
		all = malloc(blocks * sizeof(*all));
		if (!all)
			return 1;
		for (size_t i = 0; i < blocks; i++)
			all[i] = block();
		for (size_t i = 0; i < blocks; i++)
			if (i % 64)
				free(all[i]);
		ready();
	}
	for (;;)
		pause();
}
