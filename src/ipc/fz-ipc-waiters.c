#include "src/ipc/fz-ipc-waiters.h"

struct FzIpcWaiters {
  GPtrArray *all; /* Waiter, owned */
};

typedef struct {
  FzIpcWaiters *waiters;
  FzIpcCall *call; /* NULL after it is answered */
  FzIpcCaller *caller;
  const char **states; /* into the call's parameters */
  unsigned timeout;    /* source, 0: none */
} Waiter;

static void
free_waiter (Waiter *waiter)
{
  g_clear_handle_id (&waiter->timeout, g_source_remove);
  waiter->caller->use.n_waiters--;
  waiter->caller->user->use.n_waiters--;
  fz_ipc_caller_unref (waiter->caller);
  g_free (waiter->states);
  g_free (waiter);
}

/* Takes the waiter out of the table; its call is the caller's to answer. */
static FzIpcCall *
end (Waiter *waiter)
{
  FzIpcCall *call = waiter->call;

  g_ptr_array_remove_fast (waiter->waiters->all, waiter);
  return call;
}

static gboolean
on_timeout (gpointer user_data)
{
  Waiter *waiter = user_data;

  waiter->timeout = 0;
  fz_ipc_call_fail (end (waiter), FZ_IPC_ERROR_TIMEOUT, "none of the states came in time");
  return G_SOURCE_REMOVE;
}

static void
answer (FzIpcCall *call, const char *state)
{
  fz_ipc_call_return (call, g_variant_new ("(s)", state));
}

FzIpcWaiters *
fz_ipc_waiters_new (void)
{
  FzIpcWaiters *self = g_new0 (FzIpcWaiters, 1);

  self->all = g_ptr_array_new_with_free_func ((GDestroyNotify) free_waiter);
  return self;
}

void
fz_ipc_waiters_free (FzIpcWaiters *self)
{
  g_ptr_array_unref (self->all);
  g_free (self);
}

void
fz_ipc_waiters_take (FzIpcWaiters *self, FzIpcCall *call, const char *state)
{
  g_autofree const char **states = NULL;
  uint32_t timeout_ms;
  Waiter *waiter;

  g_variant_get (call->parameters, "(^a&su)", &states, &timeout_ms);
  if (g_strv_contains (states, state)) {
    answer (call, state);
    return;
  }
  if (timeout_ms == 0) {
    fz_ipc_call_fail (call, FZ_IPC_ERROR_TIMEOUT, "the state is %s", state);
    return;
  }
  if (call->caller->use.n_waiters >= FZ_IPC_WAITERS_MAX) {
    fz_ipc_call_fail (
        call, FZ_IPC_ERROR_BUSY, "at most %u calls of one caller can wait", FZ_IPC_WAITERS_MAX);
    return;
  }
  if (call->caller->user->use.n_waiters >= FZ_IPC_USER_WAITERS_MAX) {
    fz_ipc_call_fail (
        call, FZ_IPC_ERROR_BUSY, "at most %u calls of one user can wait", FZ_IPC_USER_WAITERS_MAX);
    return;
  }

  waiter = g_new0 (Waiter, 1);
  waiter->waiters = self;
  waiter->call = call;
  waiter->caller = fz_ipc_caller_ref (call->caller);
  waiter->caller->use.n_waiters++;
  waiter->caller->user->use.n_waiters++;
  waiter->states = g_steal_pointer (&states);
  waiter->timeout = g_timeout_add (timeout_ms, on_timeout, waiter);
  g_ptr_array_add (self->all, waiter);
}

void
fz_ipc_waiters_tell (FzIpcWaiters *self, const char *state)
{
  for (unsigned i = 0; i < self->all->len;) {
    Waiter *waiter = self->all->pdata[i];

    if (g_strv_contains (waiter->states, state))
      answer (end (waiter), state); /* another one stands at i now */
    else
      i++;
  }
}

void
fz_ipc_waiters_drop (FzIpcWaiters *self, const FzIpcCaller *caller)
{
  for (unsigned i = 0; i < self->all->len;) {
    Waiter *waiter = self->all->pdata[i];

    if (waiter->caller == caller)
      fz_ipc_call_fail (end (waiter), FZ_IPC_ERROR_TIMEOUT, "the caller has gone");
    else
      i++;
  }
}
