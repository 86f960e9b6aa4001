#include "src/ipc/fz-ipc-users.h"

struct FzIpcUsers {
  GHashTable *by_uid; /* FzIpcUser, borrowed */
  GQueue resting;     /* FzIpcUser without references, owned; who has been away longest is first */
  unsigned n_refs;
};

/* Each call costs 1/@per_second of a second. */
bool
fz_ipc_use_spend (FzIpcUse *self, unsigned per_second, int64_t now_us)
{
  int64_t paid_us = MAX (self->bucket_us, now_us) + G_USEC_PER_SEC / per_second;

  if (paid_us - now_us > G_USEC_PER_SEC)
    return false;
  self->bucket_us = paid_us;
  return true;
}

FzIpcUsers *
fz_ipc_users_new (void)
{
  FzIpcUsers *self = g_new0 (FzIpcUsers, 1);

  self->by_uid = g_hash_table_new (NULL, NULL);
  self->n_refs = 1;
  return self;
}

static void
forget_oldest (FzIpcUsers *self)
{
  FzIpcUser *user = self->resting.head->data;

  g_queue_unlink (&self->resting, &user->resting);
  g_hash_table_remove (self->by_uid, GUINT_TO_POINTER (user->uid));
  g_free (user);
}

/* Debts end within a second of the last call, so hardly anyone is kept by the one before him. */
static void
sweep (FzIpcUsers *self, int64_t now_us)
{
  while (self->resting.head != NULL) {
    const FzIpcUser *oldest = self->resting.head->data;

    if (self->resting.length <= FZ_IPC_USERS_RESTING_MAX && oldest->use.bucket_us > now_us)
      return;
    forget_oldest (self);
  }
}

void
fz_ipc_users_unref (FzIpcUsers *self)
{
  if (--self->n_refs > 0)
    return;
  while (self->resting.head != NULL)
    forget_oldest (self);
  g_hash_table_unref (self->by_uid);
  g_free (self);
}

FzIpcUser *
fz_ipc_users_take (FzIpcUsers *self, uint32_t uid, int64_t now_us)
{
  FzIpcUser *user = g_hash_table_lookup (self->by_uid, GUINT_TO_POINTER (uid));

  if (user == NULL) {
    user = g_new0 (FzIpcUser, 1);
    user->uid = uid;
    user->users = self;
    user->resting.data = user;
    g_hash_table_insert (self->by_uid, GUINT_TO_POINTER (uid), user);
  } else if (user->n_refs == 0) {
    g_queue_unlink (&self->resting, &user->resting);
  }
  if (user->n_refs++ == 0)
    self->n_refs++;
  sweep (self, now_us);
  return user;
}

void
fz_ipc_user_unref (FzIpcUser *self, int64_t now_us)
{
  FzIpcUsers *users = self->users;

  if (--self->n_refs > 0)
    return;
  g_assert (self->use.n_pending == 0 && self->use.n_waiters == 0 && self->use.n_subscriptions == 0);
  g_queue_push_tail_link (&users->resting, &self->resting);
  sweep (users, now_us);
  fz_ipc_users_unref (users);
}

unsigned
fz_ipc_users_length (const FzIpcUsers *self)
{
  return g_hash_table_size (self->by_uid);
}
