/* fz-account.c: see fz-account.h */
#include "src/app/fz-account.h"

#include "src/app/fz-app-log.h"
#include "src/app/fz-settings.h"
#include "src/ipc/fz-ipc-credential.h"
#include "src/ipc/fz-ipc-error.h"

#include <gio/gunixfdlist.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#define LEAVE_TIMEOUT_MS 5000

struct _FzAccount {
  GObject parent_instance;

  FzTunnelModel *tunnel;
  FzCredentialStore *store;
  GSettings *settings;
  FzSignIn *sign_in;
  GCancellable *cancellable;

  FzAccountPhase phase;
  FzAccountTrouble trouble;
  GError *error;
  char *link;               /* in BROWSER */
  bool is_browser_missing;  /* in BROWSER */
  guint expiry_id;          /* in BROWSER: when the question is too old */
  unsigned int incarnation; /* of the service, that was given what we have */
  bool wants_connection;    /* what the person had before a restart of the service */
  bool connect_after;       /* in RESUMING and HANDING_OVER: connect then */
  bool was_ours;            /* the service had a credential of this person's a moment ago */
};

G_DEFINE_FINAL_TYPE (FzAccount, fz_account, G_TYPE_OBJECT)

enum { SIGNAL_CHANGED, SIGNAL_BROWSE, N_SIGNALS };

static guint signals[N_SIGNALS];

static void
tell (FzAccount *self)
{
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
}

/* The link holds the nonce, the first part of the token to come. */
static void
wipe_text (char *text)
{
  sodium_memzero (text, strlen (text));
  g_free (text);
}

static void
set_phase (FzAccount *self, FzAccountPhase phase)
{
  self->phase = phase;
  if (phase != FZ_ACCOUNT_BROWSER) {
    g_clear_pointer (&self->link, wipe_text);
    g_clear_handle_id (&self->expiry_id, g_source_remove);
    self->is_browser_missing = false;
  }
  tell (self);
}

static void
set_trouble (FzAccount *self, FzAccountTrouble trouble, GError *error)
{
  g_clear_error (&self->error);
  self->error = error != NULL ? g_error_copy (error) : NULL;
  self->trouble = trouble;
  tell (self);
}

static void
log_call (const char *method, const GError *error)
{
  FzLog log = fz_app_log_for ("account");

  if (error == NULL)
    fz_log (&log,
            FZ_LOG_INFO,
            "call-accepted",
            "the tunnel service accepted a call",
            FZ_KV_TEXT ("method", method));
  else
    fz_log (&log,
            FZ_LOG_WARNING,
            "call-failed",
            "the tunnel service did not do what was asked",
            FZ_KV_TEXT ("method", method),
            FZ_KV_TEXT ("error", error->message));
}

/* -- one call at the service, whose failure is told -- */

typedef struct {
  FzAccount *account;
  const char *method; /* static */
} Call;

