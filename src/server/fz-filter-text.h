/* fz-filter-text.h
 *
 * Packet filters of a resource as people write them ("tcp/443",
 * "udp/5000-6000", "icmp", "tcp") and as the wire carries them.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

#define FZ_FILTERS_MAX 64u /* per resource */

/* One filter as a wire object; NULL with INVALID. */
JsonObject *fz_filter_from_text (const char *text, GError **error);

/* Many as the text of a JSON array, at most FZ_FILTERS_MAX; g_free. */
char *fz_filters_from_text (const char *const *texts, GError **error);

/* One wire object as people write it; g_free. */
char *fz_filter_to_text (JsonObject *filter);
