/* fz-log-watch.h
 *
 * Follow mode: tells when the file of an index changes. inotify where the path
 * is known, and in any case a look at the descriptor's size now and then:
 * descriptors passed by the service have no path that we may watch.
 *
 * Belongs to the thread whose main context was the default one when it was made.
 */
#pragma once

#include "src/logfile/fz-log-index.h"

#define FZ_LOG_WATCH_POLL_MS     400u /* for a descriptor without a path; with one, 5 times that */
#define FZ_LOG_WATCH_INTERVAL_MS 250u /* between looks at least: what follows costs something */

typedef struct FzLogWatch FzLogWatch;

/* @state: never FZ_LOG_FILE_SAME. TRUNCATED and ROTATED are told once; then the watch is silent.
 * The callback may free the watch. */
typedef void (*FzLogWatchFunc) (FzLogFileState state, gpointer user_data);

/* Keeps a reference of @index. The first look is taken from the main loop, not in here. */
FzLogWatch *fz_log_watch_new (FzLogIndex *index, FzLogWatchFunc on_change, gpointer user_data);
void fz_log_watch_free (FzLogWatch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzLogWatch, fz_log_watch_free)
