/* fz-ipc-call-private.h
 *
 * A call from its arrival to its answer. It is made when a message comes in and freed by the one
 * function that answers; until then it is in its service's list, which is how a service that ends
 * finds the calls it still owes an answer.
 */
#pragma once

#include "src/ipc/fz-ipc-bulk.h"
#include "src/ipc/fz-ipc-call.h"
#include "src/ipc/fz-ipc-callers.h"
#include "src/ipc/fz-ipc-methods.h"
#include "src/ipc/fz-ipc-service.h"

#define FZ_IPC_GRANTS_MAX (FZ_IPC_ACTIONS_MAX + 1u) /* actions that one call can need */

struct FzIpcCall {
  FzIpcService *service; /* NULL after it has ended; the call is answered then */
  GDBusMessage *message;
  FzIpcCaller *caller;       /* a reference; NULL if nobody could be found out about */
  const FzIpcMethod *method; /* NULL for calls to the standard interfaces */
  GVariant *parameters;
  GVariant *options; /* of parameters; NULL if there are none */
  int fd;            /* -1: none, or taken */
  bool is_pending;   /* counted in the caller's use and his user's */
  bool is_answered;

  /* authorization */
  const char *granted[FZ_IPC_GRANTS_MAX];
  unsigned n_granted;
  const char *asked;    /* what polkit is being asked */
  const char *also;     /* needed beside the method's own; NULL: nothing */
  FzIpcHandler allowed; /* what follows */
  gpointer allowed_data;
};

/* Takes a reference on @message. */
FzIpcCall *fz_ipc_call_new (FzIpcService *service, GDBusMessage *message);

bool fz_ipc_call_is_privileged (const FzIpcCall *self);

/* Answers with what @write makes of @data in GDBus's thread; see fz-ipc-bulk.h. */
void
fz_ipc_call_return_bulk (FzIpcCall *self, FzIpcBodyFunc write, gpointer data, GDestroyNotify free);

/* Answers with an error of D-Bus itself. */
void fz_ipc_call_fail_dbus (FzIpcCall *self, GDBusError code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/* Asks polkit for all that the call needs as things stand, then @allowed. Takes @self. */
void fz_ipc_call_seek_authorization (FzIpcCall *self, FzIpcHandler allowed, gpointer user_data);

/* The service ends: the call is answered with an error; its holder may still answer it in vain. */
void fz_ipc_call_abandon (FzIpcCall *self);

/* -- what the parts of the service need of it; fz-ipc-service.c -- */

GDBusConnection *fz_ipc_service_get_connection (const FzIpcService *self);
bool fz_ipc_service_is_up (const FzIpcService *self); /* there is a connection, or the way to one */
const FzLog *fz_ipc_service_get_log (const FzIpcService *self);
void fz_ipc_service_forget_call (FzIpcService *self, FzIpcCall *call);
