/* fz-server.h
 *
 * The running portal, put together: database, hub, HTTP server, control socket,
 * and the main loop until a signal ends it.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
  const char *database_path;
  const char *const *listen;          /* at least one */
  const char *const *coturn;          /* "IP:PORT" or "IP:PORT,[IP]:PORT", or NULL */
  const char *coturn_secret_file;     /* with @coturn */
  const char *const *trusted_proxies; /* or NULL */
  const char *external_url;           /* NULL: made from the first listening address */
  const char *tls_certificate;        /* PEM files, both or neither */
  const char *tls_key;
  const char *log_format; /* "json" or "human" */
  const char *log_filter; /* "info", "debug,store=trace" */
} FzServerOptions;

/* Serves until SIGTERM or SIGINT; false with @error if it could not start. */
bool fz_server_run (const FzServerOptions *options, GError **error);

/* Content of a file with a secret, without spaces around it; g_free. */
char *fz_server_read_secret (const char *path, GError **error);
