#include "src/ipc/fz-ipc-service.h"

#include "src/ipc/fz-ipc-bulk.h"
#include "src/ipc/fz-ipc-call-private.h"
#include "src/ipc/fz-ipc-callers.h"
#include "src/ipc/fz-ipc-samples.h"
#include "src/ipc/fz-ipc-standard.h"
#include "src/ipc/fz-ipc-waiters.h"
#include "src/ipc/fz-tunnel1-generated.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>

/* How GDBus's worker thread hands messages over: it outlives the service by the messages that are
 * under way. */
typedef struct {
  gatomicrefcount refs;
  FzIpcService *service; /* main thread only; NULL after its end */
} Port;

typedef struct {
  char *new_state;
  char *old_state;
  char *reason;
} Transition;

struct FzIpcService {
  GDBusConnection *connection;
  FzIpcHandlers handlers;
  gpointer user_data;
  FzLog log;
  Port *port;
  unsigned filter;
  FzIpcTree *tree;
  FzIpcCallers *callers;
  FzIpcWaiters *waiters;
  FzIpcSamples *samples;
  GHashTable *calls;      /* FzIpcCall that are owed an answer; set, borrowed */
  GPtrArray *transitions; /* Transition not told yet, owned */
  uint32_t log_owner;     /* uid; FZ_IPC_NO_OWNER: there has been none */
};

/* -- from the worker thread to ours -- */

typedef struct {
  Port *port;
  GDBusMessage *message;
} Delivery;

static void
unref_port (Port *port)
{
  if (g_atomic_ref_count_dec (&port->refs))
    g_free (port);
}

static void
free_delivery (gpointer user_data)
{
  Delivery *delivery = user_data;

  g_object_unref (delivery->message);
  unref_port (delivery->port);
  g_free (delivery);
}

static void receive (FzIpcService *self, GDBusMessage *message);

static gboolean
on_delivery (gpointer user_data)
{
  const Delivery *delivery = user_data;

  if (delivery->port->service != NULL)
    receive (delivery->port->service, delivery->message);
  return G_SOURCE_REMOVE;
}

static bool
is_ours (GDBusMessage *message)
{
  const char *path = g_dbus_message_get_path (message);
  const char *interface = g_dbus_message_get_interface (message);
  size_t n = strlen (FZ_IPC_PATH);

  if (g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL ||
      g_strcmp0 (interface, "org.freedesktop.DBus.Peer") == 0)
    return false;
  if (strncmp (path, FZ_IPC_PATH, n) == 0 && (path[n] == '\0' || path[n] == '/'))
    return true;
  return fz_ipc_standard_is_above (path) &&
         g_strcmp0 (interface, "org.freedesktop.DBus.Introspectable") == 0;
}

/* GDBus's worker thread. What is ours goes no further: GDBus would answer by itself. What leaves
 * gets its body. */
static GDBusMessage *
filter (GDBusConnection *connection,
        GDBusMessage *message,
        gboolean is_incoming,
        gpointer user_data)
{
  Port *port = user_data;
  Delivery *delivery;
  g_autoptr (GSource) source = NULL;

  if (!is_incoming)
    return fz_ipc_bulk_expand (message);
  if (!is_ours (message))
    return message;
  delivery = g_new0 (Delivery, 1);
  g_atomic_ref_count_inc (&port->refs);
  delivery->port = port;
  delivery->message = message;
  source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, on_delivery, delivery, free_delivery);
  g_source_attach (source, NULL);
  return NULL;
}

/* -- one call's way -- */

/* The descriptor that the argument h means, or -1 with an error. */
static bool
take_descriptor (FzIpcCall *call, GError **error)
{
  GUnixFDList *list = g_dbus_message_get_unix_fd_list (call->message);
  int n = list != NULL ? g_unix_fd_list_get_length (list) : 0;
  int32_t handle = -1;

  g_variant_get_child (call->parameters, 0, "h", &handle);
  if (handle >= 0 && handle < n)
    call->fd = g_unix_fd_list_get (list, handle, NULL); /* a duplicate, close-on-exec */
  if (call->fd >= 0)
    return true;
  g_set_error (error,
               FZ_IPC_ERROR,
               FZ_IPC_ERROR_INVALID_ARGUMENT,
               "%s needs a file descriptor, and none came with the call",
               call->method->method);
  return false;
}

