/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Growing the skeleton: elements, and text that was made visible (visible.h) on its way in. */
#pragma once

#include <libxml/tree.h>

struct tree {
	xmlDocPtr doc;
	int error; /* -ENOMEM once, then every call does nothing */
};

/* NULL after an error; every function takes NULL nodes. */
xmlNodePtr tree_add(struct tree *t, xmlNodePtr parent, const char *name, const char *class_name);
void tree_attr(struct tree *t, xmlNodePtr node, const char *name, const char *value);
void tree_attrf(struct tree *t, xmlNodePtr node, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void tree_text(struct tree *t, xmlNodePtr node, const char *text);
void tree_textf(struct tree *t, xmlNodePtr node, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* tree_add() with text. */
xmlNodePtr tree_say(struct tree *t, xmlNodePtr parent, const char *name, const char *class_name,
		    const char *text);
/* Script and style only, whose text HTML does not escape: never anything from an archive. */
void tree_own_text(struct tree *t, xmlNodePtr node, const char *text, size_t len);

/* The element below root (or root) with this id, NULL. */
xmlNodePtr tree_find(xmlNodePtr root, const char *id);
void tree_remove(xmlNodePtr node);
/* Put prefix before every id below root and before what refers to one. */
void tree_prefix(struct tree *t, xmlNodePtr root, const char *prefix);
