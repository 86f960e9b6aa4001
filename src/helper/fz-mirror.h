/* fz-mirror.h
 *
 * Resource, Gateway and Relay objects on the bus, made after the session's
 * views: what is new is added, what has changed is set, what is gone goes. The
 * tree tells only what differs, so a look that finds nothing costs no message.
 * Main thread.
 */
#pragma once

#include "src/ipc/fz-ipc-tree.h"
#include "src/session/fz-session.h"

typedef struct FzMirror FzMirror;

FzMirror *fz_mirror_new (FzIpcTree *tree); /* borrowed, outlives the mirror */
void fz_mirror_free (FzMirror *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzMirror, fz_mirror_free)

/**
 * fz_mirror_update:
 * @session: NULL: there is nothing to show
 * @has_news: the session has said that there is something new; without that only what changes by
 *   itself is compared (round-trip times, counters), for an account may have thousands of resources
 */
void fz_mirror_update (FzMirror *self, FzSession *session, bool has_news);

/* -- pieces, for tests -- */
const char *fz_mirror_reach_name (FzReach reach);             /* Resource.State */
const char *fz_mirror_path_name (FzReach reach);              /* Gateway.Path */
const char *fz_mirror_kind_name (const FzResource *resource); /* Resource.Kind */
char *fz_mirror_dup_address (const FzResource *resource);     /* Resource.Address */
