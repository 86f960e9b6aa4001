/* fz-log-files.c: see the header */
#include "src/app/log/fz-log-files.h"

#include "src/app/log/fz-log-export.h"

#include <glib/gi18n.h>

struct _FzLogFiles {
  GObject parent_instance;

  FzLogReader *reader;
  GtkFileChooserNative *chooser; /* while it is open */
  GCancellable *exporting;       /* NULL: nothing is */
};

enum {
  CHOSEN,
  SAID,
  CHANGED,
  N_SIGNALS,
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (FzLogFiles, fz_log_files, G_TYPE_OBJECT)

static void
say (FzLogFiles *self, const char *text)
{
  g_signal_emit (self, signals[SAID], 0, text);
}

/* -- the chooser -- */

static GtkFileChooser *
new_chooser (FzLogFiles *self,
             GtkWidget *over,
             const char *title,
             GtkFileChooserAction action,
             const char *accept)
{
  GtkRoot *root = gtk_widget_get_root (over);

  g_clear_object (&self->chooser);
  self->chooser = gtk_file_chooser_native_new (
      title, GTK_IS_WINDOW (root) ? GTK_WINDOW (root) : NULL, action, accept, NULL);
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (self->chooser), TRUE);
  return GTK_FILE_CHOOSER (self->chooser);
}

static void
show_chooser (FzLogFiles *self, GCallback on_response)
{
  g_signal_connect_object (self->chooser, "response", on_response, self, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (self->chooser));
}

/* The path that was chosen; NULL if none was. */
static char *
dup_chosen_path (FzLogFiles *self, int response)
{
  g_autoptr (GFile) file = response == GTK_RESPONSE_ACCEPT
                               ? gtk_file_chooser_get_file (GTK_FILE_CHOOSER (self->chooser))
                               : NULL;

  if (file != NULL && g_file_peek_path (file) == NULL)
    say (self, _ ("Only files on this computer can be used here"));
  return file != NULL ? g_file_get_path (file) : NULL;
}

static bool
is_ticked (FzLogFiles *self, const char *choice)
{
  return g_strcmp0 (gtk_file_chooser_get_choice (GTK_FILE_CHOOSER (self->chooser), choice),
                    "true") == 0;
}

/* -- to open -- */

static void
on_file_chosen (GtkNativeDialog *dialog, int response, FzLogFiles *self)
{
  g_autofree char *path = dup_chosen_path (self, response);

  g_clear_object (&self->chooser);
  if (path != NULL)
    g_signal_emit (self, signals[CHOSEN], 0, path);
}

void
fz_log_files_open (FzLogFiles *self, GtkWidget *over)
{
  new_chooser (self, over, _ ("Open a Log"), GTK_FILE_CHOOSER_ACTION_OPEN, _ ("_Open"));
  show_chooser (self, G_CALLBACK (on_file_chosen));
}

/* -- to export to -- */

static void
on_exported (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzLogFiles) self = user_data;
  g_autoptr (GError) error = NULL;
  bool ok = fz_log_export_finish (result, &error);
  g_autofree char *text = NULL;

  g_clear_object (&self->exporting);
  if (!ok && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (!ok)
    /* Translators: %s is the reason */
    text = g_strdup_printf (_ ("The log could not be exported: %s"), error->message);
  say (self, ok ? _ ("Log exported. Look through it before you pass it on") : text);
  g_signal_emit (self, signals[CHANGED], 0);
}

static void
start_export (FzLogFiles *self, char *path)
{
  FzLogModel *model = fz_log_reader_get_model (self->reader);
  FzLogExport what = { .path = path };

  if (model == NULL) /* it has gone while the chooser was open */
    return;
  if (fz_log_reader_is_service (self->reader))
    what.bus = fz_log_reader_get_bus (self->reader);
  what.index = fz_log_model_get_index (model);
  if (is_ticked (self, "addresses"))
    what.flags |= FZ_LOG_REDACT_ADDRESSES;
  if (is_ticked (self, "names"))
    what.flags |= FZ_LOG_REDACT_NAMES;
  self->exporting = g_cancellable_new ();
  fz_log_export_async (&what, self->exporting, on_exported, g_object_ref (self));
  g_signal_emit (self, signals[CHANGED], 0);
}

static void
on_target_chosen (GtkNativeDialog *dialog, int response, FzLogFiles *self)
{
  g_autofree char *path = dup_chosen_path (self, response);

  if (path != NULL)
    start_export (self, path);
  g_clear_object (&self->chooser);
}

/* The service redacts what it exports by its own rules; of a file the person decides. */
static void
add_choices (GtkFileChooser *chooser)
{
  gtk_file_chooser_add_choice (chooser, "addresses", _ ("Remove IP addresses"), NULL, NULL);
  gtk_file_chooser_add_choice (
      chooser, "names", _ ("Remove names of hosts and resources"), NULL, NULL);
  gtk_file_chooser_set_choice (chooser, "addresses", "true");
  gtk_file_chooser_set_choice (chooser, "names", "true");
}

void
fz_log_files_export (FzLogFiles *self, GtkWidget *over)
{
  GtkFileChooser *chooser =
      new_chooser (self, over, _ ("Export the Log"), GTK_FILE_CHOOSER_ACTION_SAVE, _ ("_Export"));
  g_autofree char *suggestion = fz_log_export_suggest_name ();

  gtk_file_chooser_set_current_name (chooser, suggestion);
  if (!fz_log_reader_is_service (self->reader))
    add_choices (chooser);
  show_chooser (self, G_CALLBACK (on_target_chosen));
}

bool
fz_log_files_is_exporting (const FzLogFiles *self)
{
  return self->exporting != NULL;
}

/* -- life -- */

void
fz_log_files_close (FzLogFiles *self)
{
  if (self->exporting != NULL)
    g_cancellable_cancel (self->exporting);
  g_clear_object (&self->chooser);
}

static void
dispose (GObject *object)
{
  FzLogFiles *self = FZ_LOG_FILES (object);

  fz_log_files_close (self);
  g_clear_object (&self->reader);
  G_OBJECT_CLASS (fz_log_files_parent_class)->dispose (object);
}

static void
fz_log_files_class_init (FzLogFilesClass *klass)
{
  const GType type = G_OBJECT_CLASS_TYPE (klass);

  G_OBJECT_CLASS (klass)->dispose = dispose;
  signals[CHOSEN] = g_signal_new (
      "chosen", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[SAID] = g_signal_new (
      "said", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[CHANGED] =
      g_signal_new ("changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
fz_log_files_init (FzLogFiles *self)
{
}

FzLogFiles *
fz_log_files_new (FzLogReader *reader)
{
  FzLogFiles *self = g_object_new (FZ_TYPE_LOG_FILES, NULL);

  self->reader = g_object_ref (reader);
  return self;
}
