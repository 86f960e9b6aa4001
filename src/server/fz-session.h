/* fz-session.h
 *
 * Who is at the other end of a websocket, as established by the upgrade: the
 * token that let it in, the device it is, and what it said about itself. Made
 * by fz-upgrade, owned by the socket, read by the channels.
 */
#pragma once

#include "src/server/fz-store.h"
#include "src/server/fz-version.h"

#include <glib.h>
#include <stdbool.h>

typedef enum {
  FZ_ROLE_CLIENT,
  FZ_ROLE_GATEWAY,
  FZ_ROLE_RELAY,
} FzRole;

typedef struct {
  FzRole role;
  bool is_legacy; /* came in on a path without "v2": older message names (§11.1) */
  FzTokenRecord *token;
  FzDeviceRecord *device; /* as of the upgrade; NULL for relays */
  FzVersion version;
  char *version_text; /* or NULL */
  char *user_agent;   /* never NULL */
  char *remote_ip;
  char *public_key;    /* clients and gateways */
  char *device_serial; /* or NULL */
  char *device_uuid;   /* or NULL */
  char *relay_ipv4;    /* "192.0.2.1:3478" or NULL */
  char *relay_ipv6;    /* "[2001:db8::1]:3478" or NULL */
} FzSession;

const char *fz_role_name (FzRole role); /* "client", also the topic */

void fz_session_free (FzSession *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzSession, fz_session_free)
