/* fz-mirror.h
 *
 * Resource, Gateway and Relay objects on the bus, made after the session's
 * views: what is new is added, what has changed is set, what is gone goes. The
 * tree tells only what differs, so a look that finds nothing costs no message.
 *
 * An account may have thousands of resources, and a look comes each second:
 *
 *   short look   relays, gateways, and the resources that a gateway carries: their counters and
 *                times change without notice
 *   whole look   all resources. When the session has news, while a resource is on its way to a
 *                gateway, when the gateways are others than before, and now and then
 *
 * Main thread.
 */
#pragma once

#include "src/ipc/fz-ipc-tree.h"
#include "src/session/fz-session.h"

#define FZ_MIRROR_SHORT_LOOKS 10u /* then a whole one, even if nothing asks for it */

typedef struct FzMirror FzMirror;

FzMirror *fz_mirror_new (FzIpcTree *tree); /* borrowed, outlives the mirror */
void fz_mirror_free (FzMirror *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzMirror, fz_mirror_free)

/**
 * fz_mirror_update:
 * @session: NULL: there is nothing to show
 * @has_news: the session has said that there is something new: names and addresses are compared too
 */
void fz_mirror_update (FzMirror *self, FzSession *session, bool has_news);

/* -- pieces, for tests -- */
const char *fz_mirror_reach_name (FzReach reach);             /* Resource.State */
const char *fz_mirror_path_name (FzReach reach);              /* Gateway.Path */
const char *fz_mirror_kind_name (const FzResource *resource); /* Resource.Kind */
char *fz_mirror_dup_address (const FzResource *resource);     /* Resource.Address */
