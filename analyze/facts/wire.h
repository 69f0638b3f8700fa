/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stream between the worker and the renderer: records of {u16 tag, u16 field_count, u32 len}
 * and len bytes of fields in the order of the type's table; u64 and f64 little-endian, strings as
 * u32 length (UINT32_MAX: NULL) and bytes.  The renderer checks tag, order, lengths, row counts
 * and total size before it believes anything, and makes every string valid UTF-8 without NUL.
 */
#pragma once

#include "facts.h"

#define WIRE_MAX_RECORD (1u << 20)
#define WIRE_TAG_DONE 0xffff /* the worker's last record: exit code and message */

/* Worker: append one row of a type to fd (buffered).  Negative errno when the pipe is gone. */
struct wire_out;
int wire_open(struct wire_out **ret, int fd);
int wire_row(struct wire_out *w, const struct fact_type *t, const void *row);
int wire_done(struct wire_out *w, int exit_code, const char *message);
void wire_close(struct wire_out *w);

/*
 * Renderer: read rows from fd into f until the DONE record or EOF.  max_bytes bounds the stream.
 * 0 with *ret_exit and message set; -EPROTO (e says what) when the worker misbehaved; -EPIPE when
 * it ended without DONE (killed).
 */
int wire_receive(int fd, struct facts *f, uint64_t max_bytes, int *ret_exit, struct err *e);
