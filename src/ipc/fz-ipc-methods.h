/* fz-ipc-methods.h
 *
 * The table of methods: which arguments each takes, which polkit action it needs, and whose handler
 * it is. A method without a row does not exist for callers.
 */
#pragma once

#include "src/ipc/fz-ipc-service.h"

#define FZ_IPC_ACTIONS_MAX 3u

typedef enum {
  FZ_IPC_RULE_FREE,          /* no authorization needed */
  FZ_IPC_RULE_TAKE_OVER,     /* the action; on another user's tunnel take-over as well */
  FZ_IPC_RULE_OWN_OR_NOBODY, /* the action for the owner, and for all while there is none; else the
                                other action */
  FZ_IPC_RULE_OWN,           /* the action for the owner; for everybody else the other action */
} FzIpcRule;

typedef struct {
  const char *key;
  const char *type;
  size_t text_bytes_max; /* of type s */
} FzIpcOption;

typedef struct FzIpcMethod {
  const char *interface;
  const char *method;
  FzIpcRule rule;
  const char *action;
  const char *other_action;
  const FzIpcOption *options; /* ends with a NULL key; NULL: takes no a{sv} */
  bool takes_fd;              /* an argument h */
  bool shows_log;             /* which is its last owner's, after he has signed out too */
  bool ends_connection;       /* needs disconnect as well while there is one: a machine whose
                                 administrator       forbids to disconnect is not disconnected by signing
                                 out */
  bool (*check) (GVariant *parameters, GError **error); /* NULL: nothing to check beyond options */
  size_t handler; /* offset in FzIpcHandlers; SIZE_MAX: the service's own */
} FzIpcMethod;

/* @interface may be NULL: the first method of this name. NULL: no row. */
const FzIpcMethod *fz_ipc_method_find (const char *interface, const char *method);

FzIpcHandler fz_ipc_method_get_handler (const FzIpcMethod *self, const FzIpcHandlers *handlers);

/* Which actions the caller needs while the tunnel is @owner's, and is up or not; returns how many
 * (at most FZ_IPC_ACTIONS_MAX). */
unsigned fz_ipc_method_get_actions (
    const FzIpcMethod *self, uint32_t uid, uint32_t owner, bool is_up, const char **out);

/* The argument a{sv} of @parameters; (transfer full), NULL if the method has none. */
GVariant *fz_ipc_method_dup_options (const FzIpcMethod *self, GVariant *parameters);

/* Options and values; FZ_IPC_ERROR_INVALID_ARGUMENT says which. The signature has been checked. */
bool fz_ipc_method_check (const FzIpcMethod *self,
                          GVariant *parameters,
                          GVariant *options,
                          GError **error);
