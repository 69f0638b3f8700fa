/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fastoom's static executable, carried inside this one: FASTOOM_IMAGE is where the build has it. */
#include "guard_run.h"

__asm__(".pushsection .rodata, \"a\"\n"
	".balign 16\n"
	"guard_image_start: .incbin \"" FASTOOM_IMAGE "\"\n"
	"guard_image_end:\n"
	".popsection\n");

extern const char guard_image_start[], guard_image_end[];

const char *guard_image(size_t *ret_len)
{
	*ret_len = (size_t)(guard_image_end - guard_image_start);
	return guard_image_start;
}
