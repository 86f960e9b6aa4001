/* fz-log-reader.c: see the header
 *
 * Everything that takes time carries the cancellable of the file it belongs to
 * (or of the question it answers) and is dropped when that was cancelled, so an
 * answer never meets another file than its own.
 */
#include "src/app/log/fz-log-reader.h"

#include "src/ipc/fz-ipc-error.h"
#include "src/ipc/fz-ipc-names.h"
#include "src/logfile/fz-log-search.h"
#include "src/logfile/fz-log-watch.h"

#include <gio/gunixfdlist.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_LOOK_MS   20u  /* while the index is read: are there rows to show? */
#define REOPEN_MS       500u /* a rotated file has no successor yet */
#define REOPENS_MAX     4u   /* then the same file under another name is the log */
#define CALL_TIMEOUT_MS 120000
#define GROW_BYTES      (1u << 20) /* at once, in the main loop */
#define GROW_LINES_MAX  20000u     /* to filter in the main loop; more go to the worker */

struct _FzLogReader {
  GObject parent_instance;

  /* which log */
  char *path;           /* NULL: the service's */
  GDBusConnection *bus; /* NULL: a file */
  guint name_watch_id;
  char *name_owner; /* whose log is shown */

  FzLogReaderState state;
  char *detail;

  /* the file */
  GCancellable *opening; /* of the file: its index, and the way there */
  FzLogIndex *index;     /* being read, or shown */
  bool index_is_whole;
  FzLogWatch *watch; /* NULL: not whole yet, or nobody looks */
  bool is_paused;
  guint first_look_id;
  guint reopen_id;
  unsigned n_reopens; /* in a row that gave the file that we have */

  /* the answer */
  FzLogQuery *query;
  GCancellable *asking;  /* NULL: nobody asks */
  uint32_t line_in_view; /* parts of an answer reach it, or are not shown */
  FzLogModel *model;
};

enum {
  CHANGED,
  REPLACING,
  REPLACED,
  GREW,
  N_SIGNALS,
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (FzLogReader, fz_log_reader, G_TYPE_OBJECT)

static void open_log (FzLogReader *self, bool interactive);
static void ask (FzLogReader *self);

static void
set_state (FzLogReader *self, FzLogReaderState state, const char *detail)
{
  if (self->state == state && g_strcmp0 (self->detail, detail) == 0)
    return;
  self->state = state;
  g_free (self->detail);
  self->detail = g_strdup (detail);
  g_signal_emit (self, signals[CHANGED], 0);
}

static void
cancel (GCancellable **cancellable)
{
  if (*cancellable != NULL)
    g_cancellable_cancel (*cancellable);
  g_clear_object (cancellable);
}

/* Drops the file and whatever is under way for it. The model stays on the screen. */
static void
drop_file (FzLogReader *self)
{
  cancel (&self->opening);
  cancel (&self->asking);
  g_clear_handle_id (&self->first_look_id, g_source_remove);
  g_clear_handle_id (&self->reopen_id, g_source_remove);
  g_clear_pointer (&self->watch, fz_log_watch_free);
  g_clear_pointer (&self->index, fz_log_index_unref);
  self->index_is_whole = false;
}

static void
drop_model (FzLogReader *self)
{
  if (self->model == NULL)
    return;
  g_signal_emit (self, signals[REPLACING], 0);
  g_clear_object (&self->model);
  g_signal_emit (self, signals[REPLACED], 0);
}

/* Takes @rows; NULL: all @n_lines. */
static void
show_rows (FzLogReader *self, GArray *rows, uint32_t n_lines)
{
  g_signal_emit (self, signals[REPLACING], 0);
  if (self->model != NULL)
    fz_log_model_replace (self->model, self->index, rows, n_lines);
  else
    self->model = fz_log_model_new (self->index, rows, n_lines);
  g_signal_emit (self, signals[REPLACED], 0);
  set_state (self, FZ_LOG_READER_READY, "");
}

/* -- what went wrong -- */

static FzLogReaderState
state_of_error (const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED) ||
      g_error_matches (error, FZ_IPC_ERROR, FZ_IPC_ERROR_NOT_AUTHORIZED) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED))
    return FZ_LOG_READER_DENIED;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SPAWN_EXEC_FAILED) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SPAWN_CHILD_EXITED) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SPAWN_FAILED) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SPAWN_SERVICE_NOT_FOUND))
    return FZ_LOG_READER_MISSING;
  return FZ_LOG_READER_FAILED;
}