static GDBusInterfaceInfo *
find_info (const char *interface)
{
  return strcmp (interface, FZ_IPC_MANAGER) == 0 ? fz_tunnel1_manager_interface_info ()
                                                 : fz_tunnel1_diagnostics_interface_info ();
}

/* Whether the arguments have the types that the XML says. */
static bool
check_signature (const FzIpcCall *call, GError **error)
{
  GDBusInterfaceInfo *info = find_info (call->method->interface);
  GDBusMethodInfo *method = g_dbus_interface_info_lookup_method (info, call->method->method);
  g_autoptr (GString) wanted = g_string_new ("(");

  g_assert (method != NULL);
  for (size_t i = 0; method->in_args != NULL && method->in_args[i] != NULL; i++)
    g_string_append (wanted, method->in_args[i]->signature);
  g_string_append_c (wanted, ')');
  if (g_variant_is_of_type (call->parameters, G_VARIANT_TYPE (wanted->str)))
    return true;
  g_set_error (error,
               G_DBUS_ERROR,
               G_DBUS_ERROR_INVALID_ARGS,
               "%s takes %s, not %.256s",
               call->method->method,
               wanted->str,
               g_variant_get_type_string (call->parameters));
  return false;
}

static bool
check_arguments (FzIpcCall *call, GError **error)
{
  if (!check_signature (call, error))
    return false;
  call->options = fz_ipc_method_dup_options (call->method, call->parameters);
  if (!fz_ipc_method_check (call->method, call->parameters, call->options, error))
    return false;
  return !call->method->takes_fd || take_descriptor (call, error);
}

/* What the service answers by itself: both need no authorization. */
static void
handle_own (FzIpcService *self, FzIpcCall *call)
{
  const char *method = call->method->method;

  if (strcmp (method, "WaitForState") == 0) {
    FzIpcObject *manager = fz_ipc_tree_get_manager (self->tree);

    fz_ipc_waiters_take (
        self->waiters, call, g_variant_get_string (fz_ipc_object_get (manager, "State"), NULL));
  } else if (strcmp (method, "Subscribe") == 0) {
    fz_ipc_samples_subscribe (self->samples, call);
  } else {
    g_assert (strcmp (method, "Unsubscribe") == 0);
    fz_ipc_samples_unsubscribe (self->samples, call);
  }
}

static void
on_allowed (FzIpcCall *call, gpointer user_data)
{
  FzIpcService *self = user_data;
  FzIpcHandler handler = fz_ipc_method_get_handler (call->method, &self->handlers);

  if (handler == NULL) {
    fz_ipc_call_fail (
        call, FZ_IPC_ERROR_UNSUPPORTED, "%s is not possible here", call->method->method);
    return;
  }
  fz_log (&self->log,
          FZ_LOG_DEBUG,
          "call-allowed",
          "a call is carried out",
          FZ_KV_TEXT ("method", call->method->method),
          FZ_KV_U64 ("uid", call->caller->uid));
  handler (call, self->user_data);
}

static void
handle_method (FzIpcService *self, FzIpcCall *call)
{
  GError *error = NULL;

  if (!fz_ipc_standard_require_object (self->tree, call))
    return;
  if (strcmp (g_dbus_message_get_path (call->message), FZ_IPC_PATH) == 0)
    call->method = fz_ipc_method_find (g_dbus_message_get_interface (call->message),
                                       g_dbus_message_get_member (call->message));
  if (call->method == NULL) {
    fz_ipc_standard_fail_unknown (self->tree, call);
  } else if (!check_arguments (call, &error)) {
    fz_ipc_call_take_error (call, error);
  } else if (call->method->rule == FZ_IPC_RULE_FREE) {
    handle_own (self, call);
  } else if (call->caller->use.n_pending >= FZ_IPC_PENDING_MAX) {
    fz_ipc_call_fail (
        call, FZ_IPC_ERROR_BUSY, "%u calls of yours are not finished yet", FZ_IPC_PENDING_MAX);
  } else if (call->caller->user->use.n_pending >= FZ_IPC_USER_PENDING_MAX) {
    fz_ipc_call_fail (call,
                      FZ_IPC_ERROR_BUSY,
                      "%u calls of your user are not finished yet",
                      FZ_IPC_USER_PENDING_MAX);
  } else {
    call->is_pending = true;
    call->caller->use.n_pending++;
    call->caller->user->use.n_pending++;
    fz_ipc_call_seek_authorization (call, on_allowed, self);
  }
}

