/* fz-ipc-standard.h
 *
 * org.freedesktop.DBus.Properties, .Introspectable and .ObjectManager over the tree, as each caller
 * may see it. For whom an object does not exist, it does not exist here either.
 */
#pragma once

#include "src/ipc/fz-ipc-call-private.h"
#include "src/ipc/fz-ipc-tree-private.h"

/* Whether @path is one that Introspect answers for although nothing else is there: those above
 * FZ_IPC_PATH, so that tools find the way down from "/". */
bool fz_ipc_standard_is_above (const char *path);

/* Takes @call if it is for one of the three interfaces (or names no interface, and a method of one
 * of them); false if it is not. */
bool fz_ipc_standard_handle (FzIpcTree *tree, FzIpcCall *call);

/* Answers UnknownObject and false if there is nothing at the call's path for its caller. */
bool fz_ipc_standard_require_object (FzIpcTree *tree, FzIpcCall *call);

/* Answers UnknownInterface or UnknownMethod, whichever it is. Takes @call. */
void fz_ipc_standard_fail_unknown (FzIpcTree *tree, FzIpcCall *call);
