/* fz-link-dialog.h
 *
 * Signing in where no browser opened: the page's address to copy or to scan, and a field for the
 * link that the page ends with, so that the browser may be on another device. Closes itself when
 * the sign-in is over.
 */
#pragma once

#include "src/app/fz-account.h"

#include <adwaita.h>

#define FZ_TYPE_LINK_DIALOG (fz_link_dialog_get_type ())
G_DECLARE_FINAL_TYPE (FzLinkDialog, fz_link_dialog, FZ, LINK_DIALOG, AdwWindow)

/* While the account waits for a browser. */
FzLinkDialog *fz_link_dialog_new (GtkWindow *parent, FzAccount *account);
