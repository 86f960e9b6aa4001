/* fz-passphrase-dialog.c: see fz-passphrase-dialog.h */
#include "src/app/fz-passphrase-dialog.h"

#include "src/app/fz-sealed-file.h"

#include <glib/gi18n.h>
#include <string.h>

struct _FzPassphraseDialog {
  AdwWindow parent_instance;

  FzAccount *account;
  FzPassphraseUse use;
  GtkLabel *explanation;
  GtkEditable *passphrase;
  GtkEditable *again;
  GtkLabel *trouble;
  GtkButton *done;
};

G_DEFINE_FINAL_TYPE (FzPassphraseDialog, fz_passphrase_dialog, ADW_TYPE_WINDOW)

static void
show_trouble (FzPassphraseDialog *self, const char *words)
{
  gtk_label_set_label (self->trouble, words);
  gtk_widget_set_visible (GTK_WIDGET (self->trouble), words[0] != '\0');
}

static void
set_busy (FzPassphraseDialog *self, bool is_busy)
{
  gtk_widget_set_sensitive (GTK_WIDGET (self->done), !is_busy);
  gtk_editable_set_editable (self->passphrase, !is_busy);
  gtk_editable_set_editable (self->again, !is_busy);
}

static const char *
words_for (const GError *error)
{
  if (g_error_matches (error, FZ_SEALED_FILE_ERROR, FZ_SEALED_FILE_ERROR_PASSPHRASE))
    return _ ("That is not the passphrase. Try again, or sign in anew.");
  if (g_error_matches (error, FZ_SEALED_FILE_ERROR, FZ_SEALED_FILE_ERROR_DAMAGED))
    return _ ("The file is damaged. Sign in anew.");
  return NULL;
}

static void
finish (FzPassphraseDialog *self, const GError *error)
{
  g_autofree char *words = NULL;

  set_busy (self, false);
  if (error == NULL) {
    gtk_window_close (GTK_WINDOW (self));
    return;
  }
  /* Translators: %s is what the system says, in English */
  words = words_for (error) != NULL ? g_strdup (words_for (error))
                                    : g_strdup_printf (_ ("That did not work: %s"), error->message);
  show_trouble (self, words);
  gtk_widget_grab_focus (GTK_WIDGET (self->passphrase));
}

static void
on_sealed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzPassphraseDialog) self = user_data;
  g_autoptr (GError) error = NULL;

  fz_credential_store_seal_finish (FZ_CREDENTIAL_STORE (source), result, &error);
  finish (self, error);
}

static void
on_unsealed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzPassphraseDialog) self = user_data;
  g_autoptr (GError) error = NULL;

  if (fz_credential_store_unseal_finish (FZ_CREDENTIAL_STORE (source), result, &error))
    fz_account_connect (self->account);
  finish (self, error);
}

static void
on_done (FzPassphraseDialog *self)
{
  FzCredentialStore *store = fz_account_get_store (self->account);
  const char *passphrase = gtk_editable_get_text (self->passphrase);

  if (self->use == FZ_PASSPHRASE_OPEN) {
    set_busy (self, true);
    fz_credential_store_unseal (store, passphrase, on_unsealed, g_object_ref (self));
  } else if (g_utf8_strlen (passphrase, -1) < FZ_PASSPHRASE_CHARS_MIN) {
    show_trouble (self, _ ("Take at least eight characters; several words are best."));
  } else if (strcmp (passphrase, gtk_editable_get_text (self->again)) != 0) {
    show_trouble (self, _ ("The two are not the same."));
  } else {
    set_busy (self, true);
    fz_credential_store_seal (store, passphrase, on_sealed, g_object_ref (self));
  }
}

static void
dispose (GObject *object)
{
  g_clear_object (&FZ_PASSPHRASE_DIALOG (object)->account);
  G_OBJECT_CLASS (fz_passphrase_dialog_parent_class)->dispose (object);
}

static void
fz_passphrase_dialog_class_init (FzPassphraseDialogClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = dispose;
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/dev/firezone/Client/fz-passphrase-dialog.ui");
  gtk_widget_class_bind_template_child (widget_class, FzPassphraseDialog, explanation);
  gtk_widget_class_bind_template_child (widget_class, FzPassphraseDialog, passphrase);
  gtk_widget_class_bind_template_child (widget_class, FzPassphraseDialog, again);
  gtk_widget_class_bind_template_child (widget_class, FzPassphraseDialog, trouble);
  gtk_widget_class_bind_template_child (widget_class, FzPassphraseDialog, done);
  gtk_widget_class_bind_template_callback (widget_class, on_done);
}

static void
fz_passphrase_dialog_init (FzPassphraseDialog *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}

FzPassphraseDialog *
fz_passphrase_dialog_new (GtkWindow *parent, FzAccount *account, FzPassphraseUse use)
{
  FzPassphraseDialog *self =
      g_object_new (FZ_TYPE_PASSPHRASE_DIALOG, "transient-for", parent, NULL);
  bool is_new = use == FZ_PASSPHRASE_NEW;

  self->account = g_object_ref (account);
  self->use = use;
  gtk_widget_set_visible (GTK_WIDGET (self->again), is_new);
  gtk_window_set_title (GTK_WINDOW (self),
                        is_new ? _ ("Keep the Sign-In") : _ ("Unlock the Sign-In"));
  gtk_label_set_label (
      self->explanation,
      is_new ? _ ("The sign-in goes into a file that only this passphrase opens. Firezone asks for "
                  "it at each start. Nobody can help you if you forget it, but you can always sign "
                  "in anew.")
             : _ ("Enter the passphrase that you chose for the file."));
  gtk_button_set_label (self->done, is_new ? _ ("_Keep") : _ ("_Unlock"));
  return self;
}
