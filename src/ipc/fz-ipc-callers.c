#include "src/ipc/fz-ipc-callers.h"

#define BUS_NAME       "org.freedesktop.DBus"
#define BUS_PATH       "/org/freedesktop/DBus"
#define ASK_TIMEOUT_MS 10000

struct FzIpcCallers {
  GDBusConnection *connection;
  GHashTable *by_name; /* owns a reference on each */
  FzIpcUsers *users;
  FzIpcCallersEvents events;
  gpointer user_data;
};

/* -- one caller -- */

FzIpcCaller *
fz_ipc_caller_ref (FzIpcCaller *self)
{
  self->n_refs++;
  return self;
}

void
fz_ipc_caller_unref (FzIpcCaller *self)
{
  if (--self->n_refs > 0)
    return;
  g_assert (g_queue_is_empty (&self->unknown));
  if (self->user != NULL)
    fz_ipc_user_unref (self->user, g_get_monotonic_time ());
  g_object_unref (self->gone);
  g_free (self->name);
  g_free (self);
}

/* Whoever waited for the answer hears that there will be none. */
static void
release_queue (FzIpcCallers *callers, FzIpcCaller *self)
{
  gpointer item;

  while ((item = g_queue_pop_head (&self->unknown)) != NULL)
    callers->events.on_identified (self, item, callers->user_data);
}

static void
take_out (FzIpcCaller *self)
{
  FzIpcCallers *callers = self->callers;

  self->callers = NULL;
  g_dbus_connection_signal_unsubscribe (callers->connection, self->watch);
  g_hash_table_steal (callers->by_name, self->name);
  g_cancellable_cancel (self->gone);
  release_queue (callers, self);
  callers->events.on_gone (self, callers->user_data);
  fz_ipc_caller_unref (self);
}

/* -- room -- */

static bool
holds_nothing (const FzIpcCaller *caller)
{
  return caller->is_known && caller->use.n_pending == 0 && caller->use.n_waiters == 0 &&
         caller->use.n_subscriptions == 0 && g_queue_is_empty (&((FzIpcCaller *) caller)->unknown);
}

typedef struct {
  bool is_any_uid;
  uint32_t uid;      /* unless is_any_uid: only names of this one */
  bool spares_owner; /* not root's names, nor @owner's */
  uint32_t owner;
  bool may_hold;             /* one that holds something as well: it loses that */
  const FzIpcCaller *spared; /* or NULL */
} Eviction;

static FzIpcCaller *
find_victim (FzIpcCallers *self, const Eviction *rule)
{
  FzIpcCaller *victim = NULL;
  FzIpcCaller *caller;
  GHashTableIter iter;

  g_hash_table_iter_init (&iter, self->by_name);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &caller)) {
    if (caller == rule->spared || !caller->is_known ||
        (!rule->may_hold && !holds_nothing (caller)) ||
        (!rule->is_any_uid && caller->uid != rule->uid) ||
        (rule->spares_owner && fz_ipc_caller_is_privileged (caller, rule->owner)))
      continue;
    if (victim == NULL || caller->used_us < victim->used_us)
      victim = caller;
  }
  return victim;
}

static bool
make_room (FzIpcCallers *self, uint32_t owner)
{
  const Eviction stranger = { .is_any_uid = true, .spares_owner = true, .owner = owner };
  const Eviction anybody = { .is_any_uid = true };
  FzIpcCaller *victim;

  if (g_hash_table_size (self->by_name) < FZ_IPC_CALLERS_MAX)
    return true;
  victim = find_victim (self, &stranger);
  if (victim == NULL)
    victim = find_victim (self, &anybody);
  if (victim != NULL)
    take_out (victim);
  return victim != NULL;
}

/* One uid with many names turns out its own, waiting ones too: two uids must not fill the table. */
static void
bound_share (FzIpcCallers *self, const FzIpcCaller *newest)
{
  const Eviction idle = { .uid = newest->uid, .spared = newest };
  const Eviction any = { .uid = newest->uid, .spared = newest, .may_hold = true };
  unsigned n = 0;
  FzIpcCaller *caller;
  FzIpcCaller *victim;
  GHashTableIter iter;

  g_hash_table_iter_init (&iter, self->by_name);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &caller))
    n += caller->is_known && caller->uid == newest->uid ? 1 : 0;
  if (n <= FZ_IPC_CALLERS_PER_UID_MAX)
    return;
  victim = find_victim (self, &idle);
  if (victim == NULL)
    victim = find_victim (self, &any);
  if (victim != NULL)
    take_out (victim);
}

/* -- who it is -- */

