/*
 * demo.c
 *	  The demo site's routes and what stands on its pages.
 *
 * web/demo/page.html is the template of all of them, with the title as its
 * heading; its tokens are {{title}}, {{content}} and {{prefix}}.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "demo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Page
{
	const char *path;
	const char *title;
	const char *content;
} Page;

static const Page pages[] = {
	{"/", "Demo site",
	 "<ul>\n"
	 "<li><a href=\"/page_a\">Page A</a></li>\n"
	 "<li><a href=\"/page_b\">Page B</a></li>\n"
	 "<li><a href=\"/page_c\">Page C</a></li>\n"
	 "</ul>"},
	{"/page_a", "Page A",
	 "<ul>\n"
	 "<li><a href=\"/page_b\">Page B</a></li>\n"
	 "<li><a href=\"/page_c/tab_1\">Page C, Tab 1</a></li>\n"
	 "</ul>"},
	{"/page_b", "Page B",
	 "<ul>\n"
	 "<li><a href=\"/page_a\">Page A</a></li>\n"
	 "<li><a href=\"/page_c/tab_2\">Page C, Tab 2</a></li>\n"
	 "</ul>"},
	{"/page_c/tab_1", "Page C, Tab 1",
	 "<nav class=\"tabs\"><a href=\"/page_c/tab_1\" aria-current=\"page\">Tab 1</a>"
	 " <a href=\"/page_c/tab_2\">Tab 2</a></nav>\n"
	 "<ul>\n<li><a href=\"/page_a\">Page A</a></li>\n</ul>"},
	{"/page_c/tab_2", "Page C, Tab 2",
	 "<nav class=\"tabs\"><a href=\"/page_c/tab_1\">Tab 1</a>"
	 " <a href=\"/page_c/tab_2\" aria-current=\"page\">Tab 2</a></nav>\n"
	 "<ul>\n<li><a href=\"/page_b\">Page B</a></li>\n</ul>"}};

static const Page *
find_page(Text path)
{
	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
	{
		if (text_equal(path, text_of(pages[i].path)))
			return &pages[i];
	}
	return NULL;
}

/* Replaces one token and frees what it replaced it in; NULL stays NULL. */
static char *
fill(char *text, const char *token, const char *value, size_t *length)
{
	char *filled;

	if (text == NULL)
		return NULL;
	filled = assets_replace(text, *length, token, value, length);
	free(text);
	return filled;
}

char *
demo_render(const Assets *assets, Text prefix, Text path, bool *found, size_t *length)
{
	const Page *page = find_page(path);
	char		prefix_text[PATH_PREFIX_LIMIT + 1];
	char	   *text;

	*found = page != NULL;
	if (page == NULL)
		return NULL;
	snprintf(prefix_text, sizeof prefix_text, "%.*s", (int) prefix.length,
			 prefix.length > 0 ? prefix.data : "");
	text = assets_replace(assets->demo_page, assets->demo_page_length, "{{title}}", page->title,
						  length);
	text = fill(text, "{{content}}", page->content, length);
	return fill(text, "{{prefix}}", prefix_text, length);
}

const char *
demo_redirect(Text path, unsigned chance)
{
	if (!text_equal(path, text_of("/page_c")))
		return NULL;
	return chance % 2 == 0 ? "/page_c/tab_1" : "/page_c/tab_2";
}
