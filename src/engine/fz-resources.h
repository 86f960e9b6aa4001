/* fz-resources.h
 *
 * The client's resources and the sites they live in: what the portal listed,
 * what of it is reachable, and how that looks to the application (tunnel.md
 * §§2.2, 2.6, 2.7). Knows nothing of peers or packets.
 */
#pragma once

#include "src/base/fz-instant.h"
#include "src/engine/fz-engine.h"

#include <glib.h>

#define FZ_SITE_OFFLINE_S 300u /* after that its status is unknown again, tunnel.md §2.6 */

typedef struct FzResources FzResources;

FzResources *fz_resources_new (void);
void fz_resources_free (FzResources *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzResources, fz_resources_free)

/* -- what there is -- */

size_t fz_resources_get_count (const FzResources *self);
const FzResource *fz_resources_find (const FzResources *self, const FzUuid *id); /* or NULL */
const FzResource *fz_resources_get (const FzResources *self, size_t index); /* order of arrival */

/* Adds @resource, or replaces the one with its id. The caller has dealt with what depends on the
 * old one if fz_resource_has_same_access says that they differ. */
void fz_resources_put (FzResources *self, const FzResource *resource);
bool fz_resources_remove (FzResources *self, const FzUuid *id); /* false: not known */

/* -- sites -- */

void fz_resources_set_site_status (FzResources *self,
                                   const FzUuid *site_id,
                                   FzResourceStatus status,
                                   FzInstant now);
FzResourceStatus fz_resources_get_status (const FzResources *self, const FzResource *resource);
void fz_resources_handle_timeout (FzResources *self, FzInstant now);
FzInstant fz_resources_next_timeout (const FzResources *self);

/* -- for the application -- */

/* Internet first, then by name and id; valid until the next change. */
size_t fz_resources_get_view (FzResources *self, const FzResourceView **out);

/* True once after the view has come to differ from the one at the last true. */
bool fz_resources_poll_changed (FzResources *self);
