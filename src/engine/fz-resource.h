/* fz-resource.h
 *
 * Owned copies of the borrowed values that commands carry (fz-model.h), the
 * checks they must pass, and the one comparison that matters: would a change
 * cut flows (tunnel.md §2.2)?
 */
#pragma once

#include "src/engine/fz-model.h"

#include <glib.h>

/* FZ_ENGINE_ERROR_TOO_MANY for a list over its limit, …_INVALID for what no peer may send. */
bool fz_resource_check (const FzResource *resource, GError **error);
FzResource *fz_resource_dup (const FzResource *resource);
void fz_resource_free (FzResource *resource); /* of fz_resource_dup only */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzResource, fz_resource_free)

/* Same kind, address, sites (by id, as sets) and filters (as sets): names may differ. */
bool fz_resource_has_same_access (const FzResource *a, const FzResource *b);
bool fz_resource_has_site (const FzResource *resource, const FzUuid *site_id);

bool fz_interface_check (const FzInterface *interface, GError **error);
FzInterface *fz_interface_dup (const FzInterface *interface);
void fz_interface_free (FzInterface *interface); /* of fz_interface_dup only */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzInterface, fz_interface_free)
bool fz_interface_equal (const FzInterface *a, const FzInterface *b);
