/* fz-portal.h
 *
 * The control plane as the engine sees it: portal messages come out as commands,
 * the engine's events go in. Holds the connection up by itself. On the default
 * main context.
 */
#pragma once

#include "src/base/fz-log.h"
#include "src/engine/fz-command.h"
#include "src/engine/fz-event.h"
#include "src/portal/fz-login-url.h"
#include "src/portal/fz-portal-error.h"
#include "src/portal/fz-token.h"

#include <glib.h>

/* The components we present ourselves as, at the feature level that we implement
 * (portal-protocol.md §3.2, §11.2): the portal decides by them what it may send. */
#define FZ_PORTAL_COMPONENT_HEADLESS "headless-client/1.5.12"
#define FZ_PORTAL_COMPONENT_GATEWAY  "gateway/1.6.1"

typedef struct {
  FzLoginUrlConfig login; /* texts are copied */
  const FzToken *token;   /* copied */
  const char *component;  /* FZ_PORTAL_COMPONENT_… */
  uint64_t budget_ns;     /* of retries once connected; FZ_BACKOFF_UNLIMITED */
  bool is_patient;        /* the budget holds before the first connection too, instead of 15 s */
  uint32_t mark;          /* SO_MARK of the sockets; 0: none */
  FzRng rng;
  FzLog log;
  unsigned speed; /* tests, see FzPhoenixConfig */
} FzPortalConfig;

/* Called from the main loop; any of them may free the portal. */
typedef struct {
  /* @command: borrowed. FZ_COMMAND_PORTAL_CONNECTED and _DISCONNECTED are among them. */
  void (*on_command) (const FzCommand *command, gpointer user_data);

  /* @error: FZ_PORTAL_ERROR, fatal: nobody tries again; its text is for people. */
  void (*on_failed) (const GError *error, gpointer user_data);

  void (*on_closed) (gpointer user_data); /* after fz_portal_close */
} FzPortalCallbacks;

typedef struct FzPortal FzPortal;

/* @error: FZ_PORTAL_ERROR_BAD_URL. */
FzPortal *fz_portal_new (const FzPortalConfig *config,
                         const FzPortalCallbacks *callbacks,
                         gpointer user_data,
                         GError **error);
void fz_portal_free (FzPortal *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzPortal, fz_portal_free)

/* Connects, or reconnects at once, with the engine's public key of now. */
void fz_portal_connect (FzPortal *self, const uint8_t public_key[FZ_KEY_SIZE]);

/* Leaves gracefully; on_closed follows within a second. */
void fz_portal_close (FzPortal *self);

/* Passes an event of the engine on; those that are not for the portal are ignored, but
 * FZ_EVENT_PUBLIC_KEY_CHANGED reconnects. */
void fz_portal_handle_event (FzPortal *self, const FzEvent *event);

/* Whom to ask for the portal's name from the next connection on: the machine's own resolvers while
 * it asks our stub for everything else; none: as the system does. */
void fz_portal_set_resolvers (FzPortal *self, const FzSocketAddress *resolvers, size_t n);

bool fz_portal_is_connected (const FzPortal *self);

/* Why it is not connected, as far as known; NULL: it is, or has not failed yet. Valid until the
 * main loop runs again. */
const char *fz_portal_get_problem (const FzPortal *self);

/* Whether it was the portal that said no, the last time. */
FzPortalRefusal fz_portal_get_refusal (const FzPortal *self);
uint64_t fz_portal_get_rtt_ns (const FzPortal *self); /* of a heartbeat; 0: unknown */
