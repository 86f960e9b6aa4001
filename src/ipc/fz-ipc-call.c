#include "src/ipc/fz-ipc-call.h"

#include "src/ipc/fz-ipc-authority.h"
#include "src/ipc/fz-ipc-call-private.h"

#include <gio/gunixfdlist.h>
#include <string.h>
#include <unistd.h>

FzIpcCall *
fz_ipc_call_new (FzIpcService *service, GDBusMessage *message)
{
  FzIpcCall *self = g_new0 (FzIpcCall, 1);
  GVariant *body = g_dbus_message_get_body (message);

  self->service = service;
  self->message = g_object_ref (message);
  self->parameters = g_variant_ref_sink (body != NULL ? body : g_variant_new_tuple (NULL, 0));
  self->fd = -1;
  return self;
}

static void
free_call (FzIpcCall *self)
{
  if (self->fd >= 0)
    close (self->fd);
  if (self->is_pending) {
    self->caller->use.n_pending--;
    self->caller->user->use.n_pending--;
  }
  g_clear_pointer (&self->caller, fz_ipc_caller_unref);
  g_clear_pointer (&self->options, g_variant_unref);
  g_variant_unref (self->parameters);
  g_object_unref (self->message);
  g_free (self);
}

/* -- reading -- */

uint32_t
fz_ipc_call_get_uid (const FzIpcCall *self)
{
  return self->caller->uid;
}

const char *
fz_ipc_call_get_sender (const FzIpcCall *self)
{
  return self->caller->name;
}

const char *
fz_ipc_call_get_method (const FzIpcCall *self)
{
  return self->method->method;
}

GVariant *
fz_ipc_call_get_parameters (const FzIpcCall *self)
{
  return self->parameters;
}

GVariant *
fz_ipc_call_get_options (const FzIpcCall *self)
{
  g_assert (self->options != NULL);
  return self->options;
}

int
fz_ipc_call_steal_fd (FzIpcCall *self)
{
  int fd = self->fd;

  self->fd = -1;
  return fd;
}

GCancellable *
fz_ipc_call_get_cancellable (FzIpcCall *self)
{
  return self->caller->gone;
}

bool
fz_ipc_call_is_privileged (const FzIpcCall *self)
{
  return self->caller != NULL &&
         fz_ipc_caller_is_privileged (self->caller, fz_ipc_service_get_owner (self->service));
}

/* -- one answer -- */

static void
send_reply (FzIpcCall *self, GDBusMessage *reply)
{
  GDBusMessageFlags flags = g_dbus_message_get_flags (self->message);

  self->is_answered = true;
  if ((flags & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED) == 0)
    g_dbus_connection_send_message (fz_ipc_service_get_connection (self->service),
                                    reply,
                                    G_DBUS_SEND_MESSAGE_FLAGS_NONE,
                                    NULL,
                                    NULL);
}

/* Every call ends here, once. Takes @self and @reply. */
static void
answer (FzIpcCall *self, GDBusMessage *reply)
{
  if (self->service != NULL) {
    send_reply (self, reply);
    fz_ipc_service_forget_call (self->service, self);
  }
  g_object_unref (reply);
  free_call (self);
}

/* What the call has changed is told before its answer, so that a caller's proxies are up to date
 * when it has the answer. */
static void
tell_changes (FzIpcCall *self)
{
  if (self->service != NULL && self->method != NULL)
    fz_ipc_tree_flush (fz_ipc_service_get_tree (self->service));
}

void
fz_ipc_call_return (FzIpcCall *self, GVariant *values)
{
  GDBusMessage *reply = g_dbus_message_new_method_reply (self->message);

  tell_changes (self);
  if (values != NULL)
    g_dbus_message_set_body (reply, values);
  answer (self, reply);
}

void
fz_ipc_call_return_bulk (FzIpcCall *self, FzIpcBodyFunc write, gpointer data, GDestroyNotify free)
{
  tell_changes (self);
  answer (self, fz_ipc_bulk_new_reply (self->message, write, data, free));
}

void
fz_ipc_call_return_fd (FzIpcCall *self, int fd)
{
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new_from_array (&fd, 1); /* takes it */
  GDBusMessage *reply = g_dbus_message_new_method_reply (self->message);

  tell_changes (self);
  g_dbus_message_set_body (reply, g_variant_new ("(h)", 0));
  g_dbus_message_set_unix_fd_list (reply, list);
  answer (self, reply);
}

void
fz_ipc_call_take_error (FzIpcCall *self, GError *error)
{
  g_autoptr (GError) owned = error;
  g_autofree char *name = NULL;

  if (owned->domain != FZ_IPC_ERROR && owned->domain != G_DBUS_ERROR) {
    owned->domain = FZ_IPC_ERROR;
    owned->code = FZ_IPC_ERROR_FAILED;
  }
  name = g_dbus_error_encode_gerror (owned);
  answer (self, g_dbus_message_new_method_error_literal (self->message, name, owned->message));
}

void
fz_ipc_call_fail (FzIpcCall *self, FzIpcError code, const char *format, ...)
{
  va_list args;
  GError *error;

  va_start (args, format);
  error = g_error_new_valist (FZ_IPC_ERROR, (int) code, format, args);
  va_end (args);
  fz_ipc_call_take_error (self, error);
}

void
fz_ipc_call_fail_dbus (FzIpcCall *self, GDBusError code, const char *format, ...)
{
  va_list args;
  GError *error;

  va_start (args, format);
  error = g_error_new_valist (G_DBUS_ERROR, (int) code, format, args);
  va_end (args);
  fz_ipc_call_take_error (self, error);
}

