/* fz-link-dialog.c: see fz-link-dialog.h */
#include "src/app/fz-link-dialog.h"

#include "src/app/fz-qr.h"

#include <glib/gi18n.h>

struct _FzLinkDialog {
  AdwWindow parent_instance;

  FzAccount *account;
  AdwToastOverlay *toasts;
  GtkPicture *qr;
  GtkLabel *link;
  AdwEntryRow *answer;
};

G_DEFINE_FINAL_TYPE (FzLinkDialog, fz_link_dialog, ADW_TYPE_WINDOW)

static void
on_copy (FzLinkDialog *self)
{
  const char *link = fz_account_get_link (self->account);

  if (link == NULL)
    return;
  gdk_clipboard_set_text (gtk_widget_get_clipboard (GTK_WIDGET (self)), link);
  adw_toast_overlay_add_toast (self->toasts, adw_toast_new (_ ("Link copied")));
}

/* A right answer ends the waiting, and with it this dialog. */
static void
on_answer (FzLinkDialog *self)
{
  g_autofree char *link = g_strdup (gtk_editable_get_text (GTK_EDITABLE (self->answer)));

  fz_account_handle_link (self->account, g_strstrip (link));
  if (fz_account_get_phase (self->account) != FZ_ACCOUNT_BROWSER)
    return;
  gtk_widget_add_css_class (GTK_WIDGET (self->answer), "error");
  adw_toast_overlay_add_toast (self->toasts,
                               adw_toast_new (_ ("That is not the link of this sign-in")));
}

static void
on_account_changed (FzLinkDialog *self)
{
  if (fz_account_get_phase (self->account) != FZ_ACCOUNT_BROWSER)
    gtk_window_close (GTK_WINDOW (self));
}

static void
dispose (GObject *object)
{
  g_clear_object (&FZ_LINK_DIALOG (object)->account);
  G_OBJECT_CLASS (fz_link_dialog_parent_class)->dispose (object);
}

static void
fz_link_dialog_class_init (FzLinkDialogClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = dispose;
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/dev/firezone/Client/fz-link-dialog.ui");
  gtk_widget_class_bind_template_child (widget_class, FzLinkDialog, toasts);
  gtk_widget_class_bind_template_child (widget_class, FzLinkDialog, qr);
  gtk_widget_class_bind_template_child (widget_class, FzLinkDialog, link);
  gtk_widget_class_bind_template_child (widget_class, FzLinkDialog, answer);
  gtk_widget_class_bind_template_callback (widget_class, on_copy);
  gtk_widget_class_bind_template_callback (widget_class, on_answer);
}

static void
fz_link_dialog_init (FzLinkDialog *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}

FzLinkDialog *
fz_link_dialog_new (GtkWindow *parent, FzAccount *account)
{
  FzLinkDialog *self = g_object_new (FZ_TYPE_LINK_DIALOG, "transient-for", parent, NULL);
  g_autoptr (FzQr) qr = fz_qr_new (fz_account_get_link (account));

  self->account = g_object_ref (account);
  gtk_label_set_text (self->link, fz_account_get_link (account));
  gtk_picture_set_paintable (self->qr, qr != NULL ? GDK_PAINTABLE (qr) : NULL);
  g_signal_connect_object (
      account, "changed", G_CALLBACK (on_account_changed), self, G_CONNECT_SWAPPED);
  return self;
}
