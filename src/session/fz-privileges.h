/* fz-privileges.h
 *
 * CAP_NET_ADMIN and nothing else: what a process of ours keeps of its rights
 * once its files are open.
 */
#pragma once

#include "src/base/fz-log.h"

#include <glib.h>
#include <stdbool.h>

/* No core dumps and no debugger of the same user: tokens and keys are in memory. */
void fz_privileges_forbid_dumps (void);

/**
 * fz_privileges_keep_net_admin:
 *
 * Drops every capability but CAP_NET_ADMIN from all sets, and the right to gain
 * any by starting another program. Before threads start. What cannot be dropped
 * (the bounding set, without CAP_SETPCAP) is logged at debug.
 *
 * Returns: false if the kernel refused to drop what we hold, with G_FILE_ERROR
 */
bool fz_privileges_keep_net_admin (const FzLog *log, GError **error);
