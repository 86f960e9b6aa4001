/* fz-ipc-service.h
 *
 * dev.firezone.Client.Tunnel1 on a bus connection: every method call takes one way.
 *
 *   message ─► sender's uid ─► limits of the sender ─┬─► Properties, Introspectable, ObjectManager:
 *                                                    │     the tree, as this caller may see it
 *                                                    └─► arguments ─► polkit (table of methods)
 *                                                          ─► take-over if another user owns the
 * tunnel ─► handler ─► one answer
 *
 * WaitForState and Subscribe are answered here; all else that changes something is a handler's. A
 * method without a row in the table is refused. When a sender leaves the bus its calls are
 * cancelled and its waiters and subscriptions are gone.
 *
 * Main thread (the default main context). The connection's owner keeps it alive.
 */
#pragma once

#include "src/base/fz-log.h"
#include "src/ipc/fz-ipc-call.h"
#include "src/ipc/fz-ipc-names.h"
#include "src/ipc/fz-ipc-tree.h"

/* What one sender may have, and all senders of one user: he has as many as the bus lets him. */
#define FZ_IPC_CALLS_PER_S            100u
#define FZ_IPC_USER_CALLS_PER_S       400u
#define FZ_IPC_WAITERS_MAX            16u
#define FZ_IPC_USER_WAITERS_MAX       256u
#define FZ_IPC_SUBSCRIPTIONS_MAX      4u
#define FZ_IPC_USER_SUBSCRIPTIONS_MAX 16u
#define FZ_IPC_PENDING_MAX            32u /* calls that wait for polkit or for a handler */
#define FZ_IPC_USER_PENDING_MAX       64u

/* Since the connection began; 0 without one. */
typedef struct {
  uint64_t tx_bytes;
  uint64_t rx_bytes;
  uint64_t tx_packets;
  uint64_t rx_packets;
  uint64_t dropped;
  uint32_t rtt_us; /* 0: unknown */
} FzIpcSample;

/* A handler that is NULL answers Unsupported. */
typedef struct {
  FzIpcHandler connect;
  FzIpcHandler disconnect;
  FzIpcHandler reconnect;
  FzIpcHandler set_credential; /* fz_ipc_call_steal_fd(), fz_ipc_credential_read() */
  FzIpcHandler clear_credential;
  FzIpcHandler set_internet_resource;
  FzIpcHandler open_log;
  FzIpcHandler set_log_filter;
  FzIpcHandler export;
  FzIpcHandler self_test;
  FzIpcHandler metrics;
  FzIpcHandler exposition;
  void (*sample) (FzIpcSample *out, gpointer user_data); /* NULL: zeros */
} FzIpcHandlers;

typedef struct {
  GDBusConnection *connection;
  FzIpcHandlers handlers;
  gpointer user_data;
  FzLog log;
} FzIpcServiceConfig;

typedef struct FzIpcService FzIpcService;

/**
 * fz_ipc_service_new:
 *
 * Calls are answered from now on: set the Manager's properties, then own FZ_IPC_BUS_NAME
 * (g_bus_own_name_on_connection(), without G_BUS_NAME_OWNER_FLAGS_ALLOW_REPLACEMENT), both before
 * the main loop runs. Version, ApiMinor, Owner (none) and State (signed-out) are set here.
 */
FzIpcService *fz_ipc_service_new (const FzIpcServiceConfig *config);

/* Calls that are open fail; nothing is called back. */
void fz_ipc_service_free (FzIpcService *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzIpcService, fz_ipc_service_free)

/* (transfer none) */
FzIpcTree *fz_ipc_service_get_tree (FzIpcService *self);

/**
 * fz_ipc_service_set_state:
 * @state: a value of Manager.State
 * @reason: a stable code or ""
 * @detail: one English sentence or ""
 *
 * Sets State, StateReason, StateDetail and, if @state is another one, StateSince.
 * PropertiesChanged, StateChanged and the answers of waiters follow in this order at the end of the
 * turn.
 */
void fz_ipc_service_set_state (FzIpcService *self,
                               const char *state,
                               const char *reason,
                               const char *detail);

/* Sets Manager.Owner and with it who sees what is private: who may no longer, is told that it is
 * gone. FZ_IPC_NO_OWNER: root alone. */
void fz_ipc_service_set_owner (FzIpcService *self, uint32_t uid);
uint32_t fz_ipc_service_get_owner (const FzIpcService *self);

/* Whose the log is: the owner's, or the last one's after he has signed out; FZ_IPC_NO_OWNER before
 * there was one. */
uint32_t fz_ipc_service_get_log_owner (const FzIpcService *self);

/* Manager.Event to owner and root. @details: a{sv}, a floating one is taken; NULL for none. */
void fz_ipc_service_emit_event (FzIpcService *self, const char *id, GVariant *details);