void
fz_ipc_call_abandon (FzIpcCall *self)
{
  g_autoptr (GDBusMessage) reply = g_dbus_message_new_method_error_literal (
      self->message, "org.freedesktop.DBus.Error.NoReply", "the service is stopping");

  send_reply (self, reply);
  self->service = NULL;
}

/* -- authorization -- */

bool
fz_ipc_call_is_granted (const FzIpcCall *self, const char *action)
{
  for (unsigned i = 0; i < self->n_granted; i++)
    if (strcmp (self->granted[i], action) == 0)
      return true;
  return false;
}

/* The first action that the call needs as things stand now, and has not been granted. Asked again
 * after every answer of polkit: meanwhile the tunnel may have become another user's. */
static const char *
next_action (const FzIpcCall *self)
{
  const char *needed[FZ_IPC_GRANTS_MAX];
  unsigned n = fz_ipc_method_get_actions (self->method,
                                          self->caller->uid,
                                          self->method->shows_log
                                              ? fz_ipc_service_get_log_owner (self->service)
                                              : fz_ipc_service_get_owner (self->service),
                                          fz_ipc_service_is_up (self->service),
                                          needed);

  g_assert (n <= FZ_IPC_ACTIONS_MAX);
  if (self->also != NULL)
    needed[n++] = self->also;
  for (unsigned i = 0; i < n; i++)
    if (!fz_ipc_call_is_granted (self, needed[i]))
      return needed[i];
  return NULL;
}

static bool
is_interactive (const FzIpcCall *self)
{
  return (g_dbus_message_get_flags (self->message) &
          G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION) != 0;
}

static char *
describe (const FzIpcCall *self, FzIpcVerdict verdict, const char *detail)
{
  switch (verdict) {
  case FZ_IPC_VERDICT_CHALLENGE:
    if (is_interactive (self))
      return g_strdup_printf ("%s needs an authentication, and no authentication agent runs in "
                              "your session",
                              self->asked);
    return g_strdup_printf ("%s needs an authentication, and the call did not allow to ask for "
                            "one",
                            self->asked);
  case FZ_IPC_VERDICT_DISMISSED:
    return g_strdup_printf ("the authentication for %s was cancelled", self->asked);
  case FZ_IPC_VERDICT_UNAVAILABLE:
    return g_strdup_printf ("polkit cannot be asked about %s: %s", self->asked, detail);
  case FZ_IPC_VERDICT_TIMED_OUT:
    return g_strdup_printf ("polkit did not answer in time about %s", self->asked);
  case FZ_IPC_VERDICT_ALLOWED:
  case FZ_IPC_VERDICT_REFUSED:
  case FZ_IPC_VERDICT_CANCELLED:
    break;
  }
  return g_strdup_printf ("polkit does not allow you %s", self->asked);
}

static void
refuse (FzIpcCall *self, FzIpcVerdict verdict, const char *detail)
{
  bool is_take_over = strcmp (self->asked, FZ_IPC_ACTION_TAKE_OVER) == 0;
  g_autofree char *words = describe (self, verdict, detail);

  fz_log (fz_ipc_service_get_log (self->service),
          verdict == FZ_IPC_VERDICT_UNAVAILABLE ? FZ_LOG_WARNING : FZ_LOG_INFO,
          "call-refused",
          words,
          FZ_KV_TEXT ("method", self->method->method),
          FZ_KV_U64 ("uid", self->caller->uid),
          FZ_KV_TEXT ("action", self->asked));
  if (is_take_over)
    fz_ipc_call_fail (
        self, FZ_IPC_ERROR_NOT_OWNER, "the tunnel belongs to another user; %s", words);
  else
    fz_ipc_call_fail (self, FZ_IPC_ERROR_NOT_AUTHORIZED, "%s", words);
}

static void on_verdict (FzIpcVerdict verdict, const char *detail, gpointer user_data);

static void
proceed (FzIpcCall *self)
{
  self->asked = next_action (self);
  if (self->asked == NULL) {
    self->allowed (self, self->allowed_data);
    return;
  }
  fz_ipc_authority_check (fz_ipc_service_get_connection (self->service),
                          self->caller->name,
                          self->asked,
                          is_interactive (self),
                          self->caller->gone,
                          on_verdict,
                          self);
}

static void
on_verdict (FzIpcVerdict verdict, const char *detail, gpointer user_data)
{
  FzIpcCall *self = user_data;

  if (self->service == NULL) {
    free_call (self); /* answered when the service ended */
  } else if (verdict == FZ_IPC_VERDICT_CANCELLED ||
             g_cancellable_is_cancelled (self->caller->gone)) {
    fz_ipc_call_fail (self, FZ_IPC_ERROR_NOT_AUTHORIZED, "the caller has gone");
  } else if (verdict == FZ_IPC_VERDICT_ALLOWED) {
    g_assert (self->n_granted < FZ_IPC_GRANTS_MAX);
    self->granted[self->n_granted++] = self->asked;
    proceed (self);
  } else {
    refuse (self, verdict, detail);
  }
}

void
fz_ipc_call_seek_authorization (FzIpcCall *self, FzIpcHandler allowed, gpointer user_data)
{
  self->allowed = allowed;
  self->allowed_data = user_data;
  proceed (self);
}

void
fz_ipc_call_authorize (FzIpcCall *self,
                       const char *action,
                       FzIpcHandler allowed,
                       gpointer user_data)
{
  if (self->service == NULL) {
    free_call (self);
    return;
  }
  g_assert (self->also == NULL);
  self->also = action;
  fz_ipc_call_seek_authorization (self, allowed, user_data);
}
