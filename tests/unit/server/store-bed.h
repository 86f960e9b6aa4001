/* store-bed.h
 *
 * A store in a folder of its own, with an account and a site; no sockets, no
 * main loop.
 */
#pragma once

#include "src/server/fz-store.h"

#include <glib.h>

typedef struct {
  char *folder;
  char *path;
  FzSeededRng seeded;
  FzRng rng;
  FzStore *store;
  char *account_id;
  char *site_id;
} StoreBed;

void store_bed_set_up (StoreBed *bed, gconstpointer data);
void store_bed_tear_down (StoreBed *bed, gconstpointer data);

#define STORE_BED_ADD(path, function)                                                              \
  g_test_add (path, StoreBed, NULL, store_bed_set_up, function, store_bed_tear_down)

char *store_bed_add_actor (StoreBed *bed, const char *name); /* its id; free with g_free */

/* A client's token for @actor_id; @out_text: as it is shown once, may be NULL. */
FzTokenRecord *store_bed_client_token (StoreBed *bed, const char *actor_id, char **out_text);

/* The device that comes with @token and says @external_id. */
FzDeviceRecord *
store_bed_connect_client (StoreBed *bed, const FzTokenRecord *token, const char *external_id);
