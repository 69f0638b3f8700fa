/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guard was asked to do.  A configuration is plain memory without pointers: two of them
 * lie in the guard, so that a reload that fails changes nothing.
 *
 *	journal = /var/log/fastoom/journal.jsonl
 *	dry-run = no
 *	[NAME]				a policy
 *	scope = node | cgroup:PATH | pod:NAMESPACE/PATTERN
 *	sensitivity = low | medium | high
 *	prefer = PATTERN		repeatable; the first is the first to go
 *	avoid = PATTERN			repeatable
 *	group = yes | no
 *	spare-pid1 = yes | no
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/err.h"
#include "pattern.h"

#define CONFIG_POLICIES 16
#define CONFIG_LIST 16
#define CONFIG_FILE_MAX 16384

enum sensitivity { SENSITIVITY_LOW, SENSITIVITY_MEDIUM, SENSITIVITY_HIGH };
enum scope_kind { SCOPE_NODE, SCOPE_CGROUP, SCOPE_POD };

struct policy {
	char name[32];
	enum scope_kind kind;
	enum sensitivity sensitivity;
	char where[256]; /* SCOPE_CGROUP: path; SCOPE_POD: namespace */
	uint16_t pod;	 /* SCOPE_POD: pattern over the pod's name */
	uint8_t n_prefer, n_avoid;
	uint8_t prefer[CONFIG_LIST], avoid[CONFIG_LIST]; /* patterns */
	bool group, spare_pid1, scope_set;
};

struct config {
	struct policy policies[CONFIG_POLICIES];
	unsigned n_policies;
	char journal[256]; /* "": not said */
	bool dry_run;
	struct pattern_pool pool;
};

void config_init(struct config *c);
/* "FILE:LINE: reason" on error.  each (may be NULL) hears of every line that says something, after
 * it was understood: p is the policy it stands in, NULL before the first. */
typedef void (*config_line_fn)(void *ctx, unsigned number, const char *line,
			       const struct policy *p);
int config_parse(struct config *c, const char *text, size_t len, const char *file,
		 config_line_fn each, void *ctx, struct err *e);

/* A new policy, or NULL when there are too many. */
struct policy *config_policy(struct config *c, const char *name);
int config_scope(struct config *c, struct policy *p, const char *text, struct err *e);
int config_sensitivity(const char *text, enum sensitivity *ret, struct err *e);
int config_pattern(struct config *c, uint8_t *list, uint8_t *n, const char *text, struct err *e);

const char *sensitivity_name(enum sensitivity s);
