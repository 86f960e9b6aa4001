/* fz-ipc-callers.h
 *
 * Everybody who has called something: the uid behind each unique name, asked of the bus once and
 * kept until the name vanishes, and how much of the service each has in hand: each name, and each
 * user with all of his names together (fz-ipc-users.h), which outlives his names.
 *
 *   UNKNOWN ──(the bus says the uid)──► KNOWN ──(leaves the bus)──► gone
 *      └────────────(the bus does not know it, or does not answer)───┘
 *
 * The table is bounded; so is the share of one uid. Who is turned out holds nothing, and only
 * has to be asked about again; unless all names of one uid beyond its share hold something: then
 * the one that was silent longest loses it, as if it had left the bus.
 */
#pragma once

#include "src/ipc/fz-ipc-users.h"

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

#define FZ_IPC_CALLERS_MAX         384u /* the bus allows 512 match rules to one connection */
#define FZ_IPC_CALLERS_PER_UID_MAX 128u

typedef struct FzIpcCallers FzIpcCallers;

typedef struct {
  char *name;         /* unique name on the bus */
  uint32_t uid;       /* once is_known */
  bool is_known;      /* the bus has said who it is */
  FzIpcUser *user;    /* once is_known; a reference */
  FzIpcUse use;       /* by this name alone */
  GCancellable *gone; /* cancelled when the name vanishes */
  GQueue unknown;     /* of gpointer: what waits for is_known, in order */
  int64_t used_us;    /* monotonic time of the last call */
  unsigned watch;     /* signal subscription for its leaving */
  unsigned n_refs;
  FzIpcCallers *callers; /* NULL when it is out of the table */
} FzIpcCaller;

typedef struct {
  /* @item was queued before the bus answered; @caller is known, or is not and never will be. */
  void (*on_identified) (FzIpcCaller *caller, gpointer item, gpointer user_data);
  /* @caller has left the bus; what it held is to be released. */
  void (*on_gone) (FzIpcCaller *caller, gpointer user_data);
} FzIpcCallersEvents;

FzIpcCallers *fz_ipc_callers_new (GDBusConnection *connection,
                                  const FzIpcCallersEvents *events,
                                  gpointer user_data);
void fz_ipc_callers_free (FzIpcCallers *self);

/* Who this name is; a new one is asked about at once. @owner: whose names are turned out last (and
 * root's). NULL: the table is full of callers that all hold something.
 * Returns: (transfer none) */
FzIpcCaller *fz_ipc_callers_find (FzIpcCallers *self, const char *name, uint32_t owner);

/* Hands @item to on_identified: now if the caller is known, otherwise in its turn. */
void fz_ipc_caller_identify (FzIpcCaller *self, gpointer item);

/* Whether what is private exists for it. */
bool fz_ipc_caller_is_privileged (const FzIpcCaller *self, uint32_t owner);

FzIpcCaller *fz_ipc_caller_ref (FzIpcCaller *self);
void fz_ipc_caller_unref (FzIpcCaller *self);

/* Calls @visit for every known caller; @visit changes nothing in the table. */
void fz_ipc_callers_foreach (FzIpcCallers *self,
                             void (*visit) (FzIpcCaller *caller, gpointer user_data),
                             gpointer user_data);
