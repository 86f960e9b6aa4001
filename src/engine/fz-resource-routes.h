/* fz-resource-routes.h
 *
 * What a resource means for routing: the entries it has in policies, at both
 * ends (tunnel.md §§3.3, 6.4).
 */
#pragma once

#include "src/dataplane/fz-policy.h"
#include "src/engine/fz-model.h"

#include <glib.h>

/* Appends FzPolicyEntry values that borrow from @resource; packets go to @peer (NULL: the engine).
 * Nothing for resources that are routed by name. */
void fz_resource_routes_append (GArray *entries, const FzResource *resource, struct FzPeer *peer);

/* Addresses that the Internet resource never claims: the tunnel's own ranges at a client, all
 * that is not the Internet at a gateway. */
void fz_resource_routes_append_holes (GArray *entries, const FzIpNetwork *networks, size_t n);
