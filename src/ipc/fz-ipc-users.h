/* fz-ipc-users.h
 *
 * How much of the service each user has in hand, with all of his names on the bus together, and how
 * fast he may call. A user is kept while somebody holds a reference (a name, a call that is
 * open), and after that until what he has called is paid for: whoever leaves the bus and comes back
 * under another name finds his budget as he left it. That is a second at most, and not for more
 * than FZ_IPC_USERS_RESTING_MAX users; the one that has been away longest is forgotten first.
 * No timer: who has paid is forgotten as others come and go.
 *
 * Main thread. Times are monotonic microseconds.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define FZ_IPC_USERS_RESTING_MAX 128u

/* How much of the service somebody has in hand. */
typedef struct {
  int64_t bucket_us;  /* time until which the calls are paid for */
  unsigned n_pending; /* calls that wait for polkit or for a handler */
  unsigned n_waiters;
  unsigned n_subscriptions;
} FzIpcUse;

typedef struct FzIpcUsers FzIpcUsers;

/* All names of one uid that are known, and those that have left but still hold something. */
typedef struct {
  uint32_t uid;
  FzIpcUse use;
  unsigned n_refs;
  FzIpcUsers *users; /* where it is to be found; a reference while n_refs > 0 */
  GList resting;     /* data: this; in users while n_refs is 0 */
} FzIpcUser;

/* Counts one call; false if there were more than @per_second. A second may be spent ahead. */
bool fz_ipc_use_spend (FzIpcUse *self, unsigned per_second, int64_t now_us);

FzIpcUsers *fz_ipc_users_new (void);
void fz_ipc_users_unref (FzIpcUsers *self); /* users that are held keep it alive */

/* One more reference on the user; a new one has all of his budget. */
FzIpcUser *fz_ipc_users_take (FzIpcUsers *self, uint32_t uid, int64_t now_us);
void fz_ipc_user_unref (FzIpcUser *self, int64_t now_us);

unsigned fz_ipc_users_length (const FzIpcUsers *self); /* those that rest, too */
