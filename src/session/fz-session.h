/* fz-session.h
 *
 * One signed-in tunnel: a portal connection, an engine and everything around it,
 * from a token to a working interface. It knows no signals, files, environment
 * or exit codes: the headless client, the gateway and the desktop's helper each
 * wrap it in their own way. On the default main context.
 *
 *               portal joined, interface set
 *   CONNECTING ─────────────────────────────► CONNECTED ◄──► PORTAL_AWAY
 *        └──────── stop, or an error ─────────────┴──► ENDED ◄──┘
 */
#pragma once

#include "platform/fz-platform.h"
#include "src/engine/fz-engine.h"
#include "src/portal/fz-portal.h"
#include "src/runtime/fz-host.h"

#include <glib.h>

typedef enum {
  FZ_SESSION_CONNECTING,  /* no portal has let us in yet, or it has not named our addresses */
  FZ_SESSION_CONNECTED,   /* interface configured and portal there */
  FZ_SESSION_PORTAL_AWAY, /* traffic goes on; what needs the portal waits */
  FZ_SESSION_ENDED,       /* after on_ended */
} FzSessionState;

typedef enum {
  FZ_SESSION_NOTICE_GATEWAYS_OFFLINE, /* no gateway of the resource's site is online */
  FZ_SESSION_NOTICE_VERSION_MISMATCH, /* this client is too old or too new for them */
} FzSessionNotice;

/* All from the main loop. */
typedef struct {
  /* (optional) Entered @state. In CONNECTED for the first time, routes and addresses are set. */
  void (*on_state) (FzSessionState state, gpointer user_data);

  /* (optional) fz_session_get_resources has something new; clients only. */
  void (*on_resources) (gpointer user_data);

  /* (optional) Something a user should hear; once per resource and session. */
  void (*on_notice) (FzSessionNotice notice, const FzUuid *resource_id, gpointer user_data);

  /* Over: @error is NULL after fz_session_stop, else FZ_PORTAL_ERROR, FZ_HOST_ERROR or
   * FZ_PLATFORM_ERROR with a sentence for people. Nothing follows; may free the session. */
  void (*on_ended) (const GError *error, gpointer user_data);
} FzSessionCallbacks;

typedef struct {
  FzPortalConfig portal; /* role, URL, identity, token; log, rng and mark are filled in here */
  FzHostConfig host;     /* platform and sizes; role, log and callbacks are filled in here */
  FzLog log;             /* its sink outlives the session */
} FzSessionConfig;

typedef struct FzSession FzSession;

/**
 * fz_session_new:
 *
 * Opens TUN and sockets and starts to connect. What a killed process left
 * behind is removed first.
 *
 * Returns: NULL with FZ_PORTAL_ERROR_BAD_URL, FZ_HOST_ERROR or FZ_PLATFORM_ERROR
 */
FzSession *fz_session_new (const FzSessionConfig *config,
                           const FzSessionCallbacks *callbacks,
                           gpointer user_data,
                           GError **error);

/* Goodbye to all peers, routes and device removed at once; the portal is left gracefully, then
 * on_ended follows, within a second. */
void fz_session_stop (FzSession *self);

/* Without ceremony where it still runs; on_ended is not called. */
void fz_session_free (FzSession *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzSession, fz_session_free)

FzSessionState fz_session_get_state (const FzSession *self);
const char *fz_session_describe_state (FzSessionState state); /* a sentence for people */

/* The network has changed, or somebody asks for it: paths are made anew. Clients only. */
void fz_session_reset_network (FzSession *self);

/* Clients: what there is to reach; valid until the main loop runs again. */
size_t fz_session_get_resources (FzSession *self, const FzResourceView **out);

FzHost *fz_session_get_host (FzSession *self); /* for its metrics */
