/* fz-filter-text.c
 *
 * Filters in both of their forms. Pure functions.
 */
#include "src/server/fz-filter-text.h"

#include "src/server/fz-server-error.h"

#include <stdint.h>
#include <string.h>

static bool
parse_port (const char *text, uint64_t *out)
{
  return g_ascii_string_to_unsigned (text, 10, 1, 65535, out, NULL);
}

static JsonObject *
ranged (const char *protocol, uint64_t first, uint64_t last)
{
  JsonObject *filter = json_object_new ();

  json_object_set_string_member (filter, "protocol", protocol);
  json_object_set_int_member (filter, "port_range_start", (gint64) first);
  json_object_set_int_member (filter, "port_range_end", (gint64) last);
  return filter;
}

static JsonObject *
plain (const char *protocol)
{
  JsonObject *filter = json_object_new ();

  json_object_set_string_member (filter, "protocol", protocol);
  return filter;
}

JsonObject *
fz_filter_from_text (const char *text, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (text, "/", 2);
  bool has_ports = parts[0] != NULL && parts[1] != NULL;

  if (!has_ports &&
      (strcmp (text, "icmp") == 0 || strcmp (text, "tcp") == 0 || strcmp (text, "udp") == 0))
    return plain (text);

  if (has_ports && (strcmp (parts[0], "tcp") == 0 || strcmp (parts[0], "udp") == 0)) {
    g_auto (GStrv) ports = g_strsplit (parts[1], "-", 2);
    uint64_t first = 0;
    uint64_t last = 0;

    if (ports[0] != NULL && parse_port (g_strstrip (ports[0]), &first)) {
      last = first;
      if ((ports[1] == NULL || parse_port (g_strstrip (ports[1]), &last)) && last >= first)
        return ranged (parts[0], first, last);
    }
  }

  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_INVALID,
               "\"%s\" is not a filter; write tcp/443, udp/5000-6000, tcp, udp or icmp",
               text);
  return NULL;
}

char *
fz_filters_from_text (const char *const *texts, GError **error)
{
  g_autoptr (JsonArray) array = json_array_new ();
  g_autoptr (JsonNode) node = NULL;

  for (size_t i = 0; texts != NULL && texts[i] != NULL; i++) {
    JsonObject *filter = NULL;

    if (i >= FZ_FILTERS_MAX) {
      g_set_error (error,
                   FZ_SERVER_ERROR,
                   FZ_SERVER_ERROR_INVALID,
                   "a resource has at most %u filters",
                   FZ_FILTERS_MAX);
      return NULL;
    }
    filter = fz_filter_from_text (texts[i], error);
    if (filter == NULL)
      return NULL;
    json_array_add_object_element (array, filter);
  }
  node = json_node_init_array (json_node_alloc (), array);
  return json_to_string (node, FALSE);
}

char *
fz_filter_to_text (JsonObject *filter)
{
  const char *protocol = json_object_get_string_member_with_default (filter, "protocol", "?");
  gint64 first = json_object_get_int_member_with_default (filter, "port_range_start", 0);
  gint64 last = json_object_get_int_member_with_default (filter, "port_range_end", 0);

  if (first == 0)
    return g_strdup (protocol);
  if (first == last)
    return g_strdup_printf ("%s/%" G_GINT64_FORMAT, protocol, first);
  return g_strdup_printf ("%s/%" G_GINT64_FORMAT "-%" G_GINT64_FORMAT, protocol, first, last);
}
