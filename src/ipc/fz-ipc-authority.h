/* fz-ipc-authority.h
 *
 * One question to polkit, asked without waiting: may the sender of a message do this? The subject
 * is the sender's unique name, so the answer holds for this connection and no other; nothing is
 * kept from one question to the next.
 *
 * The service is not root, so polkit answers it only because each action names the service's user
 * as its owner (org.freedesktop.policykit.owner in the .policy file).
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef enum {
  FZ_IPC_VERDICT_ALLOWED,
  FZ_IPC_VERDICT_REFUSED,     /* no, and no password would help */
  FZ_IPC_VERDICT_CHALLENGE,   /* a password would help, but nobody could be asked */
  FZ_IPC_VERDICT_DISMISSED,   /* the person closed the dialog */
  FZ_IPC_VERDICT_UNAVAILABLE, /* polkit is not there, or answers nonsense: as good as no */
  FZ_IPC_VERDICT_TIMED_OUT,
  FZ_IPC_VERDICT_CANCELLED,
} FzIpcVerdict;

/* Called once, from the main loop. @detail: polkit's words for UNAVAILABLE, else NULL. */
typedef void (*FzIpcVerdictFunc) (FzIpcVerdict verdict, const char *detail, gpointer user_data);

/**
 * fz_ipc_authority_check:
 * @sender: unique name of whom to judge
 * @action: polkit's action id
 * @is_interactive: whether polkit may show a dialog
 * @cancellable: ends the question, and the dialog with it
 */
void fz_ipc_authority_check (GDBusConnection *connection,
                             const char *sender,
                             const char *action,
                             bool is_interactive,
                             GCancellable *cancellable,
                             FzIpcVerdictFunc callback,
                             gpointer user_data);
