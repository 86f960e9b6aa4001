/* fz-passphrase-dialog.h
 *
 * Asks for the passphrase of the encrypted file: a new one, twice, to keep the
 * sign-in there, or the one that opens it. It closes when that is done; what
 * went wrong is said beside the entry.
 */
#pragma once

#include "src/app/fz-account.h"

#include <adwaita.h>

#define FZ_TYPE_PASSPHRASE_DIALOG (fz_passphrase_dialog_get_type ())
G_DECLARE_FINAL_TYPE (FzPassphraseDialog, fz_passphrase_dialog, FZ, PASSPHRASE_DIALOG, AdwWindow)

typedef enum {
  FZ_PASSPHRASE_NEW,  /* keeps the sign-in */
  FZ_PASSPHRASE_OPEN, /* opens the file, and connects */
} FzPassphraseUse;

FzPassphraseDialog *
fz_passphrase_dialog_new (GtkWindow *parent, FzAccount *account, FzPassphraseUse use);
