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

#include "platform/fz-dns-control.h"
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
  FZ_SESSION_NOTICE_DENIED,           /* the portal does not allow it, as things are now */
} FzSessionNotice;

/* All from the main loop. */
typedef struct {
  /* (optional) Entered @state. In CONNECTED for the first time, routes and addresses are set. */
  void (*on_state) (FzSessionState state, gpointer user_data);

  /* (optional) fz_session_get_resources or _get_gateways has something new; clients only. Byte
   * counts and round-trip times change without notice. */
  void (*on_resources) (gpointer user_data);

  /* (optional) What fz_session_get_dns() says has changed. */
  void (*on_dns) (gpointer user_data);

  /* (optional) Something a user should hear; once per resource and session. */
  void (*on_notice) (FzSessionNotice notice, const FzUuid *resource_id, gpointer user_data);

  /* (optional) The portal was lost, could not be reached or said no, and is tried again; @why: for
   * people. */
  void (*on_portal_problem) (FzPortalRefusal refusal, const char *why, gpointer user_data);

  /* (optional) The portal is there, but what it says about us cannot be used, so there is no
   * interface; @why: for people. It may say something better later. */
  void (*on_unusable) (const char *why, gpointer user_data);

  /* Over: @error is NULL after fz_session_stop, else FZ_PORTAL_ERROR, FZ_HOST_ERROR or
   * FZ_PLATFORM_ERROR with a sentence for people. Nothing follows; may free the session. */
  void (*on_ended) (const GError *error, gpointer user_data);
} FzSessionCallbacks;

typedef struct {
  FzPortalConfig portal; /* role, URL, identity, token; log, rng and mark are filled in here */
  FzHostConfig host;     /* platform and sizes; role, log and callbacks are filled in here */
  bool is_internet_on;   /* clients: the switch's first position */
  FzDnsControl *dns;     /* clients: borrowed, outlives the session; NULL: DNS is left alone */
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
const char *fz_session_notice_name (FzSessionNotice notice);  /* "gateways-offline" */
const char *fz_session_describe_state (FzSessionState state); /* a sentence for people */

/* The network has changed, or somebody asks for it: paths are made anew. Clients only. */
void fz_session_reset_network (FzSession *self);

/* -- what a person wants to see; clients; valid until the main loop runs again -- */
size_t fz_session_get_resources (FzSession *self, const FzResourceView **out);
size_t fz_session_get_gateways (FzSession *self, const FzGatewayView **out);
size_t fz_session_get_relays (FzSession *self, const FzRelayView **out);

/* Addresses of the interface; false before the portal has named them. */
bool fz_session_get_addresses (FzSession *self, FzIp *out_ipv4, FzIp *out_ipv6);
uint32_t fz_session_get_portal_rtt_us (FzSession *self); /* 0: unknown */

typedef enum {
  FZ_SESSION_INTERNET_UNAVAILABLE, /* the account has no Internet resource for us */
  FZ_SESSION_INTERNET_OFF,
  FZ_SESSION_INTERNET_ON,
} FzSessionInternet;

/* The switch may be set before there is such a resource, and is kept. Clients only. */
void fz_session_set_internet (FzSession *self, bool is_on);
FzSessionInternet fz_session_get_internet (FzSession *self);

/* The control it was given, for its getters: mode, state, error, servers, upstreams; may be NULL.
 */
const FzDnsControl *fz_session_get_dns (const FzSession *self);

FzHost *fz_session_get_host (FzSession *self); /* for its metrics */
