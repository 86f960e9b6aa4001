/* fz-print.h
 *
 * Results of management commands for people: tables and "key: value" lines.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <stdio.h>

/* @columns: names with commas between. */
void fz_print_table (FILE *out, JsonArray *rows, const char *columns);
void fz_print_object (FILE *out, JsonObject *object);

/* Indented, with a newline at the end. */
void fz_print_json (FILE *out, JsonNode *node);