static void
on_credentials (GObject *source, GAsyncResult *result, gpointer user_data)
{
  FzIpcCaller *self = user_data;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_autoptr (GVariant) credentials = NULL;

  if (reply != NULL) {
    credentials = g_variant_get_child_value (reply, 0);
    self->is_known = g_variant_lookup (credentials, "UnixUserID", "u", &self->uid);
  }
  if (self->callers != NULL && self->is_known) {
    self->user = fz_ipc_users_take (self->callers->users, self->uid, g_get_monotonic_time ());
    bound_share (self->callers, self);
    release_queue (self->callers, self);
  } else if (self->callers != NULL) {
    take_out (self);
  }
  fz_ipc_caller_unref (self);
}

static void
on_name_owner_changed (GDBusConnection *connection,
                       const char *sender,
                       const char *path,
                       const char *interface,
                       const char *signal,
                       GVariant *parameters,
                       gpointer user_data)
{
  FzIpcCaller *self = user_data;
  const char *new_owner;

  g_variant_get_child (parameters, 2, "&s", &new_owner);
  if (*new_owner == '\0' && self->callers != NULL)
    take_out (self);
}

/* The watch comes first: a name that has vanished by then is not known to the bus afterwards. */
static void
ask_about (FzIpcCallers *callers, FzIpcCaller *self)
{
  self->watch = g_dbus_connection_signal_subscribe (callers->connection,
                                                    BUS_NAME,
                                                    BUS_NAME,
                                                    "NameOwnerChanged",
                                                    BUS_PATH,
                                                    self->name,
                                                    G_DBUS_SIGNAL_FLAGS_NONE,
                                                    on_name_owner_changed,
                                                    fz_ipc_caller_ref (self),
                                                    (GDestroyNotify) fz_ipc_caller_unref);
  g_dbus_connection_call (callers->connection,
                          BUS_NAME,
                          BUS_PATH,
                          BUS_NAME,
                          "GetConnectionCredentials",
                          g_variant_new ("(s)", self->name),
                          G_VARIANT_TYPE ("(a{sv})"),
                          G_DBUS_CALL_FLAGS_NO_AUTO_START,
                          ASK_TIMEOUT_MS,
                          self->gone,
                          on_credentials,
                          fz_ipc_caller_ref (self));
}

/* -- the table -- */

FzIpcCallers *
fz_ipc_callers_new (GDBusConnection *connection,
                    const FzIpcCallersEvents *events,
                    gpointer user_data)
{
  FzIpcCallers *self = g_new0 (FzIpcCallers, 1);

  self->connection = g_object_ref (connection);
  self->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  self->users = fz_ipc_users_new ();
  self->events = *events;
  self->user_data = user_data;
  return self;
}

void
fz_ipc_callers_free (FzIpcCallers *self)
{
  g_autoptr (GList) all = g_hash_table_get_values (self->by_name);

  for (GList *l = all; l != NULL; l = l->next)
    take_out (l->data);
  g_hash_table_unref (self->by_name);
  fz_ipc_users_unref (self->users);
  g_object_unref (self->connection);
  g_free (self);
}

FzIpcCaller *
fz_ipc_callers_find (FzIpcCallers *self, const char *name, uint32_t owner)
{
  FzIpcCaller *caller = g_hash_table_lookup (self->by_name, name);

  if (caller == NULL) {
    if (!make_room (self, owner))
      return NULL;
    caller = g_new0 (FzIpcCaller, 1);
    caller->name = g_strdup (name);
    caller->gone = g_cancellable_new ();
    caller->callers = self;
    caller->n_refs = 1;
    g_queue_init (&caller->unknown);
    g_hash_table_insert (self->by_name, caller->name, caller);
    ask_about (self, caller);
  }
  caller->used_us = g_get_monotonic_time ();
  return caller;
}

void
fz_ipc_caller_identify (FzIpcCaller *self, gpointer item)
{
  FzIpcCallers *callers = self->callers;

  if (self->is_known)
    callers->events.on_identified (self, item, callers->user_data);
  else
    g_queue_push_tail (&self->unknown, item);
}

bool
fz_ipc_caller_is_privileged (const FzIpcCaller *self, uint32_t owner)
{
  return self->is_known && (self->uid == 0 || self->uid == owner);
}

void
fz_ipc_callers_foreach (FzIpcCallers *self,
                        void (*visit) (FzIpcCaller *caller, gpointer user_data),
                        gpointer user_data)
{
  FzIpcCaller *caller;
  GHashTableIter iter;

  g_hash_table_iter_init (&iter, self->by_name);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &caller))
    if (caller->is_known)
      visit (caller, user_data);
}
