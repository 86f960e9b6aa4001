/* fz-ipc-tree-private.h
 *
 * The tree as the service's code sees it: through the eyes of one caller.
 */
#pragma once

#include "src/ipc/fz-ipc-picture.h"
#include "src/ipc/fz-ipc-tree.h"

typedef struct {
  /* One signal, from @path. @destination: a unique name; NULL: all that @audience means. */
  void (*emit) (const char *destination,
                FzIpcAudience audience,
                const char *path,
                const char *interface,
                const char *signal,
                GVariant *parameters,
                gpointer user_data);
  /* InterfacesAdded from FZ_IPC_PATH, of what @picture shows; there may be thousands. */
  void (*emit_added) (const char *destination,
                      FzIpcAudience audience,
                      FzIpcPicture *picture,
                      gpointer user_data);
  /* All changes have been told. */
  void (*flushed) (gpointer user_data);
} FzIpcTreeEvents;

FzIpcTree *fz_ipc_tree_new (const FzIpcTreeEvents *events, gpointer user_data);
void fz_ipc_tree_free (FzIpcTree *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzIpcTree, fz_ipc_tree_free)

/* Asks for a flush at the end of the turn, and so for events->flushed. */
void fz_ipc_tree_queue_flush (FzIpcTree *self);

/* Tells @name alone that what is private is here, or gone: it becomes privileged, or is no longer.
 * Changes not told yet are told first. */
void fz_ipc_tree_show_private (FzIpcTree *self, const char *name, bool is_here);

bool fz_ipc_object_is_visible (const FzIpcObject *self, bool is_privileged);
GDBusInterfaceInfo *fz_ipc_object_get_info (const FzIpcObject *self);

/* (transfer full): one property as this caller may see it; NULL if there is none of this name. */
GVariant *fz_ipc_object_view (const FzIpcObject *self, const char *property, bool is_privileged);

/* (transfer floating): all of them, a{sv}. */
GVariant *fz_ipc_object_view_all (const FzIpcObject *self, bool is_privileged);

/* (transfer full): of FzIpcPicture, all objects as they are now but for the Manager: what
 * fz_ipc_pictures_to_managed() makes GetManagedObjects' result of. */
GPtrArray *fz_ipc_tree_dup_managed (FzIpcTree *self, bool is_privileged);

/* (transfer container): last parts of the paths below @path, of which one or more visible objects
 * exist; with @path FZ_IPC_PATH "resource", with "…/resource" the ids. Empty if there are none. */
GPtrArray *fz_ipc_tree_dup_children (FzIpcTree *self, const char *path, bool is_privileged);