static void
on_identified (FzIpcCaller *caller, gpointer item, gpointer user_data)
{
  FzIpcService *self = user_data;
  FzIpcCall *call = item;

  if (!caller->is_known)
    fz_ipc_call_fail_dbus (call, G_DBUS_ERROR_ACCESS_DENIED, "the bus does not say who you are");
  else if (!fz_ipc_use_spend (&caller->user->use, FZ_IPC_USER_CALLS_PER_S, g_get_monotonic_time ()))
    fz_ipc_call_fail (call,
                      FZ_IPC_ERROR_BUSY,
                      "more than %u calls a second by your user",
                      FZ_IPC_USER_CALLS_PER_S);
  else if (!fz_ipc_standard_handle (self->tree, call))
    handle_method (self, call);
}

static void
receive (FzIpcService *self, GDBusMessage *message)
{
  const char *sender = g_dbus_message_get_sender (message);
  FzIpcCall *call = fz_ipc_call_new (self, message);
  FzIpcCaller *caller =
      sender != NULL ? fz_ipc_callers_find (self->callers, sender, fz_ipc_service_get_owner (self))
                     : NULL;

  g_hash_table_add (self->calls, call);
  if (caller == NULL) {
    fz_ipc_call_fail (call, FZ_IPC_ERROR_BUSY, "too many callers at once");
    return;
  }
  call->caller = fz_ipc_caller_ref (caller);
  if (!fz_ipc_use_spend (&caller->use, FZ_IPC_CALLS_PER_S, g_get_monotonic_time ()))
    fz_ipc_call_fail (call, FZ_IPC_ERROR_BUSY, "more than %u calls a second", FZ_IPC_CALLS_PER_S);
  else
    fz_ipc_caller_identify (caller, call);
}

static void
on_gone (FzIpcCaller *caller, gpointer user_data)
{
  FzIpcService *self = user_data;

  fz_ipc_waiters_drop (self->waiters, caller);
  fz_ipc_samples_drop (self->samples, caller);
}

/* -- signals -- */

typedef struct {
  const FzIpcService *service;
  const char *path;
  const char *interface;
  const char *signal;
  GVariant *parameters;
} Signal;

static void
send_signal (const Signal *signal, const char *destination)
{
  g_dbus_connection_emit_signal (signal->service->connection,
                                 destination,
                                 signal->path,
                                 signal->interface,
                                 signal->signal,
                                 signal->parameters,
                                 NULL);
}

static void
send_if_privileged (FzIpcCaller *caller, gpointer user_data)
{
  const Signal *signal = user_data;

  if (fz_ipc_caller_is_privileged (caller, fz_ipc_service_get_owner (signal->service)))
    send_signal (signal, caller->name);
}

static void
emit (const char *destination,
      FzIpcAudience audience,
      const char *path,
      const char *interface,
      const char *name,
      GVariant *parameters,
      gpointer user_data)
{
  FzIpcService *self = user_data;
  Signal signal = { self, path, interface, name, parameters };

  if (destination != NULL || audience == FZ_IPC_PUBLIC)
    send_signal (&signal, destination);
  else
    fz_ipc_callers_foreach (self->callers, send_if_privileged, &signal);
}

/* GDBus's thread. */
static GVariant *
write_added (gpointer picture)
{
  return fz_ipc_picture_to_added (picture);
}

typedef struct {
  const FzIpcService *service;
  FzIpcPicture *picture;
} Added;

