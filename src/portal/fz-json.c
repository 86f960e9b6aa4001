/* fz-json.c
 *
 * json-glib descends by recursion and builds the whole tree, so depth and number
 * of values are counted here first, in one pass over the bytes. The same pass
 * tells a text that ends early (the connection is broken) from one that is
 * merely wrong (the frame is ignored), portal-protocol.md §3.9.
 */
#include "src/portal/fz-json.h"

#include "src/portal/fz-portal-error.h"

#include <stdio.h>
#include <string.h>

/* The name is no expression, so the formatter must not touch it. */
/* clang-format off */
G_DEFINE_QUARK (fz-portal-error-quark, fz_portal_error)
/* clang-format on */

/* What one pass over the bytes tells. */
typedef struct {
  size_t depth;
  size_t n_values; /* upper bound: separators and brackets */
  bool in_string;
  bool is_escaped;
  bool saw_anything;
} Scan;

static const char *
scan_structure (Scan *scan, char c)
{
  switch (c) {
  case '"':
    scan->in_string = true;
    break;
  case '{':
  case '[':
    if (++scan->depth > FZ_JSON_DEPTH_MAX)
      return "is nested too deeply";
    scan->n_values++;
    break;
  case '}':
  case ']':
    if (scan->depth == 0)
      return "closes a bracket that was not opened";
    scan->depth--;
    break;
  case ',':
  case ':':
    scan->n_values++;
    break;
  case '/':
    return "has a comment"; /* json-glib would accept one */
  default:
    break;
  }
  return scan->n_values > FZ_JSON_VALUES_MAX ? "has too many values" : NULL;
}

static const char *
scan_byte (Scan *scan, char c)
{
  if (c == '\0')
    return "has a zero byte";
  if (!g_ascii_isspace (c))
    scan->saw_anything = true;

  if (!scan->in_string)
    return scan_structure (scan, c);

  if (scan->is_escaped)
    scan->is_escaped = false;
  else if (c == '\\')
    scan->is_escaped = true;
  else if (c == '"')
    scan->in_string = false;
  return NULL;
}

static bool
check_structure (const char *text, size_t length, GError **error)
{
  Scan scan = { 0 };

  for (size_t i = 0; i < length; i++) {
    const char *problem = scan_byte (&scan, text[i]);

    if (problem != NULL) {
      g_set_error (error,
                   FZ_PORTAL_ERROR,
                   FZ_PORTAL_ERROR_MALFORMED,
                   "JSON text %s at byte %" G_GSIZE_FORMAT,
                   problem,
                   i);
      return false;
    }
  }

  if (scan.in_string || scan.depth > 0 || !scan.saw_anything) {
    g_set_error (error,
                 FZ_PORTAL_ERROR,
                 FZ_PORTAL_ERROR_TRUNCATED,
                 "JSON text ends early, after %" G_GSIZE_FORMAT " bytes",
                 length);
    return false;
  }
  return true;
}

JsonNode *
fz_json_parse (const char *text, size_t length, GError **error)
{
  g_autoptr (JsonParser) parser = NULL;

  if (length > FZ_JSON_BYTES_MAX) {
    g_set_error (error,
                 FZ_PORTAL_ERROR,
                 FZ_PORTAL_ERROR_MALFORMED,
                 "JSON text of %" G_GSIZE_FORMAT " bytes is too long",
                 length);
    return NULL;
  }
  if (!g_utf8_validate_len (text, length, NULL)) {
    g_set_error_literal (
        error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_MALFORMED, "JSON text is not UTF-8");
    return NULL;
  }
  if (!check_structure (text, length, error))
    return NULL;

  parser = json_parser_new_immutable ();
  if (!json_parser_load_from_data (parser, text, (gssize) length, NULL) ||
      json_parser_get_root (parser) == NULL) {
    /* The library's message quotes the text around the error, which may hold a secret. */
    g_set_error_literal (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_MALFORMED, "text is not JSON");
    return NULL;
  }
  return json_parser_steal_root (parser);
}

static void
append_escape (GString *out, unsigned char c)
{
  switch (c) {
  case '"':
    g_string_append (out, "\\\"");
    break;
  case '\\':
    g_string_append (out, "\\\\");
    break;
  case '\n':
    g_string_append (out, "\\n");
    break;
  case '\r':
    g_string_append (out, "\\r");
    break;
  case '\t':
    g_string_append (out, "\\t");
    break;
  default:
    g_string_append_printf (out, "\\u%04x", c);
    break;
  }
}

void
fz_json_append_string (GString *out, const char *text)
{
  g_string_append_c (out, '"');
  for (const char *p = text; *p != '\0'; p++) {
    unsigned char c = (unsigned char) *p;

    if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
      append_escape (out, c);
    else
      g_string_append_c (out, *p);
  }
  g_string_append_c (out, '"');
}

/* -- reader -- */

void
fz_json_fail (FzJsonReader *r, const char *what, const char *member, const char *expected)
{
  if (!r->ok)
    return;

  r->ok = false;
  if (member != NULL)
    snprintf (r->problem, sizeof r->problem, "%s: %s: expected %s", what, member, expected);
  else
    snprintf (r->problem, sizeof r->problem, "%s: expected %s", what, expected);
}

