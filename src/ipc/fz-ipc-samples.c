#include "src/ipc/fz-ipc-samples.h"

struct FzIpcSamples {
  GDBusConnection *connection;
  void (*sample) (FzIpcSample *out, gpointer user_data);
  gpointer user_data;
  GPtrArray *all; /* Subscription, owned */
  uint32_t last_id;
};

typedef struct {
  FzIpcSamples *samples;
  FzIpcCaller *caller;
  uint32_t id;
  unsigned timer;
} Subscription;

static void
free_subscription (Subscription *subscription)
{
  g_source_remove (subscription->timer);
  subscription->caller->use.n_subscriptions--;
  subscription->caller->user->use.n_subscriptions--;
  fz_ipc_caller_unref (subscription->caller);
  g_free (subscription);
}

static gboolean
on_interval (gpointer user_data)
{
  const Subscription *subscription = user_data;
  FzIpcSamples *self = subscription->samples;
  FzIpcSample s = { 0 };

  if (self->sample != NULL)
    self->sample (&s, self->user_data);
  g_dbus_connection_emit_signal (self->connection,
                                 subscription->caller->name,
                                 FZ_IPC_PATH,
                                 FZ_IPC_DIAGNOSTICS,
                                 "Sample",
                                 g_variant_new ("(ttttttu)",
                                                (uint64_t) g_get_monotonic_time (),
                                                s.tx_bytes,
                                                s.rx_bytes,
                                                s.tx_packets,
                                                s.rx_packets,
                                                s.dropped,
                                                s.rtt_us),
                                 NULL);
  return G_SOURCE_CONTINUE;
}

FzIpcSamples *
fz_ipc_samples_new (GDBusConnection *connection, const FzIpcHandlers *handlers, gpointer user_data)
{
  FzIpcSamples *self = g_new0 (FzIpcSamples, 1);

  self->connection = g_object_ref (connection);
  self->sample = handlers->sample;
  self->user_data = user_data;
  self->all = g_ptr_array_new_with_free_func ((GDestroyNotify) free_subscription);
  return self;
}

void
fz_ipc_samples_free (FzIpcSamples *self)
{
  g_ptr_array_unref (self->all);
  g_object_unref (self->connection);
  g_free (self);
}

void
fz_ipc_samples_subscribe (FzIpcSamples *self, FzIpcCall *call)
{
  Subscription *subscription;
  uint32_t interval_ms;

  if (call->caller->use.n_subscriptions >= FZ_IPC_SUBSCRIPTIONS_MAX) {
    fz_ipc_call_fail (call,
                      FZ_IPC_ERROR_BUSY,
                      "one caller can have at most %u subscriptions",
                      FZ_IPC_SUBSCRIPTIONS_MAX);
    return;
  }
  if (call->caller->user->use.n_subscriptions >= FZ_IPC_USER_SUBSCRIPTIONS_MAX) {
    fz_ipc_call_fail (call,
                      FZ_IPC_ERROR_BUSY,
                      "one user can have at most %u subscriptions",
                      FZ_IPC_USER_SUBSCRIPTIONS_MAX);
    return;
  }
  g_variant_get (call->parameters, "(u)", &interval_ms);
  subscription = g_new0 (Subscription, 1);
  subscription->samples = self;
  subscription->caller = fz_ipc_caller_ref (call->caller);
  subscription->caller->use.n_subscriptions++;
  subscription->caller->user->use.n_subscriptions++;
  subscription->id = ++self->last_id;
  subscription->timer = g_timeout_add (interval_ms, on_interval, subscription);
  g_ptr_array_add (self->all, subscription);
  fz_ipc_call_return (call, g_variant_new ("(u)", subscription->id));
}

/* Another caller's subscription looks like one that does not exist. */
void
fz_ipc_samples_unsubscribe (FzIpcSamples *self, FzIpcCall *call)
{
  uint32_t id;

  g_variant_get (call->parameters, "(u)", &id);
  for (unsigned i = 0; i < self->all->len; i++) {
    const Subscription *subscription = self->all->pdata[i];

    if (subscription->id == id && subscription->caller == call->caller) {
      g_ptr_array_remove_index_fast (self->all, i);
      fz_ipc_call_return (call, NULL);
      return;
    }
  }
  fz_ipc_call_fail (call, FZ_IPC_ERROR_INVALID_ARGUMENT, "you have no subscription %u", id);
}

void
fz_ipc_samples_drop (FzIpcSamples *self, const FzIpcCaller *caller)
{
  for (unsigned i = 0; i < self->all->len;) {
    const Subscription *subscription = self->all->pdata[i];

    if (subscription->caller == caller)
      g_ptr_array_remove_index_fast (self->all, i);
    else
      i++;
  }
}
