/* fz-version.h
 *
 * What a peer says it is in its User-Agent, and what follows from its version
 * (portal-protocol.md §§3.2, 8.5, 11). Pure functions.
 */
#pragma once

#include <stdbool.h>

typedef enum {
  FZ_COMPONENT_UNKNOWN,
  FZ_COMPONENT_RELAY,
  FZ_COMPONENT_CONNLIB,
  FZ_COMPONENT_HEADLESS,
  FZ_COMPONENT_GUI,
  FZ_COMPONENT_APPLE,
  FZ_COMPONENT_ANDROID,
  FZ_COMPONENT_GATEWAY,
} FzComponent;

typedef struct {
  FzComponent component;
  bool has_version; /* the fields below came from a strict X.Y.Z */
  unsigned major;
  unsigned minor;
  unsigned patch;
} FzVersion;

#define FZ_VERSION_TEXT_MAX 36

FzVersion fz_version_from_user_agent (const char *user_agent); /* NULL is unknown */

/* "1.5.11", or "" without a version. */
const char *fz_version_format (const FzVersion *version, char out[FZ_VERSION_TEXT_MAX]);

/* Whether the component is one that clients have; others are refused. */
bool fz_version_is_known_component (const FzVersion *version);

/* Whether a client speaks what this portal answers; one without version may. */
bool fz_version_is_served (const FzVersion *client);

/* Gateway minor from client minor - 1 to client minor + 1. A client without version goes with any
 * gateway, a gateway without version with no other client. */
bool fz_version_gateway_fits_client (const FzVersion *gateway, const FzVersion *client);

/* "sites" and "site_id" rather than "gateway_groups" and "gateway_group_id". */
bool fz_version_has_sites (const FzVersion *client);

/* Whether a resource may change its site in place; others need it deleted first. */
bool fz_version_can_move_resource (const FzVersion *client);

/* Whether the client knows the internet resource. */
bool fz_version_has_internet (const FzVersion *client);
