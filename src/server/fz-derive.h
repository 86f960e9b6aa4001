/* fz-derive.h
 *
 * Values the portal derives and both ends of a connection are given
 * (portal-protocol.md §§8.6, 8.8): preshared keys, ICE credentials, relay ids
 * and TURN credentials. Pure functions; keys are base64 text and ids lower-case
 * UUIDs, as on the wire. Results are g_free'd.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char *id;
  const char *public_key;  /* base64 */
  const uint8_t *psk_base; /* 32 bytes */
} FzEnd;

/* WireGuard preshared key between a client and a gateway. */
char *fz_derive_psk (const FzEnd *client, const FzEnd *gateway);

/* Between two clients. */
char *fz_derive_psk_client_client (const FzEnd *initiator, const FzEnd *target);

typedef struct {
  char username[5];  /* 4 characters */
  char password[23]; /* 22 characters */
} FzIceSecret;

typedef struct {
  FzIceSecret initiator;
  FzIceSecret receiver;
} FzIceSecrets;

void fz_derive_ice (const FzEnd *initiator, const FzEnd *receiver, FzIceSecrets *out);

/* UUID of a relay that registered with @stamp_secret. */
char *fz_derive_relay_id (const char *stamp_secret);

/* "expires:salt" with the salt that belongs to @public_key. */
char *fz_derive_turn_username (int64_t expires_at, const char *public_key);

/* For a Firezone relay, @username as made above. */
char *fz_derive_turn_password (const char *stamp_secret, const char *username);

/* For coturn with "use-auth-secret". */
char *fz_derive_turn_rest_password (const char *secret, const char *username);