bool
fz_json_reader_finish (const FzJsonReader *r, GError **error)
{
  if (!r->ok)
    g_set_error_literal (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_MALFORMED, r->problem);
  return r->ok;
}

JsonObject *
fz_json_object (FzJsonReader *r, JsonNode *node, const char *what)
{
  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node)) {
    fz_json_fail (r, what, NULL, "an object");
    return NULL;
  }
  return json_node_get_object (node);
}

JsonNode *
fz_json_member (JsonObject *object, const char *member)
{
  return object != NULL ? json_object_get_member (object, member) : NULL;
}

const char *
fz_json_node_string (JsonNode *node)
{
  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node) ||
      json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  return json_node_get_string (node);
}

bool
fz_json_node_u64 (JsonNode *node, uint64_t *out)
{
  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node) ||
      json_node_get_value_type (node) != G_TYPE_INT64 || json_node_get_int (node) < 0)
    return false;
  *out = (uint64_t) json_node_get_int (node);
  return true;
}

static bool
node_bool (JsonNode *node, bool *out)
{
  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node) ||
      json_node_get_value_type (node) != G_TYPE_BOOLEAN)
    return false;
  *out = json_node_get_boolean (node);
  return true;
}

JsonObject *
fz_json_get_object (FzJsonReader *r, JsonObject *object, const char *what, const char *member)
{
  JsonNode *node = fz_json_member (object, member);

  if (object == NULL)
    return NULL;
  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node)) {
    fz_json_fail (r, what, member, "an object");
    return NULL;
  }
  return json_node_get_object (node);
}

JsonArray *
fz_json_get_array (FzJsonReader *r, JsonObject *object, const char *what, const char *member)
{
  JsonNode *node = fz_json_member (object, member);

  if (object == NULL)
    return NULL;
  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node)) {
    fz_json_fail (r, what, member, "an array");
    return NULL;
  }
  return json_node_get_array (node);
}

JsonArray *
fz_json_get_optional_array (FzJsonReader *r,
                            JsonObject *object,
                            const char *what,
                            const char *member)
{
  if (fz_json_member (object, member) == NULL)
    return NULL;
  return fz_json_get_array (r, object, what, member);
}

const char *
fz_json_get_string (FzJsonReader *r, JsonObject *object, const char *what, const char *member)
{
  const char *text = fz_json_node_string (fz_json_member (object, member));

  if (text == NULL && object != NULL)
    fz_json_fail (r, what, member, "a string");
  return text;
}

const char *
fz_json_get_optional_string (FzJsonReader *r,
                             JsonObject *object,
                             const char *what,
                             const char *member)
{
  JsonNode *node = fz_json_member (object, member);

  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return NULL;
  return fz_json_get_string (r, object, what, member);
}

uint64_t
fz_json_get_u64 (FzJsonReader *r, JsonObject *object, const char *what, const char *member)
{
  uint64_t value = 0;

  if (!fz_json_node_u64 (fz_json_member (object, member), &value) && object != NULL)
    fz_json_fail (r, what, member, "a whole number, not negative");
  return value;
}

uint64_t
fz_json_get_u64_or (
    FzJsonReader *r, JsonObject *object, const char *what, const char *member, uint64_t fallback)
{
  JsonNode *node = fz_json_member (object, member);

  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return fallback;
  return fz_json_get_u64 (r, object, what, member);
}

bool
fz_json_get_bool (FzJsonReader *r, JsonObject *object, const char *what, const char *member)
{
  bool value = false;

  if (!node_bool (fz_json_member (object, member), &value) && object != NULL)
    fz_json_fail (r, what, member, "true or false");
  return value;
}

bool
fz_json_get_bool_or (
    FzJsonReader *r, JsonObject *object, const char *what, const char *member, bool fallback)
{
  if (fz_json_member (object, member) == NULL)
    return fallback;
  return fz_json_get_bool (r, object, what, member);
}

FzUuid
fz_json_get_uuid (FzJsonReader *r, JsonObject *object, const char *what, const char *member)
{
  const char *text = fz_json_node_string (fz_json_member (object, member));
  FzUuid id = { { 0 } };

  if (object != NULL && (text == NULL || !fz_uuid_parse (text, &id)))
    fz_json_fail (r, what, member, "an id");
  return id;
}

void
fz_json_get_key (FzJsonReader *r,
                 JsonObject *object,
                 const char *what,
                 const char *member,
                 uint8_t out[FZ_KEY_SIZE])
{
  const char *text = fz_json_node_string (fz_json_member (object, member));

  if (object != NULL && (text == NULL || !fz_key_parse (text, out)))
    fz_json_fail (r, what, member, "a key of 32 bytes in base64");
}

FzIp
fz_json_get_ip (
    FzJsonReader *r, JsonObject *object, const char *what, const char *member, FzIpFamily family)
{
  const char *text = fz_json_node_string (fz_json_member (object, member));
  FzIpNetwork network;

  if (text != NULL && fz_ip_network_parse (text, &network) && network.ip.family == family &&
      network.prefix_length == fz_ip_size (&network.ip) * 8)
    return network.ip;

  if (object != NULL)
    fz_json_fail (r, what, member, family == FZ_IP_V4 ? "an IPv4 address" : "an IPv6 address");
  return (FzIp){ 0 };
}