static void
on_called (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Call *call = user_data;
  g_autoptr (FzAccount) self = call->account;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      fz_tunnel_model_call_finish (FZ_TUNNEL_MODEL (source), result, NULL, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  log_call (call->method, error);
  if (reply == NULL)
    set_trouble (self, FZ_ACCOUNT_CALL_FAILED, error);
}

static void
call (FzAccount *self, const char *method, GVariant *arguments)
{
  Call *data = g_new0 (Call, 1);

  data->account = g_object_ref (self);
  data->method = method;
  fz_tunnel_model_call (self->tunnel, method, arguments, NULL, self->cancellable, on_called, data);
}

static GVariant *
make_options (void)
{
  return g_variant_new ("(a{sv})", NULL);
}

static void
call_connect (FzAccount *self)
{
  GVariantBuilder options;

  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  if (g_settings_get_boolean (self->settings, "internet-resource"))
    g_variant_builder_add (&options, "{sv}", "internet-resource", g_variant_new_boolean (TRUE));
  self->wants_connection = true;
  call (self, "Connect", g_variant_new ("(a{sv})", &options));
}

/* -- giving the service the token -- */

static void
on_given (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzAccount) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      fz_tunnel_model_call_finish (FZ_TUNNEL_MODEL (source), result, NULL, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  log_call ("SetCredential", error);
  if (self->phase == FZ_ACCOUNT_HANDING_OVER)
    set_phase (self, FZ_ACCOUNT_IDLE);
  if (reply == NULL)
    set_trouble (self, FZ_ACCOUNT_CALL_FAILED, error);
  else if (self->connect_after)
    call_connect (self);
}

static void
hand_over (FzAccount *self, const FzCredential *credential)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (GError) error = NULL;
  GVariantBuilder options;
  int fd = fz_ipc_credential_seal (credential->token, &error);
  int index = fd >= 0 ? g_unix_fd_list_append (fds, fd, &error) : -1;

  if (fd >= 0)
    close (fd);
  if (index < 0) {
    set_phase (self, FZ_ACCOUNT_IDLE);
    set_trouble (self, FZ_ACCOUNT_CALL_FAILED, error);
    return;
  }
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "account", g_variant_new_string (credential->account));
  g_variant_builder_add (&options, "{sv}", "actor", g_variant_new_string (credential->actor));
  if (credential->api_url[0] != '\0')
    g_variant_builder_add (&options, "{sv}", "api-url", g_variant_new_string (credential->api_url));

  set_phase (self, FZ_ACCOUNT_HANDING_OVER);
  fz_tunnel_model_call (self->tunnel,
                        "SetCredential",
                        g_variant_new ("(ha{sv})", index, &options),
                        fds,
                        self->cancellable,
                        on_given,
                        g_object_ref (self));
}

/* -- resuming -- */

static void
on_loaded (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzAccount) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (FzCredential) credential =
      fz_credential_store_load_finish (FZ_CREDENTIAL_STORE (source), result, &error);

  if (self->phase != FZ_ACCOUNT_RESUMING)
    return;
  if (credential != NULL && fz_tunnel_model_get_helper (self->tunnel) == FZ_HELPER_READY)
    hand_over (self, credential);
  else
    set_phase (self, FZ_ACCOUNT_IDLE);
}

static void
resume (FzAccount *self, bool connect_after)
{
  self->connect_after = connect_after;
  set_phase (self, FZ_ACCOUNT_RESUMING);
  fz_credential_store_load (self->store, self->cancellable, on_loaded, g_object_ref (self));
}

/* A service that has just appeared knows only what it was told since. */
static void
meet_service (FzAccount *self)
{
  bool is_first = self->incarnation == 0;
  bool wants = is_first ? fz_settings_get_switch (self->settings, self->tunnel, "connect-on-start")
                        : self->wants_connection;

  self->incarnation = fz_tunnel_model_get_incarnation (self->tunnel);
  if (fz_tunnel_model_get_state (self->tunnel) == FZ_TUNNEL_SIGNED_OUT) {
    if (self->phase == FZ_ACCOUNT_IDLE)
      resume (self, wants);
  } else if (wants && fz_tunnel_model_is_ours (self->tunnel) &&
             fz_tunnel_model_get_state (self->tunnel) == FZ_TUNNEL_OFFLINE)
    call_connect (self);
}

static void
forget_token (FzAccount *self, const char *event, const char *message)
{
  FzLog log = fz_app_log_for ("account");

  fz_credential_store_clear (self->store);
  fz_log_plain (&log, FZ_LOG_INFO, event, message);
}

/* The portal or the person ended the session. */
static void
notice_end (FzAccount *self)
{
  FzTunnelState state = fz_tunnel_model_get_state (self->tunnel);
  const char *reason = fz_tunnel_model_get_reason (self->tunnel);
  bool is_over = g_str_equal (reason, "session-expired") || g_str_equal (reason, "session-revoked");

  if (self->phase != FZ_ACCOUNT_IDLE || !self->was_ours)
    return;
  if (is_over && (state == FZ_TUNNEL_ERROR || state == FZ_TUNNEL_SIGNED_OUT)) {
    if (self->trouble == FZ_ACCOUNT_SESSION_OVER)
      return;
    forget_token (self, "session-over", "the portal wants a new sign-in");
    set_trouble (self, FZ_ACCOUNT_SESSION_OVER, NULL);
  } else if (state == FZ_TUNNEL_SIGNED_OUT && g_str_equal (reason, "user"))
    forget_token (self, "signed-out-elsewhere", "somebody signed out without the app");
}

