/* fz-app-log.h
 *
 * The app's own log: JSON lines to standard error and to app.log in the person's state folder,
 * where the log pane can open it. At a mebibyte the file becomes app.log.1. Until it is opened
 * everything is silent, as in unit tests. Tokens, states and nonces of a sign-in are never in it.
 *
 * Main thread, except for what GLib's own messages bring from others.
 */
#pragma once

#include "src/base/fz-log.h"

#include <stdbool.h>

/* Opens the log for the life of the process, and sends GLib's messages there as well. */
void fz_app_log_open (void);

/* @target: static text, which part speaks: "sign-in" */
FzLog fz_app_log_for (const char *target);

/* (transfer full): path of the file, whether or not it exists. */
char *fz_app_log_dup_path (void);
