/* fz-notifier.h
 *
 * What the desktop tells a person who does not look at the window. One notification for each kind,
 * replaced by the next and withdrawn when it is no longer true; each kind at most once a minute.
 * The settings say whether there are any, and whether connecting (which the person asked for) is
 * worth one.
 *
 * Kinds: connected lost sign-in-needed session-ends gateways-offline version-mismatch
 * resource-denied dns-failed background.
 *
 * Main thread.
 */
#pragma once

#include "src/app/fz-account.h"

#define FZ_TYPE_NOTIFIER (fz_notifier_get_type ())
G_DECLARE_FINAL_TYPE (FzNotifier, fz_notifier, FZ, NOTIFIER, GObject)

FzNotifier *fz_notifier_new (GApplication *application,
                             FzTunnelModel *tunnel,
                             FzAccount *account,
                             GSettings *settings);

/* The window was closed where no tray shows that the app goes on. */
void fz_notifier_tell_background (FzNotifier *self);
