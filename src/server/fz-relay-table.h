/* fz-relay-table.h
 *
 * Which relays there are, and which two of them each peer is given
 * (portal-protocol.md §§4.5, 8.8). Firezone relays come and go with their
 * websockets; static ones (coturn) are always there. A change is announced once
 * things have been quiet for the debounce time.
 *
 * The choice for a device is a fixed shuffle of the relays, so that it gets the
 * same ones after a reconnect and devices spread evenly.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

#define FZ_RELAYS_PER_PEER 2u

typedef struct FzRelayTable FzRelayTable;

typedef enum {
  FZ_RELAY_REGISTERED, /* a Firezone relay, by its websocket */
  FZ_RELAY_STORED,     /* coturn, from the database */
  FZ_RELAY_CONFIGURED, /* coturn, from the command line */
} FzRelayOrigin;

typedef struct {
  FzRelayOrigin origin;
  char *id;
  char *ipv4;   /* "192.0.2.1:3478" or NULL */
  char *ipv6;   /* "[2001:db8::1]:3478" or NULL */
  char *secret; /* stamp secret, or the shared secret of coturn's REST API */
} FzRelay;

/* @changed: called @debounce_ms after the last change. */
FzRelayTable *
fz_relay_table_new (unsigned debounce_ms, void (*changed) (void *context), void *context);
void fz_relay_table_free (FzRelayTable *self);

/* Adds or replaces; texts are copied. */
void fz_relay_table_put (FzRelayTable *self, const FzRelay *relay);
void fz_relay_table_remove (FzRelayTable *self, const char *id);
unsigned fz_relay_table_count (const FzRelayTable *self);
void fz_relay_table_foreach (FzRelayTable *self,
                             void (*visit) (const FzRelay *relay, void *context),
                             void *context);

/* -- what one peer has been given -- */

typedef struct {
  const char *device_id;
  const char *public_key;
  int64_t expires_at; /* unix seconds, of its credentials */
  GHashTable *given;  /* relay ids; owned */
} FzRelayView;

void fz_relay_view_init (FzRelayView *self,
                         const char *device_id,
                         const char *public_key,
                         int64_t expires_at);
void fz_relay_view_clear (FzRelayView *self);

/* A fresh choice as the wire shows it, remembered as given. */
JsonArray *fz_relay_view_choose (FzRelayView *self, FzRelayTable *table);

/* Payload of "relays_presence" with nothing disconnected: the answer to "no_relays". */
JsonObject *fz_relay_view_refresh (FzRelayView *self, FzRelayTable *table);

/* The same after a change, or NULL if this peer need not be told. */
JsonObject *fz_relay_view_update (FzRelayView *self, FzRelayTable *table);
