/* fz-remote-list.h
 *
 * Objects of one interface as a GListModel of FzRemoteObjects, kept by their object paths. Objects
 * that appear or go one by one are told together, once all that has arrived from the bus was read:
 * five thousand of them make one "items-changed". A look-up knows of them at once. An object that a
 * new snapshot still has keeps its place and its identity.
 *
 * Main thread.
 */
#pragma once

#include "src/app/fz-remote-object.h"

#define FZ_TYPE_REMOTE_LIST (fz_remote_list_get_type ())
G_DECLARE_FINAL_TYPE (FzRemoteList, fz_remote_list, FZ, REMOTE_LIST, GObject)

FzRemoteList *fz_remote_list_new (GType item_type);

/* Everything that is so now: @objects maps paths (char *) to a{sv} (GVariant *). */
void fz_remote_list_replace (FzRemoteList *self, GHashTable *objects);

/* A new object, or another word about one we have. */
void fz_remote_list_add (FzRemoteList *self, const char *path, GVariant *properties);

void fz_remote_list_remove (FzRemoteList *self, const char *path);
void fz_remote_list_remove_all (FzRemoteList *self);

/* (transfer none): NULL if there is none. */
gpointer fz_remote_list_lookup (FzRemoteList *self, const char *path);
