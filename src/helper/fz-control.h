/* fz-control.h
 *
 * The tunnel as people steer it: a credential, a wish, at most one session, and
 * between them the rule that what is should become what was last asked for.
 * Knows no bus: the service translates between this and D-Bus, tests drive it
 * directly.
 *
 * Every call changes credential or wish and then lets advance () find out what
 * to do next, so that calls in any order and at any moment end in the state of
 * the last one. A portal that is away costs nothing but time: attempts go on
 * for as long as the wish stands. A token that the portal does not accept any
 * more is forgotten.
 *
 * Default main context. Callbacks come from the main loop or from within a
 * call; they may call anything but fz_control_free.
 */
#pragma once

#include "platform/fz-platform.h"
#include "src/helper/fz-credential-store.h"
#include "src/helper/fz-service-state.h"
#include "src/session/fz-session.h"

#include <gio/gio.h>

#define FZ_CONTROL_RETRY_FIRST_NS  (1 * FZ_S)
#define FZ_CONTROL_RETRY_MAX_NS    (60 * FZ_S)
#define FZ_CONTROL_DEVICE_ATTEMPTS 3u /* in a row, then it is an error */
#define FZ_CONTROL_EXPIRY_CHECK_S  20u

/* Zero-initialise it. All but the store is borrowed for the control's life. */
typedef struct {
  FzSessionConfig session; /* all but token, URL and log; also who this device is, and patience */
  FzCredentialStore *store;
  const char *default_api_url; /* copied */
  FzLog log;
} FzControlConfig;

typedef struct {
  /* State, reason, detail, portal state, owner, credential or wish may differ. */
  void (*on_changed) (gpointer user_data);

  /* (optional) Something worth a notification; @details: a{sv}, floating. */
  void (*on_event) (const char *id, GVariant *details, gpointer user_data);

  /* After fz_control_stop: nothing runs any more. From the main loop. */
  void (*on_stopped) (gpointer user_data);
} FzControlCallbacks;

typedef struct FzControl FzControl;

/* Nothing is asked of it yet. */
FzControl *fz_control_new (const FzControlConfig *config,
                           const FzControlCallbacks *callbacks,
                           gpointer user_data);
void fz_control_free (FzControl *self); /* without ceremony */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzControl, fz_control_free)

/* Takes up what an earlier process left with the service manager. False: there was nothing. */
bool fz_control_restore (FzControl *self);

/* Ends the session gracefully; what is kept stays kept. on_stopped follows. */
void fz_control_stop (FzControl *self);

/* -- what people ask for -- */

/* Takes @credential. Another one than before also takes back the wish to be connected. */
void fz_control_set_credential (FzControl *self, FzCredential *credential);

/* @reason: FZ_REASON_USER or FZ_REASON_OWNER_LEFT. */
void fz_control_clear_credential (FzControl *self, FzServiceReason reason);

/* False: there is no credential. */
bool fz_control_connect (FzControl *self);
void fz_control_disconnect (FzControl *self);
void fz_control_reconnect (FzControl *self);

/* Kept until the credential goes. */
void fz_control_set_internet (FzControl *self, bool is_on);

/* For credentials that name no portal of their own; in force from the next session on. Copied. */
void fz_control_set_default_api_url (FzControl *self, const char *url);

/* The owner was seen here; part of what is kept. */
void fz_control_note_owner (FzControl *self, bool was_here);

/* -- what is so -- */

const FzServiceMachine *fz_control_get_machine (const FzControl *self);
FzPortalState fz_control_get_portal_state (const FzControl *self);
const FzCredential *fz_control_get_credential (const FzControl *self); /* NULL: signed out */
const FzWish *fz_control_get_wish (const FzControl *self);
const char *fz_control_get_api_url (const FzControl *self); /* "" without a credential */

/* NULL: none, or one that is ending. */
FzSession *fz_control_get_session (FzControl *self);

/* Whether there is one that is ending; it may still have something to say about what it was. */
bool fz_control_is_ending (const FzControl *self);

/* Whether it has an interface. */
bool fz_control_is_up (const FzControl *self);

/* What a session's @error means; whether trying again can help. */
FzServiceReason fz_control_map_error (const GError *error, bool *out_is_final);