static void
fail (FzLogReader *self, const GError *error)
{
  g_autofree char *text = g_strdup (error->message);

  if (g_dbus_error_is_remote_error (error)) {
    g_autoptr (GError) plain = g_error_copy (error);

    g_dbus_error_strip_remote_error (plain);
    g_free (text);
    text = g_strdup (plain->message);
  }
  drop_file (self);
  drop_model (self);
  set_state (self, state_of_error (error), text);
}

/* -- follow -- */

static gboolean
on_reopen (gpointer user_data)
{
  FzLogReader *self = user_data;

  self->reopen_id = 0;
  open_log (self, false);
  return G_SOURCE_REMOVE;
}

static void
reopen_soon (FzLogReader *self)
{
  if (self->reopen_id == 0)
    self->reopen_id = g_timeout_add (REOPEN_MS, on_reopen, self);
}

/* The lines from @first on are new, or one of them is the torn one. */
static void
extend_model (FzLogReader *self, uint32_t first)
{
  uint32_t n_lines = fz_log_index_get_n_lines (self->index);
  g_autoptr (GArray) rows = NULL;

  if (!fz_log_query_is_all (self->query)) {
    rows = g_array_new (FALSE, FALSE, sizeof (uint32_t));
    if (n_lines - first > GROW_LINES_MAX ||
        !fz_log_query_run (self->query, self->index, first, n_lines, NULL, rows, NULL)) {
      ask (self);
      return;
    }
  }
  fz_log_model_extend (self->model, rows, first, n_lines);
  g_signal_emit (self, signals[GREW], 0);
}

/* An answer that is under way will know of what came until it began; the rest is told here. */
static void
catch_up (FzLogReader *self)
{
  uint32_t known;

  if (self->model == NULL || self->asking != NULL ||
      fz_log_model_get_index (self->model) != self->index)
    return;
  known = fz_log_model_get_n_lines (self->model);
  if (fz_log_index_get_n_lines (self->index) > known)
    extend_model (self, known);
}

static void
grow (FzLogReader *self)
{
  uint32_t before = fz_log_index_get_n_lines (self->index);
  bool was_torn = fz_log_index_ends_torn (self->index), more = true;
  g_autoptr (GError) error = NULL;

  if (!fz_log_index_grow (self->index, GROW_BYTES, NULL, &more, &error)) {
    fail (self, error);
    return;
  }
  if (was_torn && before > 0 && self->asking == NULL && self->model != NULL &&
      fz_log_model_get_index (self->model) == self->index)
    extend_model (self, before - 1);
  else
    catch_up (self);
}

static void
on_file_change (FzLogFileState state, gpointer user_data)
{
  FzLogReader *self = user_data;

  switch (state) {
  case FZ_LOG_FILE_SAME:
    break;
  case FZ_LOG_FILE_GREW:
    grow (self);
    break;
  case FZ_LOG_FILE_TRUNCATED:
    open_log (self, false);
    break;
  case FZ_LOG_FILE_ROTATED:
    reopen_soon (self);
    break;
  }
}

static void
watch_file (FzLogReader *self)
{
  if (self->watch == NULL && !self->is_paused && self->index != NULL && self->index_is_whole)
    self->watch = fz_log_watch_new (self->index, on_file_change, self);
}

void
fz_log_reader_set_paused (FzLogReader *self, bool is_paused)
{
  if (self->is_paused == is_paused)
    return;
  self->is_paused = is_paused;
  if (is_paused)
    g_clear_pointer (&self->watch, fz_log_watch_free);
  else
    watch_file (self); /* looks at once, and finds what was missed */
}

/* -- the index -- */

