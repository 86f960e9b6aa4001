/* fz-store-private.h
 *
 * What the store's modules share: the struct, and how they check names.
 */
#pragma once

#include "src/server/fz-server-error.h"
#include "src/server/fz-store.h"

struct FzStore {
  FzDatabase *database;
  FzRng rng;
};

/* Trims @text; INVALID if it is empty, longer than @max bytes or holds control characters. g_free.
 */
char *fz_store_check_name (const char *what, const char *text, size_t max, GError **error);

/* Turns "UNIQUE constraint failed" into "@what "@name" exists already"; others stay. */
void fz_store_explain_conflict (GError **error, const char *what, const char *name);

/* Members of a change set; false with INVALID for a wrong type. Absent: *out stays, *is_present is
 * false. */
bool fz_store_change_text (
    JsonObject *changes, const char *name, const char **out, bool *is_present, GError **error);
bool fz_store_change_bool (
    JsonObject *changes, const char *name, bool *out, bool *is_present, GError **error);
