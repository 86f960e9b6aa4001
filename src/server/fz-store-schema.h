/* fz-store-schema.h
 *
 * Brings a database to the schema this portal speaks.
 */
#pragma once

#include "src/server/fz-database.h"

/* UNSUPPORTED if the file was written by a newer portal. */
bool fz_store_migrate (FzDatabase *database, GError **error);
