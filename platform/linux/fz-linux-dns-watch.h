/* fz-linux-dns-watch.h
 *
 * Tells when a file is written, replaced, made or removed, or when anything in a
 * folder is. By inotify, on the file itself and on the folder it stands in: a file that
 * is a mount of its own (resolv.conf in containers) shows no change in its
 * folder, and one that is replaced shows it nowhere else.
 */
#pragma once

#include <glib.h>

typedef struct FzDnsWatch FzDnsWatch;

/* @func: from the main loop, more than once for one change; may not free the watch. What cannot be
 * watched is not. */
FzDnsWatch *
fz_dns_watch_file_new (const char *path, void (*func) (gpointer user_data), gpointer user_data);
FzDnsWatch *
fz_dns_watch_folder_new (const char *path, void (*func) (gpointer user_data), gpointer user_data);
void fz_dns_watch_free (FzDnsWatch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzDnsWatch, fz_dns_watch_free)
