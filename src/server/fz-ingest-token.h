/* fz-ingest-token.h
 *
 * The JWT that every authorization must carry, wanted or not: peers discard the
 * whole message without one (portal-protocol.md §4.8). Uploads stay disabled.
 */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char *account_id;
  const char *initiator_device_id;
  const char *responder_device_id;
  const char *authorization_id;
  const char *policy_id;
  const char *resource_id;
  const char *resource_name;
  const char *resource_address; /* or NULL, like the ones below */
  const char *actor_id;         /* not NULL */
  const char *actor_name;       /* not NULL */
  const char *actor_email;
  const char *client_version;
  const char *device_serial;
  const char *device_uuid;
  int64_t authorized_at; /* unix seconds */
  int64_t expires_at;    /* of the authorization */
} FzIngestClaims;

/* HS256 over compact JSON; @role is "initiator" or "responder"; g_free. */
char *fz_ingest_token_mint (const FzIngestClaims *claims, const char *role, const uint8_t key[32]);