static void
on_tunnel_changed (FzTunnelModel *tunnel, gpointer user_data)
{
  FzAccount *self = user_data;
  FzTunnelState state = fz_tunnel_model_get_state (tunnel);

  if (fz_tunnel_model_get_helper (tunnel) != FZ_HELPER_READY) {
    if (self->phase == FZ_ACCOUNT_SIGNING_OUT)
      set_phase (self, FZ_ACCOUNT_IDLE);
    tell (self);
    return;
  }
  if (self->incarnation != fz_tunnel_model_get_incarnation (tunnel)) {
    meet_service (self);
  } else {
    notice_end (self);
    if (state == FZ_TUNNEL_OFFLINE || state == FZ_TUNNEL_SIGNED_OUT)
      self->wants_connection = false;
    else if (state == FZ_TUNNEL_CONNECTING || state == FZ_TUNNEL_CONNECTED ||
             state == FZ_TUNNEL_DEGRADED)
      self->wants_connection = true;
  }
  if (state == FZ_TUNNEL_CONNECTED && self->trouble == FZ_ACCOUNT_SESSION_OVER)
    set_trouble (self, FZ_ACCOUNT_FINE, NULL);
  self->was_ours = fz_tunnel_model_is_ours (tunnel);
  tell (self);
}

/* -- signing in -- */

static gboolean
on_expired (gpointer user_data)
{
  FzAccount *self = user_data;

  self->expiry_id = 0;
  fz_sign_in_cancel (self->sign_in);
  set_phase (self, FZ_ACCOUNT_IDLE);
  set_trouble (self, FZ_ACCOUNT_TOO_LATE, NULL);
  return G_SOURCE_REMOVE;
}

void
fz_account_sign_in (FzAccount *self)
{
  g_autofree char *auth_url = fz_settings_dup_text (self->settings, self->tunnel, "auth-url");
  g_autofree char *api_url = fz_settings_dup_text (self->settings, self->tunnel, "api-url");
  g_autofree char *slug = fz_settings_dup_text (self->settings, self->tunnel, "account-slug");
  g_autoptr (GError) error = NULL;
  g_autofree char *link = NULL;

  if (self->phase != FZ_ACCOUNT_IDLE && self->phase != FZ_ACCOUNT_BROWSER)
    return;
  set_trouble (self, FZ_ACCOUNT_FINE, NULL);
  link = fz_sign_in_begin (self->sign_in, auth_url, g_strstrip (slug), api_url, &error);
  if (link == NULL) {
    set_trouble (self, FZ_ACCOUNT_BAD_ADDRESS, error);
    return;
  }

  g_clear_pointer (&self->link, wipe_text);
  self->link = g_steal_pointer (&link);
  self->is_browser_missing = false;
  g_clear_handle_id (&self->expiry_id, g_source_remove);
  self->expiry_id = g_timeout_add_seconds (FZ_SIGN_IN_SECONDS, on_expired, self);
  set_phase (self, FZ_ACCOUNT_BROWSER);
  g_signal_emit (self, signals[SIGNAL_BROWSE], 0, self->link);
}

void
fz_account_cancel (FzAccount *self)
{
  fz_sign_in_cancel (self->sign_in);
  if (self->phase == FZ_ACCOUNT_BROWSER)
    set_phase (self, FZ_ACCOUNT_IDLE);
}

void
fz_account_set_browser_failed (FzAccount *self)
{
  if (self->phase != FZ_ACCOUNT_BROWSER)
    return;
  self->is_browser_missing = true;
  tell (self);
}

/* The account's name is where the next sign-in begins, unless an administrator has named one. */
static void
remember_account (FzAccount *self, const char *slug)
{
  if (slug[0] != '\0' && !fz_settings_is_fixed (self->settings, self->tunnel, "account-slug"))
    g_settings_set_string (self->settings, "account-slug", slug);
}

