/* fz-resolv-file.h
 *
 * /etc/resolv.conf taken over and given back. What stood there (file or symbolic
 * link) is kept under another name as the very same inode, so that giving it
 * back restores content, owner, permissions, times and link at once: by a second name, or, where
 * that is not allowed, by changing places. Only where the file is a mount of its own
 * (containers) it is copied and written in place.
 * Whatever stands there without our marker is somebody else's and becomes the original.
 *
 * @etc stands for /etc. Needs the right to write there. No state in memory: any
 * process can undo what another did.
 */
#pragma once

#include "platform/fz-dns-control.h"

/* Ours is there, made from the original as it is now. False also where it cannot be read. */
bool fz_resolv_file_is_in_force (const char *etc,
                                 const FzIp *servers,
                                 size_t n_servers,
                                 const char *search_domain);

/* @error: FZ_DNS_ERROR_PERMISSION or FZ_DNS_ERROR_FAILED; resolv.conf is complete in any case. */
bool fz_resolv_file_install (const char *etc,
                             const FzIp *servers,
                             size_t n_servers,
                             const char *search_domain,
                             GError **error);

/* The original returns, if ours is there; otherwise only our copy is removed. */
bool fz_resolv_file_restore (const char *etc, GError **error);

/* What would be there without us, read through a symbolic link; NULL: nothing. Free with g_free. */
char *fz_resolv_file_dup_original (const char *etc);

/* What is there; NULL: nothing that can be read. */
char *fz_resolv_file_dup_current (const char *etc);

/* The file that the original's text is in: through links, for watching. Free with g_free. */
char *fz_resolv_file_dup_original_path (const char *etc);
