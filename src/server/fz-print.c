/* fz-print.c
 *
 * Text output. Values come from peers as well as from the administrator, so
 * whatever could steer a terminal is replaced.
 */
#include "src/server/fz-print.h"

#include "src/server/fz-filter-text.h"
#include "src/server/fz-json.h"

#include <string.h>

#define COLUMN_GAP 2

/* -- one value -- */

static char *
printable (const char *text)
{
  GString *out = g_string_new (NULL);

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char_validated (p, -1);

    if (c == (gunichar) -1 || c == (gunichar) -2) {
      g_string_append_c (out, '?');
      break;
    }
    if (g_unichar_isprint (c))
      g_string_append_unichar (out, c);
    else
      g_string_append_c (out, '?');
  }
  return g_string_free (out, FALSE);
}

static char *text_of (JsonNode *node);

static char *
text_of_array (JsonArray *array)
{
  GString *out = g_string_new (NULL);

  for (unsigned i = 0; i < json_array_get_length (array); i++) {
    g_autofree char *item = text_of (json_array_get_element (array, i));

    g_string_append_printf (out, "%s%s", i > 0 ? " " : "", item);
  }
  return g_string_free (out, FALSE);
}

/* Filters read as they are written; anything else nested stays JSON. */
static char *
text_of_object (JsonObject *object)
{
  if (json_object_has_member (object, "protocol"))
    return fz_filter_to_text (object);
  return fz_json_object_to_text (object);
}

static char *
text_of (JsonNode *node)
{
  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return g_strdup ("-");
  if (JSON_NODE_HOLDS_ARRAY (node))
    return text_of_array (json_node_get_array (node));
  if (JSON_NODE_HOLDS_OBJECT (node))
    return text_of_object (json_node_get_object (node));
  if (json_node_get_value_type (node) == G_TYPE_BOOLEAN)
    return g_strdup (json_node_get_boolean (node) ? "yes" : "no");
  if (json_node_get_value_type (node) == G_TYPE_STRING)
    return printable (json_node_get_string (node));
  return json_to_string (node, FALSE);
}

static char *
cell_of (JsonObject *row, const char *column)
{
  char *text = text_of (json_object_get_member (row, column));

  if (*text != '\0')
    return text;
  g_free (text);
  return g_strdup ("-");
}

/* -- tables -- */

static void
print_padded (FILE *out, const char *text, glong width, bool is_last)
{
  fputs (text, out);
  if (is_last)
    return;
  for (glong n = g_utf8_strlen (text, -1); n < width + COLUMN_GAP; n++)
    fputc (' ', out);
}

void
fz_print_table (FILE *out, JsonArray *rows, const char *columns)
{
  g_auto (GStrv) names = g_strsplit (columns, ",", -1);
  size_t n = g_strv_length (names);
  g_autofree glong *widths = g_new0 (glong, n);

  for (size_t c = 0; c < n; c++)
    widths[c] = g_utf8_strlen (names[c], -1);
  for (unsigned r = 0; r < json_array_get_length (rows); r++) {
    for (size_t c = 0; c < n; c++) {
      g_autofree char *cell = cell_of (json_array_get_object_element (rows, r), names[c]);

      widths[c] = MAX (widths[c], g_utf8_strlen (cell, -1));
    }
  }

  for (size_t c = 0; c < n; c++) {
    g_autofree char *title = g_ascii_strup (names[c], -1);

    print_padded (out, title, widths[c], c + 1 == n);
  }
  fputc ('\n', out);
  for (unsigned r = 0; r < json_array_get_length (rows); r++) {
    for (size_t c = 0; c < n; c++) {
      g_autofree char *cell = cell_of (json_array_get_object_element (rows, r), names[c]);

      print_padded (out, cell, widths[c], c + 1 == n);
    }
    fputc ('\n', out);
  }
}

static void
print_members (FILE *out, JsonObject *object, const char *prefix)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &name, &node)) {
    if (JSON_NODE_HOLDS_OBJECT (node)) {
      g_autofree char *inner = g_strdup_printf ("%s%s.", prefix, name);

      print_members (out, json_node_get_object (node), inner);
    } else {
      g_autofree char *text = text_of (node);

      fprintf (out, "%s%s: %s\n", prefix, name, *text != '\0' ? text : "-");
    }
  }
}

void
fz_print_object (FILE *out, JsonObject *object)
{
  print_members (out, object, "");
}

void
fz_print_json (FILE *out, JsonNode *node)
{
  g_autofree char *text = json_to_string (node, TRUE);

  fprintf (out, "%s\n", text);
}
