/* fz-template.c
 *
 * See fz-template.h.
 */
#include "src/server/fz-template.h"

#include <stdbool.h>
#include <string.h>

#define NAME_MAX_BYTES 32u

typedef struct {
  char kind; /* '#', '^', '/', '&', or 0 for a plain place */
  char name[NAME_MAX_BYTES];
  const char *after; /* behind the closing braces */
} FzTag;

void
fz_html_append (GString *out, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  for (const char *p = valid; *p != '\0'; p++) {
    switch (*p) {
    case '&':
      g_string_append (out, "&amp;");
      break;
    case '<':
      g_string_append (out, "&lt;");
      break;
    case '>':
      g_string_append (out, "&gt;");
      break;
    case '"':
      g_string_append (out, "&quot;");
      break;
    case '\'':
      g_string_append (out, "&#39;");
      break;
    default:
      g_string_append_c (out, *p);
    }
  }
}

static const char *
value_of (const FzTemplateValue *values, const char *name)
{
  for (; values->name != NULL; values++)
    if (strcmp (values->name, name) == 0)
      return values->value;
  return NULL;
}

/* @at stands on the opening braces. */
static FzTag
read_tag (const char *at)
{
  const char *name = at + 2;
  const char *end = strstr (name, "}}");
  FzTag tag = { 0 };

  g_assert (end != NULL);
  if (strchr ("#^/&", *name) != NULL)
    tag.kind = *name++;
  g_assert (end > name && (size_t) (end - name) < sizeof tag.name);
  memcpy (tag.name, name, (size_t) (end - name));
  tag.after = end + 2;
  return tag;
}

/* Until the end of the text, or of the section @section; returns what is behind it. */
static const char *
expand (
    GString *out, const char *at, const char *section, bool is_shown, const FzTemplateValue *values)
{
  for (;;) {
    const char *open = strstr (at, "{{");
    const char *value;
    FzTag tag;

    if (open == NULL) {
      g_assert (section == NULL);
      if (is_shown)
        g_string_append (out, at);
      return NULL;
    }
    if (is_shown)
      g_string_append_len (out, at, open - at);
    tag = read_tag (open);
    at = tag.after;
    value = value_of (values, tag.name);
    if (value != NULL && *value == '\0')
      value = NULL;

    if (tag.kind == '/') {
      g_assert (g_strcmp0 (section, tag.name) == 0);
      return at;
    }
    if (tag.kind == '#' || tag.kind == '^')
      at = expand (out, at, tag.name, is_shown && (value != NULL) == (tag.kind == '#'), values);
    else if (is_shown && value != NULL && tag.kind == '&')
      g_string_append (out, value);
    else if (is_shown && value != NULL)
      fz_html_append (out, value);
  }
}

char *
fz_template_expand (const char *text, const FzTemplateValue *values)
{
  GString *out = g_string_new (NULL);

  expand (out, text, NULL, true, values);
  return g_string_free (out, FALSE);
}
