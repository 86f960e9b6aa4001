/* fz-control.h
 *
 * How the command line reaches the running portal: a UNIX socket beside the
 * database, mode 0600, one JSON object per line each way. Whoever owns the
 * database file may manage the portal, nobody else.
 *
 *   → {"noun":"site","verb":"add","args":{"name":"berlin"}}
 *   ← {"ok":true,"result":{…}}
 *   ← {"ok":false,"error":{"code":"conflict","message":"…"}}
 */
#pragma once

#include "src/server/fz-manage.h"

#include <glib.h>
#include <json-glib/json-glib.h>

/* -- one process at a time -- */

typedef struct FzInstanceLock FzInstanceLock;

/* Locks the database for this process; CONFLICT if another one holds it after @wait_ms. */
FzInstanceLock *fz_instance_lock_take (const char *database_path, unsigned wait_ms, GError **error);
void fz_instance_lock_release (FzInstanceLock *self); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzInstanceLock, fz_instance_lock_release)

/* -- the portal's side -- */

typedef struct FzControl FzControl;

#define FZ_CONTROL_LINE_MAX  (1024u * 1024u) /* bytes */
#define FZ_CONTROL_PEERS_MAX 32u

/* Call it with the instance lock held: a socket left by a crash is replaced. @manage outlives it.
 */
FzControl *
fz_control_new (const char *database_path, FzManage *manage, const FzLog *log, GError **error);
void fz_control_free (FzControl *self); /* removes the socket */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzControl, fz_control_free)

/* -- the command line's side -- */

/**
 * fz_control_request:
 * @out_is_running: false if nobody listens; the caller then opens the database itself
 *
 * Sends one request and waits for its answer, at most 30 s.
 */
JsonNode *fz_control_request (const char *database_path,
                              const char *noun,
                              const char *verb,
                              JsonObject *args,
                              bool *out_is_running,
                              GError **error);