void
fz_account_handle_link (FzAccount *self, const char *link)
{
  FzLog log = fz_app_log_for ("sign-in");
  g_autoptr (GError) error = NULL;
  g_autoptr (FzCredential) credential = fz_sign_in_answer (self->sign_in, link, &error);

  if (credential == NULL) {
    fz_log (&log,
            FZ_LOG_WARNING,
            "link-dropped",
            "a sign-in link was dropped",
            FZ_KV_TEXT ("error", error->message));
    return;
  }
  fz_log_plain (&log, FZ_LOG_INFO, "signed-in", "the browser came back with an answer");
  remember_account (self, credential->account);
  fz_credential_store_save (self->store, credential);
  self->connect_after = true;
  self->wants_connection = true; /* also if the service is not there to be told now */
  hand_over (self, credential);
}

/* -- signing out -- */

static void
on_signed_out (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzAccount) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      fz_tunnel_model_call_finish (FZ_TUNNEL_MODEL (source), result, NULL, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  log_call ("ClearCredential", error);
  self->was_ours = false;
  if (self->phase == FZ_ACCOUNT_SIGNING_OUT)
    set_phase (self, FZ_ACCOUNT_IDLE);
  if (reply == NULL)
    set_trouble (self, FZ_ACCOUNT_CALL_FAILED, error);
}

void
fz_account_sign_out (FzAccount *self)
{
  FzLog log = fz_app_log_for ("account");

  fz_log_plain (
      &log, FZ_LOG_INFO, "sign-out", "signing out: the token is forgotten on this machine");
  fz_sign_in_cancel (self->sign_in);
  self->wants_connection = false;
  fz_credential_store_clear (self->store);
  set_trouble (self, FZ_ACCOUNT_FINE, NULL);
  if (!fz_tunnel_model_is_ours (self->tunnel)) {
    set_phase (self, FZ_ACCOUNT_IDLE);
    return;
  }
  set_phase (self, FZ_ACCOUNT_SIGNING_OUT);
  fz_tunnel_model_call (self->tunnel,
                        "ClearCredential",
                        NULL,
                        NULL,
                        self->cancellable,
                        on_signed_out,
                        g_object_ref (self));
}

/* -- connecting -- */

static void
on_loaded_to_connect (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzAccount) self = user_data;
  g_autoptr (FzCredential) credential =
      fz_credential_store_load_finish (FZ_CREDENTIAL_STORE (source), result, NULL);

  if (self->phase != FZ_ACCOUNT_RESUMING)
    return;
  if (credential != NULL) {
    hand_over (self, credential);
    return;
  }
  set_phase (self, FZ_ACCOUNT_IDLE);
  fz_account_sign_in (self);
}

void
fz_account_connect (FzAccount *self)
{
  if (self->phase != FZ_ACCOUNT_IDLE)
    return;
  set_trouble (self, FZ_ACCOUNT_FINE, NULL);
  if (fz_tunnel_model_is_ours (self->tunnel)) {
    call_connect (self);
    return;
  }
  self->connect_after = true;
  set_phase (self, FZ_ACCOUNT_RESUMING);
  fz_credential_store_load (
      self->store, self->cancellable, on_loaded_to_connect, g_object_ref (self));
}

void
fz_account_disconnect (FzAccount *self)
{
  set_trouble (self, FZ_ACCOUNT_FINE, NULL);
  self->wants_connection = false;
  call (self, "Disconnect", make_options ());
}

void
fz_account_set_internet (FzAccount *self, bool on)
{
  g_settings_set_boolean (self->settings, "internet-resource", on);
  if (fz_tunnel_model_is_ours (self->tunnel))
    call (self, "SetInternetResource", g_variant_new ("(b)", on));
}

/* -- leaving -- */

typedef struct {
  GSourceFunc done;
  gpointer user_data;
  GCancellable *cancellable;
  guint timeout_id;
} Leave;

static gboolean
on_leave_timeout (gpointer user_data)
{
  Leave *leave = user_data;

  leave->timeout_id = 0;
  g_cancellable_cancel (leave->cancellable);
  return G_SOURCE_REMOVE;
}

