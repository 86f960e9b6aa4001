/* fz-view.h
 *
 * The portal's records in the shapes that travel (portal-protocol.md §4): one
 * function per shape, each returning a new object or array. Pure functions.
 */
#pragma once

#include "src/server/fz-store.h"
#include "src/server/fz-version.h"

#include <json-glib/json-glib.h>

/* Addresses only for gateways (@account NULL), resolvers too for clients. */
JsonObject *fz_view_interface (const FzDeviceRecord *device, const FzAccount *account);

JsonObject *fz_view_flow_logs (const char *api_url);

JsonObject *fz_view_resource_for_client (const FzResourceRecord *resource, const FzVersion *client);
JsonObject *fz_view_resource_for_gateway (const FzResourceRecord *resource);

/* §4.9. */
JsonObject *fz_view_authorization (const FzGrant *grant);

/* {"gateway_id":…,"candidates":[…]}: @peer_member says whose they are. @candidates: NULL at the end
 */
JsonObject *
fz_view_candidates (const char *peer_member, const char *peer_id, const char *const *candidates);

/* {"username":…,"password":…} */
JsonObject *fz_view_ice_credentials (const char *username, const char *password);
