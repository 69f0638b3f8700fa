/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "visible.h"

#define XML(s) ((const xmlChar *)(s))

xmlNodePtr tree_add(struct tree *t, xmlNodePtr parent, const char *name, const char *class_name)
{
	xmlNodePtr n;

	if (t->error || !parent)
		return NULL;
	n = xmlNewDocNode(t->doc, NULL, XML(name), NULL);
	if (!n || !xmlAddChild(parent, n)) {
		t->error = -ENOMEM;
		return NULL;
	}
	if (class_name)
		tree_attr(t, n, "class", class_name);
	return n;
}

void tree_attr(struct tree *t, xmlNodePtr node, const char *name, const char *value)
{
	char *visible;

	if (t->error || !node)
		return;
	visible = visible_dup(value);
	if (!visible || !xmlSetProp(node, XML(name), XML(visible)))
		t->error = -ENOMEM;
	free(visible);
}

void tree_attrf(struct tree *t, xmlNodePtr node, const char *name, const char *fmt, ...)
{
	char *value = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&value, fmt, ap);
	va_end(ap);
	if (n < 0) {
		t->error = -ENOMEM;
		return;
	}
	tree_attr(t, node, name, value);
	free(value);
}

void tree_text(struct tree *t, xmlNodePtr node, const char *text)
{
	char *visible;
	xmlNodePtr n;

	if (t->error || !node)
		return;
	visible = visible_dup(text);
	/* a text node, not xmlNewChild's content, which is parsed for entities */
	n = visible ? xmlNewDocText(t->doc, XML(visible)) : NULL;
	if (!n || !xmlAddChild(node, n))
		t->error = -ENOMEM;
	free(visible);
}

void tree_textf(struct tree *t, xmlNodePtr node, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		t->error = -ENOMEM;
		return;
	}
	tree_text(t, node, text);
	free(text);
}

xmlNodePtr tree_say(struct tree *t, xmlNodePtr parent, const char *name, const char *class_name,
		    const char *text)
{
	xmlNodePtr n = tree_add(t, parent, name, class_name);

	tree_text(t, n, text);
	return n;
}

void tree_own_text(struct tree *t, xmlNodePtr node, const char *text, size_t len)
{
	xmlNodePtr n;

	if (t->error || !node)
		return;
	n = xmlNewDocTextLen(t->doc, XML(text), (int)len);
	if (!n || !xmlAddChild(node, n))
		t->error = -ENOMEM;
}

/* The node after n in document order that lies below root; NULL at the end. */
static xmlNodePtr next_node(xmlNodePtr root, xmlNodePtr n)
{
	if (n->type == XML_ELEMENT_NODE && n->children)
		return n->children;
	while (n != root && !n->next)
		n = n->parent;
	return n == root ? NULL : n->next;
}

static const xmlChar *plain_attr(xmlNodePtr n, const char *name)
{
	xmlAttrPtr a = n->type == XML_ELEMENT_NODE ? xmlHasProp(n, XML(name)) : NULL;

	return a && a->children ? a->children->content : NULL;
}

xmlNodePtr tree_find(xmlNodePtr root, const char *id)
{
	for (xmlNodePtr n = root; n; n = next_node(root, n)) {
		const xmlChar *v = plain_attr(n, "id");

		if (v && !strcmp((const char *)v, id))
			return n;
	}
	return NULL;
}

void tree_remove(xmlNodePtr node)
{
	if (!node)
		return;
	xmlUnlinkNode(node);
	xmlFreeNode(node);
}

void tree_prefix(struct tree *t, xmlNodePtr root, const char *prefix)
{
	static const char *const refs[] = {"id", "aria-labelledby", "aria-describedby", "for"};

	for (xmlNodePtr n = root; n && !t->error; n = next_node(root, n)) {
		const xmlChar *href = plain_attr(n, "href");

		if (href && href[0] == '#')
			tree_attrf(t, n, "href", "#%s%s", prefix, href + 1);
		for (size_t i = 0; i < sizeof(refs) / sizeof(*refs); i++) {
			const xmlChar *v = plain_attr(n, refs[i]);

			if (v)
				tree_attrf(t, n, refs[i], "%s%s", prefix, v);
		}
	}
}