/* Rows for the eye while the rest is being read; the filter waits for all of it. */
static gboolean
on_first_look (gpointer user_data)
{
  FzLogReader *self = user_data;
  uint32_t n_lines = fz_log_index_get_n_lines (self->index);

  if (n_lines == 0)
    return G_SOURCE_CONTINUE;
  self->first_look_id = 0;
  if (fz_log_query_is_all (self->query))
    show_rows (self, NULL, n_lines);
  return G_SOURCE_REMOVE;
}

static void
on_index_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzLogReader) self = user_data;
  g_autoptr (GError) error = NULL;
  GCancellable *cancellable = g_task_get_cancellable (G_TASK (result));

  if (cancellable != self->opening)
    return; /* of a file that nobody wants any more */
  g_clear_handle_id (&self->first_look_id, g_source_remove);
  if (!fz_log_index_grow_finish (self->index, result, &error)) {
    fail (self, error);
    return;
  }
  self->index_is_whole = true;
  ask (self);
  watch_file (self);
}

/* What was asked of the file before is of no use for this one. */
static void
take_index (FzLogReader *self, FzLogIndex *index)
{
  cancel (&self->asking);
  g_clear_handle_id (&self->first_look_id, g_source_remove);
  g_clear_pointer (&self->watch, fz_log_watch_free);
  g_clear_pointer (&self->index, fz_log_index_unref);
  self->index = index;
  self->index_is_whole = false;
  self->first_look_id = g_timeout_add (FIRST_LOOK_MS, on_first_look, self);
  fz_log_index_grow_async (index, self->opening, on_index_read, g_object_ref (self));
}

/* After a rotation both the path and the service may still give the file that we have. */
static bool
is_shown_already (FzLogReader *self, FzLogIndex *index)
{
  struct stat new_one, shown;

  return self->model != NULL && fstat (fz_log_index_get_fd (index), &new_one) == 0 &&
         fstat (fz_log_index_get_fd (fz_log_model_get_index (self->model)), &shown) == 0 &&
         new_one.st_ino == shown.st_ino && new_one.st_dev == shown.st_dev &&
         (uint64_t) shown.st_size >=
             fz_log_index_get_n_bytes (fz_log_model_get_index (self->model));
}

/* -- finding it -- */

static void
open_path (FzLogReader *self)
{
  g_autoptr (GError) error = NULL;
  FzLogIndex *index = fz_log_index_open (self->path, &error);

  if (index != NULL)
    take_index (self, index);
  else if (self->model != NULL && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    reopen_soon (self); /* between the old file and the new one */
  else
    fail (self, error);
}

static FzLogIndex *
index_of_reply (GVariant *reply, GUnixFDList *fds, GError **error)
{
  gint32 handle = -1;
  int fd;

  g_variant_get (reply, "(h)", &handle);
  if (fds == NULL || handle < 0 || handle >= g_unix_fd_list_get_length (fds)) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "the service passed no log");
    return NULL;
  }
  fd = g_unix_fd_list_get (fds, handle, error);
  return fd >= 0 ? fz_log_index_take_fd (fd, error) : NULL;
}

static void
on_log_opened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzLogReader) self = user_data;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish (
      G_DBUS_CONNECTION (source), &fds, result, &error);
  FzLogIndex *index = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (reply != NULL)
    index = index_of_reply (reply, fds, &error);
  if (index == NULL) {
    fail (self, error);
    return;
  }
  if (is_shown_already (self, index) && self->index_is_whole && self->n_reopens < REOPENS_MAX) {
    fz_log_index_unref (index);
    self->n_reopens++;
    reopen_soon (self);
    return;
  }
  self->n_reopens = 0;
  take_index (self, index);
}

static void
call_open_log (FzLogReader *self, bool interactive)
{
  g_dbus_connection_call_with_unix_fd_list (
      self->bus,
      FZ_IPC_BUS_NAME,
      FZ_IPC_PATH,
      FZ_IPC_DIAGNOSTICS,
      "OpenLog",
      g_variant_new ("(a{sv})", NULL),
      G_VARIANT_TYPE ("(h)"),
      interactive ? G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION : G_DBUS_CALL_FLAGS_NONE,
      CALL_TIMEOUT_MS,
      NULL,
      self->opening,
      on_log_opened,
      g_object_ref (self));
}