static void
send_added (const Added *added, const char *destination)
{
  g_autoptr (GDBusMessage) message = fz_ipc_bulk_new_signal (FZ_IPC_PATH,
                                                             FZ_IPC_OBJECT_MANAGER,
                                                             "InterfacesAdded",
                                                             write_added,
                                                             fz_ipc_picture_ref (added->picture),
                                                             (GDestroyNotify) fz_ipc_picture_unref);

  g_dbus_message_set_destination (message, destination);
  g_dbus_connection_send_message (
      added->service->connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

static void
send_added_if_privileged (FzIpcCaller *caller, gpointer user_data)
{
  const Added *added = user_data;

  if (fz_ipc_caller_is_privileged (caller, fz_ipc_service_get_owner (added->service)))
    send_added (added, caller->name);
}

static void
emit_added (const char *destination,
            FzIpcAudience audience,
            FzIpcPicture *picture,
            gpointer user_data)
{
  FzIpcService *self = user_data;
  Added added = { self, picture };

  if (destination != NULL || audience == FZ_IPC_PUBLIC)
    send_added (&added, destination);
  else
    fz_ipc_callers_foreach (self->callers, send_added_if_privileged, &added);
}

static void
free_transition (Transition *transition)
{
  g_free (transition->new_state);
  g_free (transition->old_state);
  g_free (transition->reason);
  g_free (transition);
}

static void
on_flushed (gpointer user_data)
{
  FzIpcService *self = user_data;
  g_autoptr (GPtrArray) told = g_steal_pointer (&self->transitions);
  FzIpcObject *manager = fz_ipc_tree_get_manager (self->tree);

  self->transitions = g_ptr_array_new_with_free_func ((GDestroyNotify) free_transition);
  for (unsigned i = 0; i < told->len; i++) {
    const Transition *t = told->pdata[i];
    g_autoptr (GVariant) parameters =
        g_variant_ref_sink (g_variant_new ("(sss)", t->new_state, t->old_state, t->reason));

    emit (NULL, FZ_IPC_PUBLIC, FZ_IPC_PATH, FZ_IPC_MANAGER, "StateChanged", parameters, self);
  }
  if (told->len > 0)
    fz_ipc_waiters_tell (self->waiters,
                         g_variant_get_string (fz_ipc_object_get (manager, "State"), NULL));
}

/* -- the service -- */

FzIpcService *
fz_ipc_service_new (const FzIpcServiceConfig *config)
{
  const FzIpcCallersEvents callers_events = { on_identified, on_gone };
  const FzIpcTreeEvents tree_events = { emit, emit_added, on_flushed };
  FzIpcService *self = g_new0 (FzIpcService, 1);
  FzIpcObject *manager;

  fz_ipc_error_quark ();
  self->log_owner = FZ_IPC_NO_OWNER;
  self->connection = g_object_ref (config->connection);
  self->handlers = config->handlers;
  self->user_data = config->user_data;
  self->log = fz_log_for (&config->log, "ipc");
  self->calls = g_hash_table_new (NULL, NULL);
  self->transitions = g_ptr_array_new_with_free_func ((GDestroyNotify) free_transition);
  self->tree = fz_ipc_tree_new (&tree_events, self);
  self->callers = fz_ipc_callers_new (self->connection, &callers_events, self);
  self->waiters = fz_ipc_waiters_new ();
  self->samples = fz_ipc_samples_new (self->connection, &self->handlers, self->user_data);

  manager = fz_ipc_tree_get_manager (self->tree);
  fz_ipc_object_set_text (manager, "Version", FZ_VERSION);
  fz_ipc_object_set_u32 (manager, "ApiMinor", FZ_IPC_API_MINOR);
  fz_ipc_object_set_u32 (manager, "Owner", FZ_IPC_NO_OWNER);
  fz_ipc_object_set_text (manager, "State", "signed-out");
  fz_ipc_object_set_u64 (manager, "StateSince", (uint64_t) g_get_real_time ());

  self->port = g_new0 (Port, 1);
  g_atomic_ref_count_init (&self->port->refs);
  g_atomic_ref_count_inc (&self->port->refs); /* the filter's */
  self->port->service = self;
  self->filter = g_dbus_connection_add_filter (
      self->connection, filter, self->port, (GDestroyNotify) unref_port);
  return self;
}

static void
abandon_calls (FzIpcService *self)
{
  g_autoptr (GList) calls = g_hash_table_get_keys (self->calls);

  for (GList *l = calls; l != NULL; l = l->next)
    fz_ipc_call_abandon (l->data);
  g_hash_table_remove_all (self->calls);
}

void
fz_ipc_service_free (FzIpcService *self)
{
  if (self == NULL)
    return;
  g_dbus_connection_remove_filter (self->connection, self->filter);
  self->port->service = NULL;
  unref_port (self->port);
  abandon_calls (self); /* answered now; freed by whoever holds them: callers, polkit, handlers */
  fz_ipc_callers_free (self->callers);
  fz_ipc_waiters_free (self->waiters);
  fz_ipc_samples_free (self->samples);
  fz_ipc_tree_free (self->tree);
  g_ptr_array_unref (self->transitions);
  g_hash_table_unref (self->calls);
  g_object_unref (self->connection);
  g_free (self);
}

FzIpcTree *
fz_ipc_service_get_tree (FzIpcService *self)
{
  return self->tree;
}

void
fz_ipc_service_set_state (FzIpcService *self,
                          const char *state,
                          const char *reason,
                          const char *detail)
{
  FzIpcObject *manager = fz_ipc_tree_get_manager (self->tree);
  g_autofree char *old = g_variant_dup_string (fz_ipc_object_get (manager, "State"), NULL);

  fz_ipc_object_set_text (manager, "StateReason", reason);
  fz_ipc_object_set_text (manager, "StateDetail", detail);
  if (strcmp (old, state) != 0) {
    Transition *transition = g_new0 (Transition, 1);

    transition->new_state = g_strdup (state);
    transition->old_state = g_steal_pointer (&old);
    transition->reason = g_strdup (reason);
    g_ptr_array_add (self->transitions, transition);
    fz_ipc_object_set_text (manager, "State", state);
    fz_ipc_object_set_u64 (manager, "StateSince", (uint64_t) g_get_real_time ());
    fz_ipc_tree_queue_flush (self->tree);
  }
}

typedef struct {
  FzIpcService *service;
  uint32_t old_owner;
  uint32_t new_owner;
} OwnerChange;

static void
show_to (FzIpcCaller *caller, gpointer user_data)
{
  const OwnerChange *change = user_data;
  bool had = fz_ipc_caller_is_privileged (caller, change->old_owner);
  bool has = fz_ipc_caller_is_privileged (caller, change->new_owner);

  if (had != has)
    fz_ipc_tree_show_private (change->service->tree, caller->name, has);
}

void
fz_ipc_service_set_owner (FzIpcService *self, uint32_t uid)
{
  OwnerChange change = { self, fz_ipc_service_get_owner (self), uid };

  if (change.old_owner == change.new_owner)
    return;
  fz_ipc_tree_flush (self->tree); /* to those who see it so far */
  fz_ipc_callers_foreach (self->callers, show_to, &change);
  fz_ipc_object_set_u32 (fz_ipc_tree_get_manager (self->tree), "Owner", uid);
  if (uid != FZ_IPC_NO_OWNER)
    self->log_owner = uid;
}

uint32_t
fz_ipc_service_get_log_owner (const FzIpcService *self)
{
  return self->log_owner;
}

void
fz_ipc_service_emit_event (FzIpcService *self, const char *id, GVariant *details)
{
  GVariant *given =
      details != NULL ? details : g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0);
  g_autoptr (GVariant) parameters = g_variant_ref_sink (g_variant_new ("(s@a{sv})", id, given));

  fz_ipc_tree_flush (self->tree); /* what the event is about is known before it */
  emit (NULL, FZ_IPC_PRIVATE, FZ_IPC_PATH, FZ_IPC_MANAGER, "Event", parameters, self);
}

GDBusConnection *
fz_ipc_service_get_connection (const FzIpcService *self)
{
  return self->connection;
}

uint32_t
fz_ipc_service_get_owner (const FzIpcService *self)
{
  return g_variant_get_uint32 (fz_ipc_object_get (fz_ipc_tree_get_manager (self->tree), "Owner"));
}

bool
fz_ipc_service_is_up (const FzIpcService *self)
{
  static const char *const down[] = { "signed-out", "offline", "disconnecting", "error", NULL };
  GVariant *state = fz_ipc_object_get (fz_ipc_tree_get_manager (self->tree), "State");

  return !g_strv_contains (down, g_variant_get_string (state, NULL));
}

const FzLog *
fz_ipc_service_get_log (const FzIpcService *self)
{
  return &self->log;
}

void
fz_ipc_service_forget_call (FzIpcService *self, FzIpcCall *call)
{
  g_hash_table_remove (self->calls, call);
}
