/* fz-owner-watch.h
 *
 * Whether the owner of the tunnel is still here: counts the login sessions of
 * one uid as logind knows them, and says when the last one has ended. An owner
 * who never had one (a script, a container) cannot leave. Where there is no
 * logind nobody ever leaves. Main loop.
 */
#pragma once

#include "src/base/fz-log.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
  void (*on_here) (gpointer user_data); /* the owner is seen for the first time */
  void (*on_left) (gpointer user_data); /* the last session has ended; once per being here */
} FzOwnerWatchCallbacks;

typedef struct FzOwnerWatch FzOwnerWatch;

FzOwnerWatch *
fz_owner_watch_new (const FzOwnerWatchCallbacks *callbacks, gpointer user_data, const FzLog *log);
void fz_owner_watch_free (FzOwnerWatch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzOwnerWatch, fz_owner_watch_free)

/**
 * fz_owner_watch_set:
 * @uid: UINT32_MAX: nobody
 * @was_here: the owner had a session before this process started
 *
 * Looks at once, from an idle source.
 */
void fz_owner_watch_set (FzOwnerWatch *self, uint32_t uid, bool was_here);

/* Login sessions of @uid that a person sits at: no greeters, none that is closing. */
unsigned fz_owner_count_sessions (uint32_t uid);