static void
on_left (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Leave *leave = user_data;
  GVariant *reply = fz_tunnel_model_call_finish (FZ_TUNNEL_MODEL (source), result, NULL, NULL);

  g_clear_pointer (&reply, g_variant_unref); /* whatever it says, we leave */
  g_clear_handle_id (&leave->timeout_id, g_source_remove);
  g_object_unref (leave->cancellable);
  leave->done (leave->user_data);
}

void
fz_account_leave (FzAccount *self, GSourceFunc done, gpointer user_data)
{
  Leave *leave;

  if (!fz_tunnel_model_is_ours (self->tunnel) || !self->wants_connection) {
    done (user_data);
    return;
  }
  leave = g_new0 (Leave, 1);
  leave->done = done;
  leave->user_data = user_data;
  leave->cancellable = g_cancellable_new ();
  leave->timeout_id = g_timeout_add (LEAVE_TIMEOUT_MS, on_leave_timeout, leave);
  fz_tunnel_model_call (
      self->tunnel, "Disconnect", make_options (), NULL, leave->cancellable, on_left, leave);
}

/* -- getters and life -- */

FzAccountPhase
fz_account_get_phase (FzAccount *self)
{
  return self->phase;
}

FzAccountTrouble
fz_account_get_trouble (FzAccount *self)
{
  return self->trouble;
}

const GError *
fz_account_get_error (FzAccount *self)
{
  return self->error;
}

void
fz_account_dismiss (FzAccount *self)
{
  set_trouble (self, FZ_ACCOUNT_FINE, NULL);
}

FzCredentialStore *
fz_account_get_store (FzAccount *self)
{
  return self->store;
}

const char *
fz_account_get_link (FzAccount *self)
{
  return self->link;
}

bool
fz_account_is_browser_missing (FzAccount *self)
{
  return self->is_browser_missing;
}

bool
fz_account_is_signed_in (FzAccount *self)
{
  return fz_tunnel_model_is_ours (self->tunnel) &&
         fz_tunnel_model_get_state (self->tunnel) != FZ_TUNNEL_SIGNED_OUT &&
         self->trouble != FZ_ACCOUNT_SESSION_OVER;
}

static void
dispose (GObject *object)
{
  FzAccount *self = FZ_ACCOUNT (object);

  g_cancellable_cancel (self->cancellable);
  g_clear_handle_id (&self->expiry_id, g_source_remove);
  g_clear_object (&self->tunnel);
  g_clear_object (&self->store);
  g_clear_object (&self->settings);
  G_OBJECT_CLASS (fz_account_parent_class)->dispose (object);
}

static void
finalize (GObject *object)
{
  FzAccount *self = FZ_ACCOUNT (object);

  fz_sign_in_free (self->sign_in);
  g_object_unref (self->cancellable);
  g_clear_error (&self->error);
  g_clear_pointer (&self->link, wipe_text);
  G_OBJECT_CLASS (fz_account_parent_class)->finalize (object);
}

static void
fz_account_class_init (FzAccountClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = dispose;
  G_OBJECT_CLASS (klass)->finalize = finalize;
  signals[SIGNAL_CHANGED] = g_signal_new (
      "changed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[SIGNAL_BROWSE] = g_signal_new ("browse",
                                         G_TYPE_FROM_CLASS (klass),
                                         G_SIGNAL_RUN_LAST,
                                         0,
                                         NULL,
                                         NULL,
                                         NULL,
                                         G_TYPE_NONE,
                                         1,
                                         G_TYPE_STRING);
}

static void
fz_account_init (FzAccount *self)
{
  self->cancellable = g_cancellable_new ();
  self->sign_in = fz_sign_in_new (NULL);
}

static void
on_kept (FzAccount *self)
{
  tell (self);
}

FzAccount *
fz_account_new (FzTunnelModel *tunnel, FzCredentialStore *store, GSettings *settings)
{
  FzAccount *self = g_object_new (FZ_TYPE_ACCOUNT, NULL);

  self->tunnel = g_object_ref (tunnel);
  self->store = g_object_ref (store);
  self->settings = g_object_ref (settings);
  g_signal_connect_object (tunnel, "changed", G_CALLBACK (on_tunnel_changed), self, 0);
  g_signal_connect_object (store, "notify::kept", G_CALLBACK (on_kept), self, G_CONNECT_SWAPPED);
  return self;
}
