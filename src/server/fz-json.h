/* fz-json.h
 *
 * Reading JSON that others wrote: every member is asked for by type and a wrong
 * one counts as absent; nesting is bounded before the parser sees the text.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

#define FZ_JSON_DEPTH_MAX 32u

/**
 * fz_json_parse_bounded:
 * @text: need not end in a zero
 *
 * Returns: the root, or NULL with @error for what is not JSON or nested deeper
 *   than FZ_JSON_DEPTH_MAX
 */
JsonNode *fz_json_parse_bounded (const char *text, size_t length, GError **error);

/* Each is NULL (or @fallback) if the member is missing or of another type. */
const char *fz_json_text (JsonObject *object, const char *name);
JsonObject *fz_json_child (JsonObject *object, const char *name);
JsonArray *fz_json_array (JsonObject *object, const char *name);
bool fz_json_bool (JsonObject *object, const char *name, bool fallback);

/* Every element as text; NULL if the member is missing, not an array, longer than @max_n, or holds
 * anything but texts of at most @max_bytes. */
GStrv fz_json_strv (JsonObject *object, const char *name, size_t max_n, size_t max_bytes);

/* Compact text of an object; g_free. */
char *fz_json_object_to_text (JsonObject *object);

/* Text, or null for NULL. */
void fz_json_set_text_or_null (JsonObject *object, const char *name, const char *value);
