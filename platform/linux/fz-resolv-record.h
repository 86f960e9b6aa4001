/* fz-resolv-record.h
 *
 * A record with resolvconf, where that program makes resolv.conf: openresolv's,
 * or Debian's of the same name. openresolv is asked for an exclusive record, so
 * that no other interface's servers are asked; Debian's has no such thing, which
 * is why mode auto replaces its file instead (fz-resolv-file.h).
 *
 * Records are files in resolv.conf's own format below /run/resolvconf. Blocks as
 * long as the program runs, ten seconds at most.
 */
#pragma once

#include "platform/fz-dns-control-private.h"

/* Where the program is; NULL: not installed. Static. */
const char *fz_resolv_record_find_program (void);
bool fz_resolv_record_is_openresolv (void);

bool fz_resolv_record_is_in_force (const char *etc,
                                   const FzIp *servers,
                                   size_t n_servers,
                                   const char *search_domain);
bool fz_resolv_record_install (const FzIp *servers,
                               size_t n_servers,
                               const char *search_domain,
                               GError **error);
bool fz_resolv_record_remove (GError **error); /* nothing to remove is success */

/* The servers of all other records. */
void fz_resolv_record_read_upstreams (GArray *upstreams);

/* The folder of the records, for watching. Static. */
const char *fz_resolv_record_get_folder (void);