/* A service that came back writes to another file, or to the same one again. */
static void
on_name_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer user_data)
{
  FzLogReader *self = user_data;
  bool is_another = self->name_owner != NULL && !g_str_equal (self->name_owner, owner);
  bool has_nothing = self->state == FZ_LOG_READER_MISSING || self->state == FZ_LOG_READER_FAILED;

  g_free (self->name_owner);
  self->name_owner = g_strdup (owner);
  if (is_another || has_nothing)
    open_log (self, false);
}

static void
watch_name (FzLogReader *self)
{
  if (self->name_watch_id == 0)
    self->name_watch_id = g_bus_watch_name_on_connection (self->bus,
                                                          FZ_IPC_BUS_NAME,
                                                          G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                          on_name_appeared,
                                                          NULL,
                                                          self,
                                                          NULL);
}

static void
on_bus (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzLogReader) self = user_data;
  g_autoptr (GError) error = NULL;
  GDBusConnection *bus = g_bus_get_finish (result, &error);

  if (bus == NULL) {
    if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
      fail (self, error);
      set_state (self, FZ_LOG_READER_MISSING, error->message);
    }
    return;
  }
  self->bus = bus;
  watch_name (self);
  call_open_log (self, false);
}

/* The first file, the next one after a rotation, or the same again. */
static void
open_log (FzLogReader *self, bool interactive)
{
  bool keeps = self->model != NULL && self->index_is_whole;

  if (self->path == NULL && keeps && self->bus != NULL) {
    /* the index stays until we know that the service writes to another file */
    cancel (&self->opening);
    g_clear_handle_id (&self->reopen_id, g_source_remove);
  } else {
    drop_file (self);
  }
  self->opening = g_cancellable_new ();
  if (self->model == NULL)
    set_state (self, FZ_LOG_READER_LOADING, "");
  if (self->path != NULL)
    open_path (self);
  else if (self->bus != NULL)
    call_open_log (self, interactive);
  else
    g_bus_get (G_BUS_TYPE_SYSTEM, self->opening, on_bus, g_object_ref (self));
}

static void
close_log (FzLogReader *self)
{
  drop_file (self);
  if (self->name_watch_id != 0)
    g_bus_unwatch_name (self->name_watch_id);
  self->name_watch_id = 0;
  g_clear_pointer (&self->name_owner, g_free);
  g_clear_object (&self->bus);
  g_clear_pointer (&self->path, g_free);
  drop_model (self);
}

void
fz_log_reader_open_file (FzLogReader *self, const char *path)
{
  g_autofree char *copy = g_strdup (path); /* may be ours */

  close_log (self);
  self->path = g_steal_pointer (&copy);
  open_log (self, false);
}

void
fz_log_reader_open_service (FzLogReader *self, GDBusConnection *bus)
{
  g_autoptr (GDBusConnection) kept = bus != NULL ? g_object_ref (bus) : NULL;

  fz_ipc_error_quark (); /* registers the names */
  close_log (self);
  self->bus = g_steal_pointer (&kept);
  if (self->bus != NULL)
    watch_name (self);
  open_log (self, false);
}

void
fz_log_reader_retry (FzLogReader *self, bool interactive)
{
  if (self->state != FZ_LOG_READER_CLOSED)
    open_log (self, interactive);
}

/* -- the filter -- */

/* How the answer begins; its reference is on_answer's. */
static void
on_part (GArray *lines, uint32_t n_lines, gpointer user_data)
{
  FzLogReader *self = user_data;

  if (n_lines > self->line_in_view)
    show_rows (self, lines, n_lines);
  else
    g_array_unref (lines);
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (FzLogReader) self = user_data;
  g_autoptr (GError) error = NULL;
  uint32_t n_lines = 0;
  GArray *rows;

  if (g_task_get_cancellable (G_TASK (result)) != self->asking)
    return; /* another question has been asked since */
  g_clear_object (&self->asking);
  rows = fz_log_search_finish (result, &n_lines, &error);
  if (rows == NULL) {
    fail (self, error);
    return;
  }
  show_rows (self, rows, n_lines);
  catch_up (self);
}

