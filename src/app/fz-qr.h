/* fz-qr.h
 *
 * A text as a QR code that GTK can paint, sharp at every size. Main thread.
 */
#pragma once

#include <gtk/gtk.h>

#define FZ_TYPE_QR (fz_qr_get_type ())
G_DECLARE_FINAL_TYPE (FzQr, fz_qr, FZ, QR, GObject)

/* NULL if @text is too long for a code. */
FzQr *fz_qr_new (const char *text);
