#include "src/session/fz-log-setup.h"

#include "src/runtime/fz-log-journal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNER_PREFIX "uid-"
#define FILE_MODE    0640

struct FzLogSetup {
  FzLogJson *output;     /* standard output */
  FzLogJournal *journal; /* NULL: standard output it is */
  FzLogJson *file;       /* NULL: none */
  char *filter;
  char *name;  /* of the program */
  char *stamp; /* of this run, in its files' names */
  uint32_t owner;
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

/* "x.log", "x.log.1" … "x.log.9": the length of "x", 0 if it is no such name. */
static size_t
find_stem (const char *name)
{
  size_t length = strlen (name);

  if (length > 2 && name[length - 2] == '.' && g_ascii_isdigit (name[length - 1]))
    length -= 2;
  return length > 4 && strncmp (name + length - 4, ".log", 4) == 0 ? length - 4 : 0;
}

static bool
is_stamp (const char *text)
{
  size_t n = strspn (text, "0123456789-");

  return n == strlen ("2026-01-31-09-30-00") && text[n] == '\0';
}

bool
fz_log_setup_parse_owner (const char *file, uint32_t *out_uid)
{
  g_autofree char *stem = g_strndup (file, find_stem (file));
  char *dot = strrchr (stem, '.');
  uint64_t uid = FZ_LOG_NOBODY;

  if (dot != NULL && g_str_has_prefix (dot + 1, OWNER_PREFIX)) {
    if (!g_ascii_string_to_unsigned (
            dot + 1 + strlen (OWNER_PREFIX), 10, 0, FZ_LOG_NOBODY - 1, &uid, NULL))
      return false;
    *dot = '\0';
    dot = strrchr (stem, '.');
  }
  if (dot == NULL || !is_stamp (dot + 1))
    return false;
  *out_uid = (uint32_t) uid;
  return true;
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

    if (find_stem (name) > 0 && lstat (path, &info) == 0 && S_ISREG (info.st_mode)) {
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

static char *
dup_file_name (const FzLogSetup *self, uint32_t owner)
{
  return owner == FZ_LOG_NOBODY
             ? g_strdup_printf ("%s.%s.log", self->name, self->stamp)
             : g_strdup_printf ("%s.%s." OWNER_PREFIX "%u.log", self->name, self->stamp, owner);
}

static char *
dup_path (const FzLogSetup *self, uint32_t owner)
{
  g_autofree char *file = dup_file_name (self, owner);

  return g_build_filename (self->directory, file, NULL);
}

/* NAME.latest points at the file being written; a convenience whose failure hurts nobody. */
static void
link_latest (const FzLogSetup *self)
{
  g_autofree char *file = dup_file_name (self, self->owner);
  g_autofree char *latest = g_strdup_printf ("%s/%s.latest", self->directory, self->name);
  g_autofree char *temporary = g_strdup_printf ("%s.%ld", latest, (long) getpid ());

  if (symlink (file, temporary) == 0 && g_rename (temporary, latest) != 0)
    g_unlink (temporary);
}

static bool
open_file (FzLogSetup *self, const FzLogSetupConfig *config, GError **error)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  FzLogJsonConfig json = {
    .filter = config->filter,
    .max_file_bytes = config->max_file_bytes,
    .n_old_files = FZ_LOG_SETUP_OLD_FILES,
  };
  g_autofree char *path = NULL;

  self->name = g_strdup (config->name);
  self->stamp = g_date_time_format (now, "%Y-%m-%d-%H-%M-%S");
  self->directory = g_strdup (config->directory);
  if (g_mkdir_with_parents (config->directory, 0755) < 0) {
    g_set_error (error,
                 G_FILE_ERROR,
                 (int) g_file_error_from_errno (errno),
                 "cannot make the log folder %s: %s",
                 config->directory,
                 g_strerror (errno));
    return false;
  }
  json.path = path = dup_path (self, self->owner);
  self->file = fz_log_json_new (&json, error);
  if (self->file == NULL)
    return false;

  link_latest (self);
  on_clean (self);
  self->clean_id = g_timeout_add_seconds (FZ_LOG_FOLDER_CHECK_S, on_clean, self);
  return true;
}

FzLogSetup *
fz_log_setup_new (const FzLogSetupConfig *config, GError **error)
{
  g_autoptr (FzLogSetup) self = g_new0 (FzLogSetup, 1);
  FzLogJsonConfig output = { .format = config->format, .filter = config->filter };

  self->owner = FZ_LOG_NOBODY;
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
  g_free (self->name);
  g_free (self->stamp);
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

/* A file that is not the one being written; it may not exist yet. */
static int
open_other (FzLogSetup *self, uint32_t uid, GError **error)
{
  g_autofree char *path = dup_path (self, uid);
  int fd = open (path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);

  if (fd < 0)
    g_set_error (error,
                 G_FILE_ERROR,
                 (int) g_file_error_from_errno (errno),
                 "log file %s: %s",
                 path,
                 g_strerror (errno));
  return fd;
}

int
fz_log_setup_open_file (FzLogSetup *self, uint32_t uid, GError **error)
{
  if (self->file == NULL) {
    g_set_error_literal (error,
                         G_FILE_ERROR,
                         G_FILE_ERROR_NOENT,
                         "no log file is written: this program was started without a log folder");
    return -1;
  }
  return uid == self->owner ? fz_log_json_open_file (self->file, error)
                            : open_other (self, uid, error);
}

void
fz_log_setup_set_owner (FzLogSetup *self, uint32_t uid)
{
  g_autofree char *path = NULL;

  if (self->file == NULL || self->owner == uid)
    return;
  self->owner = uid;
  path = dup_path (self, uid);
  fz_log_json_set_path (self->file, path);
  link_latest (self);
  on_clean (self);
}

const char *
fz_log_setup_get_directory (const FzLogSetup *self)
{
  return self->directory;
}
