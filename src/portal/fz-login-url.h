/* fz-login-url.h
 *
 * Where the portal's websocket is and how a process introduces itself there
 * (portal-protocol.md §3.1).
 */
#pragma once

#include "src/crypto/fz-crypto.h"
#include "src/dataplane/fz-snapshot.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
  FzRole role;               /* FZ_ROLE_CLIENT, FZ_ROLE_GATEWAY */
  const char *api_url;       /* ws, wss, http or https */
  const char *device_id;     /* as found; a bare UUID is hashed before it is sent */
  const char *name;          /* display name */
  const char *device_serial; /* client; NULL: unknown */
  const char *device_uuid;   /* client; NULL: unknown */
} FzLoginUrlConfig;

typedef struct {
  char *host; /* name or address, without brackets */
  uint16_t port;
  bool uses_tls;
  char *host_header; /* host without port; brackets around an IPv6 address */
  char *target;      /* path and query, without the public key */
} FzLoginUrl;

/* NULL with FZ_PORTAL_ERROR_BAD_URL, which quotes the URL. */
FzLoginUrl *fz_login_url_new (const FzLoginUrlConfig *config, GError **error);
void fz_login_url_free (FzLoginUrl *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzLoginUrl, fz_login_url_free)

/* The target of one connection: the key may change from one to the next. */
char *fz_login_url_dup_target (const FzLoginUrl *self, const uint8_t public_key[FZ_KEY_SIZE]);