static void
ask (FzLogReader *self)
{
  cancel (&self->asking);
  if (self->index == NULL || !self->index_is_whole)
    return; /* asked again when it is */
  if (fz_log_query_is_all (self->query)) {
    show_rows (self, NULL, fz_log_index_get_n_lines (self->index));
    return;
  }
  self->asking = g_cancellable_new ();
  fz_log_search_async (
      self->query, self->index, self->asking, on_part, on_answer, g_object_ref (self));
}

void
fz_log_reader_set_query (FzLogReader *self, const FzLogQuery *query, uint32_t line_in_view)
{
  FzLogQuery *copy;

  self->line_in_view = line_in_view;

  if (fz_log_query_equal (query, self->query))
    return;
  copy = fz_log_query_copy (query);
  fz_log_query_free (self->query);
  self->query = copy;
  ask (self);
}

/* -- the rest -- */

const FzLogQuery *
fz_log_reader_get_query (FzLogReader *self)
{
  return self->query;
}

FzLogReaderState
fz_log_reader_get_state (FzLogReader *self)
{
  return self->state;
}

const char *
fz_log_reader_get_detail (FzLogReader *self)
{
  return self->detail;
}

FzLogModel *
fz_log_reader_get_model (FzLogReader *self)
{
  return self->model;
}

uint32_t
fz_log_reader_get_n_lines (FzLogReader *self)
{
  return self->index != NULL ? fz_log_index_get_n_lines (self->index) : 0;
}

bool
fz_log_reader_is_service (FzLogReader *self)
{
  return self->state != FZ_LOG_READER_CLOSED && self->path == NULL;
}

bool
fz_log_reader_is_reading (FzLogReader *self)
{
  return self->asking != NULL || (self->index != NULL && !self->index_is_whole);
}

const char *
fz_log_reader_get_path (FzLogReader *self)
{
  return self->path;
}

GDBusConnection *
fz_log_reader_get_bus (FzLogReader *self)
{
  return self->bus;
}

int64_t
fz_log_reader_get_last_time_us (FzLogReader *self)
{
  uint32_t n_lines = fz_log_reader_get_n_lines (self);
  FzLogMark mark;

  if (n_lines == 0)
    return FZ_LOG_TIME_UNKNOWN;
  fz_log_index_get_mark (self->index, n_lines - 1, &mark);
  return mark.time_us;
}

static void
dispose (GObject *object)
{
  FzLogReader *self = FZ_LOG_READER (object);

  drop_file (self);
  g_clear_object (&self->model);
  if (self->name_watch_id != 0)
    g_bus_unwatch_name (self->name_watch_id);
  self->name_watch_id = 0;
  g_clear_object (&self->bus);
  G_OBJECT_CLASS (fz_log_reader_parent_class)->dispose (object);
}

static void
finalize (GObject *object)
{
  FzLogReader *self = FZ_LOG_READER (object);

  fz_log_query_free (self->query);
  g_free (self->name_owner);
  g_free (self->path);
  g_free (self->detail);
  G_OBJECT_CLASS (fz_log_reader_parent_class)->finalize (object);
}

static void
fz_log_reader_class_init (FzLogReaderClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = dispose;
  G_OBJECT_CLASS (klass)->finalize = finalize;
  signals[CHANGED] = g_signal_new (
      "changed", FZ_TYPE_LOG_READER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[REPLACING] = g_signal_new (
      "replacing", FZ_TYPE_LOG_READER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[REPLACED] = g_signal_new (
      "replaced", FZ_TYPE_LOG_READER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[GREW] = g_signal_new (
      "grew", FZ_TYPE_LOG_READER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
fz_log_reader_init (FzLogReader *self)
{
  self->detail = g_strdup ("");
  self->query = fz_log_query_new ();
}

FzLogReader *
fz_log_reader_new (void)
{
  return g_object_new (FZ_TYPE_LOG_READER, NULL);
}
