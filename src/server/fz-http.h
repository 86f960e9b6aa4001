/* fz-http.h
 *
 * The HTTP side of the portal: listening sockets, TLS, the router table,
 * the door through which requests become websockets, and what stands between
 * libsoup and the sign-in pages.
 */
#pragma once

#include "src/crypto/fz-password.h"
#include "src/server/fz-hub.h"

#include <gio/gio.h>
#include <glib.h>

typedef struct FzHttp FzHttp;

#define FZ_HTTP_PROXIES_MAX 32u

typedef struct {
  FzLog log;
  const char *const *listen;          /* "192.0.2.1:8080", "[::]:8080"; port 0: any */
  const char *const *trusted_proxies; /* networks whose X-Forwarded-For is believed, or NULL */
  GTlsCertificate *certificate;       /* NULL: plain HTTP, for a reverse proxy in front */
  int64_t connect_interval_us;        /* between connects of one token from one address */
  bool is_https_outside;              /* browsers see us as https, whatever we speak ourselves */
  FzPasswordCost password_cost;
} FzHttpConfig;

/* Does not listen yet. @store and @hub outlive it. */
FzHttp *fz_http_new (FzStore *store, FzHub *hub, const FzHttpConfig *config, GError **error);
void fz_http_free (FzHttp *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzHttp, fz_http_free)

bool fz_http_listen (FzHttp *self, GError **error);

/* "http://127.0.0.1:8080/", NULL-terminated; known after listening. */
GStrv fz_http_uris (FzHttp *self);
