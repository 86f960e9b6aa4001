/* fz-pending.h
 *
 * Authorizations that wait for their gateway's answer (portal-protocol.md
 * §8.5): at most 15 s, at most one per client and resource. The reference a
 * gateway echoes is signed, so an answer that comes late is told from one that
 * was made up without remembering anything.
 */
#pragma once

#include "src/base/fz-rng.h"

#include <glib.h>
#include <json-glib/json-glib.h>

typedef struct FzPendingTable FzPendingTable;

typedef struct {
  const char *client_id;
  const char *resource_id;
  const char *gateway_id;
  JsonObject *answer; /* what the client gets */
} FzPending;

typedef enum {
  FZ_PENDING_FOUND,
  FZ_PENDING_LATE,   /* ours, but timed out, replaced or answered already */
  FZ_PENDING_FORGED, /* not ours, or another gateway's */
} FzPendingResult;

/* @timed_out: called for each that got no answer; @pending lives until it returns. */
FzPendingTable *fz_pending_table_new (const FzRng *rng,
                                      unsigned timeout_ms,
                                      void (*timed_out) (const FzPending *pending, void *context),
                                      void *context);
void fz_pending_table_free (FzPendingTable *self);

/* Replaces what waits for the same client and resource. Takes @answer; returns the reference,
 * g_free. */
char *fz_pending_table_add (FzPendingTable *self,
                            const char *client_id,
                            const char *resource_id,
                            const char *gateway_id,
                            JsonObject *answer);

/* The answer of @gateway_id to @ref; FOUND calls @use once and forgets the entry. */
FzPendingResult fz_pending_table_take (FzPendingTable *self,
                                       const char *ref,
                                       const char *gateway_id,
                                       void (*use) (const FzPending *pending, void *context),
                                       void *context);

/* Everything that waits for a client that left. */
void fz_pending_table_drop_client (FzPendingTable *self, const char *client_id);

/* What waits for one resource of a client, because it lost the right meanwhile. */
void fz_pending_table_drop (FzPendingTable *self, const char *client_id, const char *resource_id);

unsigned fz_pending_table_count (const FzPendingTable *self);
