#include "src/session/fz-log-setup.h"

#include "src/runtime/fz-log-journal.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct FzLogSetup {
  FzLogJson *output;     /* standard output */
  FzLogJournal *journal; /* NULL: standard output it is */
  FzLogJson *file;       /* NULL: none */
  char *filter;
  FzLog to_output;
  FzLog to_file;
  FzLogSink both;
  char *directory;
  guint clean_id;
};

/* -- two sinks as one -- */

static bool
wants_either (void *context, const char *target, FzLogLevel level)
{
  const FzLogSetup *self = context;

  return self->to_output.sink->wants (self->to_output.sink->context, target, level) ||
         self->to_file.sink->wants (self->to_file.sink->context, target, level);
}

static void
write_both (void *context, const FzLogRecord *record)
{
  const FzLogSetup *self = context;

  self->to_output.sink->write (self->to_output.sink->context, record);
  self->to_file.sink->write (self->to_file.sink->context, record);
}

/* -- the folder -- */

typedef struct {
  char *path;
  time_t changed;
  uint64_t bytes;
} Entry;

static void
clear_entry (gpointer data)
{
  g_free (((Entry *) data)->path);
}

static int
newest_first (gconstpointer a, gconstpointer b)
{
  const Entry *left = a, *right = b;

  if (left->changed != right->changed)
    return left->changed > right->changed ? -1 : 1;
  return -strcmp (left->path, right->path);
}

/* "x.log", "x.log.1" … "x.log.9" */
static bool
is_log_name (const char *name)
{
  size_t length = strlen (name);

  if (length > 2 && name[length - 2] == '.' && g_ascii_isdigit (name[length - 1]))
    length -= 2;
  return length > 4 && strncmp (name + length - 4, ".log", 4) == 0;
}

static GArray *
list_logs (const char *directory)
{
  GArray *entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  g_array_set_clear_func (entries, clear_entry);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (directory, name, NULL);
    struct stat info;

    if (is_log_name (name) && lstat (path, &info) == 0 && S_ISREG (info.st_mode)) {
      Entry entry = { g_steal_pointer (&path), info.st_mtime, (uint64_t) info.st_size };

      g_array_append_val (entries, entry);
    }
  }
  g_array_sort (entries, newest_first);
  return entries;
}

void
fz_log_setup_clean (const char *directory, uint64_t max_bytes)
{
  g_autoptr (GArray) entries = list_logs (directory);
  uint64_t sum = 0;

  for (guint i = 0; i < entries->len; i++) {
    const Entry *entry = &g_array_index (entries, Entry, i);

    sum += entry->bytes;
    if (i > 0 && (sum > max_bytes || i >= FZ_LOG_FOLDER_FILES_MAX) && g_unlink (entry->path) == 0)
      sum -= entry->bytes;
  }
}

static gboolean
on_clean (gpointer user_data)
{
  FzLogSetup *self = user_data;

  fz_log_setup_clean (self->directory, FZ_LOG_FOLDER_BYTES_MAX);
  return G_SOURCE_CONTINUE;
}

/* NAME.latest points at the file of this run; a convenience whose failure hurts nobody. */
static void
link_latest (const char *directory, const char *name, const char *file)
{
  g_autofree char *latest = g_strdup_printf ("%s/%s.latest", directory, name);
  g_autofree char *temporary = g_strdup_printf ("%s.%ld", latest, (long) getpid ());

  if (symlink (file, temporary) == 0 && g_rename (temporary, latest) != 0)
    g_unlink (temporary);
}

static bool
open_file (FzLogSetup *self, const FzLogSetupConfig *config, GError **error)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *stamp = g_date_time_format (now, "%Y-%m-%d-%H-%M-%S");
  g_autofree char *file = g_strdup_printf ("%s.%s.log", config->name, stamp);
  g_autofree char *path = g_build_filename (config->directory, file, NULL);
  FzLogJsonConfig json = {
    .path = path,
    .filter = config->filter,
    .max_file_bytes = config->max_file_bytes,
    .n_old_files = FZ_LOG_SETUP_OLD_FILES,
  };

  if (g_mkdir_with_parents (config->directory, 0755) < 0) {
    g_set_error (error,
                 G_FILE_ERROR,
                 (int) g_file_error_from_errno (errno),
                 "cannot make the log folder %s: %s",
                 config->directory,
                 g_strerror (errno));
    return false;
  }
  self->file = fz_log_json_new (&json, error);
  if (self->file == NULL)
    return false;

  link_latest (config->directory, config->name, file);
  self->directory = g_strdup (config->directory);
  on_clean (self);
  self->clean_id = g_timeout_add_seconds (FZ_LOG_FOLDER_CHECK_S, on_clean, self);
  return true;
}

FzLogSetup *
fz_log_setup_new (const FzLogSetupConfig *config, GError **error)
{
  g_autoptr (FzLogSetup) self = g_new0 (FzLogSetup, 1);
  FzLogJsonConfig output = { .format = config->format, .filter = config->filter };

  self->output = fz_log_json_new (&output, error);
  if (self->output == NULL)
    return NULL;
  if (config->directory != NULL && !open_file (self, config, error))
    return NULL;
  if (config->uses_journal && fz_log_journal_is_there ())
    self->journal = fz_log_journal_new (self->output);

  self->filter = g_strdup (config->filter != NULL ? config->filter : "info");
  self->to_output = self->journal != NULL ? fz_log_journal_get (self->journal, "")
                                          : fz_log_json_get (self->output, "");
  if (self->file != NULL)
    self->to_file = fz_log_json_get (self->file, "");
  self->both = (FzLogSink){ wants_either, write_both, self };
  fz_log_json_capture_glib (self->file != NULL ? self->file : self->output);
  return g_steal_pointer (&self);
}

void
fz_log_setup_free (FzLogSetup *self)
{
  if (self == NULL)
    return;

  g_clear_handle_id (&self->clean_id, g_source_remove);
  g_clear_pointer (&self->journal, fz_log_journal_free);
  g_clear_pointer (&self->output, fz_log_json_free);
  g_clear_pointer (&self->file, fz_log_json_free);
  g_free (self->filter);
  g_free (self->directory);
  g_free (self);
}

FzLog
fz_log_setup_get (FzLogSetup *self, const char *target)
{
  return (FzLog){ self->file != NULL ? &self->both : self->to_output.sink, target };
}

bool
fz_log_setup_set_filter (FzLogSetup *self, const char *filter, GError **error)
{
  if (!fz_log_json_set_filter (self->output, filter, error))
    return false;
  if (self->file != NULL && !fz_log_json_set_filter (self->file, filter, error)) {
    fz_log_json_set_filter (self->output, self->filter, NULL);
    return false;
  }
  g_free (self->filter);
  self->filter = g_strdup (filter);
  return true;
}

const char *
fz_log_setup_get_filter (const FzLogSetup *self)
{
  return self->filter;
}

int
fz_log_setup_open_file (FzLogSetup *self, GError **error)
{
  if (self->file != NULL)
    return fz_log_json_open_file (self->file, error);
  g_set_error_literal (error,
                       G_FILE_ERROR,
                       G_FILE_ERROR_NOENT,
                       "no log file is written: this program was started without a log folder");
  return -1;
}

void
fz_log_setup_turn_page (FzLogSetup *self)
{
  if (self->file != NULL)
    fz_log_json_turn_page (self->file);
}

const char *
fz_log_setup_get_directory (const FzLogSetup *self)
{
  return self->directory;
}
