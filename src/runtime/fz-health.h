/* fz-health.h
 *
 * A tiny HTTP server for supervisors: GET /healthz answers 200 while the main
 * loop runs, GET /readyz 200 or 503 as the program says, GET /metrics the counters
 * where the program offers them, anything else 404. One request per connection,
 * bounded in size, number and time.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct FzHealth FzHealth;

typedef struct {
  bool (*is_ready) (gpointer user_data);
  /* FZ_METRICS_MIME_TYPE, g_free'd by the server; NULL: /metrics is 404 */
  char *(*dump_metrics) (gpointer user_data);
  gpointer user_data;
} FzHealthCallbacks;

/**
 * fz_health_new:
 * @address: "127.0.0.1:8080", "[::1]:8080", port 0 for any; "off" or "" serves nothing
 *
 * Returns: NULL with @error set, or NULL without one for "off"
 */
FzHealth *fz_health_new (const char *address, const FzHealthCallbacks *callbacks, GError **error);
void fz_health_free (FzHealth *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzHealth, fz_health_free)

uint16_t fz_health_get_port (const FzHealth *self);
