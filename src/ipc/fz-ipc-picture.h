/* fz-ipc-picture.h
 *
 * What one object holds, as values that can be shown to another thread: whoever has a reference
 * sees it as it was then. The tree owns the newest; a reply that is being written owns what it was
 * asked for. Taking a reference costs next to nothing, writing thousands of them as one reply does
 * not: see fz-ipc-bulk.h.
 *
 *   tree ──set──► alone? changed in place        shared? copied, and the copy is changed
 *
 * Changed by the main thread only; read, and let go, by any.
 */
#pragma once

#include <gio/gio.h>

typedef struct {
  gatomicrefcount refs;
  GRefString *path;
  GDBusInterfaceInfo *info; /* the one interface; static data */
  unsigned n_values;
  GVariant *values[]; /* in the order of info->properties; never floating */
} FzIpcPicture;

/* All values are zero, "", "/" or empty. */
FzIpcPicture *fz_ipc_picture_new (const char *path, GDBusInterfaceInfo *info);
FzIpcPicture *fz_ipc_picture_ref (FzIpcPicture *self);
void fz_ipc_picture_unref (FzIpcPicture *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzIpcPicture, fz_ipc_picture_unref)

/* Takes @self and returns it, or a copy if others see it. @value: (transfer full). */
FzIpcPicture *fz_ipc_picture_set (FzIpcPicture *self, unsigned i, GVariant *value);

/* (transfer floating): what property @i holds before anything was set. */
GVariant *fz_ipc_picture_make_zero (GDBusInterfaceInfo *info, unsigned i);

/* (transfer floating): InterfacesAdded's (oa{sa{sv}}). */
GVariant *fz_ipc_picture_to_added (const FzIpcPicture *self);

/* (transfer floating): GetManagedObjects' result, (a{oa{sa{sv}}}), of @pictures (FzIpcPicture). */
GVariant *fz_ipc_pictures_to_managed (GPtrArray *pictures);
