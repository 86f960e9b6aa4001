/* fz-ipc-tree.h
 *
 * The objects of the service as values: which paths exist, what their properties hold, and who may
 * know. The tree answers nothing by itself; FzIpcService asks it on behalf of a caller.
 *
 *   - A change is remembered and told once per turn of the main loop: one InterfacesRemoved per
 * object gone, one InterfacesAdded per new object (with what its properties hold by then), one
 *     PropertiesChanged per changed interface.
 *   - What is public is broadcast. What is private (whole objects, or some properties of the
 *     Manager) exists for owner and root only; signals about it go to each of their names by
 * itself.
 *
 * Main thread. The tree of a service belongs to the service.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
  FZ_IPC_PUBLIC,  /* everybody */
  FZ_IPC_PRIVATE, /* owner and root */
} FzIpcAudience;

typedef struct FzIpcTree FzIpcTree;
typedef struct FzIpcObject FzIpcObject; /* one interface at one path; lives until it is removed */

/**
 * fz_ipc_tree_add:
 * @path: whole object path below FZ_IPC_PATH; free so far
 * @info: its one interface, of fz-tunnel1-generated.h: fz_tunnel1_resource_interface_info () and so
 * on
 *
 * All properties begin as zero, "", "/" or empty. Set them in the same turn of the main loop: then
 * the signal that tells of the object has them.
 *
 * Returns: (transfer none): the object
 */
FzIpcObject *fz_ipc_tree_add (FzIpcTree *self,
                              const char *path,
                              GDBusInterfaceInfo *info,
                              FzIpcAudience audience);

/* The object is gone for callers at once, and for @object's holder. */
void fz_ipc_tree_remove (FzIpcTree *self, FzIpcObject *object);

/* NULL if there is none. */
FzIpcObject *fz_ipc_tree_lookup (FzIpcTree *self, const char *path);

/* The Manager at FZ_IPC_PATH, which is there from the start. */
FzIpcObject *fz_ipc_tree_get_manager (FzIpcTree *self);

const char *fz_ipc_object_get_path (const FzIpcObject *self);

/**
 * fz_ipc_object_set:
 * @property: a name of the interface; a wrong one, or a @value of another type, is a bug and
 * asserts
 * @value: a floating one is taken
 *
 * Says nothing if the value is what it was.
 */
void fz_ipc_object_set (FzIpcObject *self, const char *property, GVariant *value);

/* Shorthands of fz_ipc_object_set() for s, u, t and o; NULL text is "". */
void fz_ipc_object_set_text (FzIpcObject *self, const char *property, const char *value);
void fz_ipc_object_set_u32 (FzIpcObject *self, const char *property, uint32_t value);
void fz_ipc_object_set_u64 (FzIpcObject *self, const char *property, uint64_t value);
void fz_ipc_object_set_path (FzIpcObject *self, const char *property, const char *value);

/* (transfer none): what it holds now. */
GVariant *fz_ipc_object_get (const FzIpcObject *self, const char *property);

/* Tells of all changes now instead of at the end of the turn. */
void fz_ipc_tree_flush (FzIpcTree *self);

/* "…/resource/ID" with dashes as underscores, "…/gateway/N", "…/relay/N"; g_free() it. */
char *fz_ipc_dup_resource_path (const char *id);
char *fz_ipc_dup_gateway_path (unsigned n);
char *fz_ipc_dup_relay_path (unsigned n);
