/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Holds a memfd and a SysV segment of SIZE bytes each, fully touched, until it is killed; with
 * "leave" leaves a SysV segment behind, prints its id and goes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

static int leave(size_t size)
{
	int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
	char *shm = id < 0 ? (char *)-1 : shmat(id, NULL, 0);

	if (shm == (char *)-1)
		return 1;
	memset(shm, 1, size);
	printf("%d\n", id);
	return 0;
}

int main(int argc, char **argv)
{
	size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) : 1 << 24;
	if (argc > 2 && !strcmp(argv[2], "leave"))
		return leave(size);

	int fd = memfd_create("ossnap-test", MFD_CLOEXEC);
	int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
	char *map, *shm;

	if (fd < 0 || id < 0 || ftruncate(fd, (off_t)size) < 0)
		return 1;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	shm = shmat(id, NULL, 0);
	/* marked for removal at once: it goes with this process, however that ends */
	shmctl(id, IPC_RMID, NULL);
	if (map == MAP_FAILED || shm == (char *)-1)
		return 1;
	for (;;) {
		/* keep it warm: this kernel may page cold memory out */
		memset(map, 1, size);
		memset(shm, 1, size);
		printf("ready\n");
		fflush(stdout);
		sleep(5);
	}
}
