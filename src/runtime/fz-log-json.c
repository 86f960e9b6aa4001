/* fz-log-json.c: see the header
 *
 * The filter is asked from any thread, without a lock: it is an immutable value
 * behind an atomic pointer, and replaced ones are kept until the sink goes. A
 * line is made on the caller's stack and written under the lock that guards
 * the descriptor against rotation.
 */

#include "src/runtime/fz-log-json.h"

#include "src/base/fz-log-filter.h"
#include "src/base/fz-log-pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX 8192u
#define TIME_TEXT_MAX  32u
#define FILE_MODE      0640

struct FzLogJson {
  FzLogSink sink;
  FzLogFormat format;
  _Atomic (const FzLogFilter *) filter; /* any thread reads; the engine thread replaces */
  GPtrArray *filters;                   /* all there were; owned */

  pthread_mutex_t lock; /* guards what follows; the thread sanitizer sees it, unlike a GMutex */
  char *path;           /* NULL: the descriptor is borrowed */
  FzLogPipe pipe;
  uint64_t file_bytes;
  uint64_t max_file_bytes;
  unsigned n_old_files;
  bool serves_glib; /* to the end of the process */
};

/* -- text for people -- */

typedef struct {
  char *out;
  size_t length;
  size_t capacity;
} Text;

/* Control characters would let a field draw on the terminal or fake a line. */
static void
append (Text *text, const char *bytes)
{
  for (; *bytes != '\0' && text->length + 1 < text->capacity; bytes++)
    text->out[text->length++] = (uint8_t) *bytes < 0x20 || *bytes == 0x7f ? '?' : *bytes;
}

static size_t
write_human (const FzLogRecord *record, const char *time_text, char *out, size_t capacity)
{
  static const char *const levels[] = {
    [FZ_LOG_ERROR] = "ERROR ", [FZ_LOG_WARNING] = " WARN ", [FZ_LOG_INFO] = " INFO ",
    [FZ_LOG_DEBUG] = "DEBUG ", [FZ_LOG_TRACE] = "TRACE ",
  };
  Text text = { .out = out, .capacity = capacity };
  char scratch[FZ_KV_VALUE_TEXT_MAX];

  if (time_text != NULL) {
    append (&text, time_text);
    append (&text, " ");
  }
  append (&text, levels[record->level]);
  append (&text, record->target != NULL ? record->target : "-");
  append (&text, ": ");
  append (&text, record->message);
  for (size_t i = 0; i < record->n_fields; i++) {
    append (&text, " ");
    append (&text, record->fields[i].key);
    append (&text, "=");
    append (&text, fz_kv_format (&record->fields[i], scratch));
  }
  out[text.length++] = '\n';
  return text.length;
}

static void
format_time (char out[TIME_TEXT_MAX])
{
  struct timespec now = { 0 };
  struct tm utc = { 0 };
  char date[24] = "";

  clock_gettime (CLOCK_REALTIME, &now);
  gmtime_r (&now.tv_sec, &utc);
  strftime (date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf (out, TIME_TEXT_MAX, "%s.%03dZ", date, (int) (now.tv_nsec / 1000000) % 1000);
}

/* -- the file -- */

static void
take_file (FzLogJson *self, int fd)
{
  struct stat info;

  if (self->pipe.fd >= 0)
    close (self->pipe.fd);
  self->pipe = (FzLogPipe){ .fd = fd };
  fchmod (fd, FILE_MODE); /* the umask of a service may be narrower */
  self->file_bytes = fstat (fd, &info) == 0 ? (uint64_t) info.st_size : 0;
}

static int
open_path (const char *path, int flags)
{
  return open (path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, FILE_MODE);
}

static bool
open_file (FzLogJson *self)
{
  int fd = open_path (self->path, 0);

  if (fd >= 0)
    take_file (self, fd);
  return fd >= 0;
}

/* PATH.1 becomes PATH.2 and so on; the oldest goes. */
static bool
shift_old_files (FzLogJson *self)
{
  for (unsigned i = self->n_old_files; i >= 1; i--) {
    g_autofree char *to = g_strdup_printf ("%s.%u", self->path, i);
    g_autofree char *from =
        i > 1 ? g_strdup_printf ("%s.%u", self->path, i - 1) : g_strdup (self->path);

    if (rename (from, to) < 0 && errno != ENOENT)
      return false;
  }
  return true;
}

/* The new page is there before an old one moves: without descriptors or space nothing is lost. */
static void
turn_page (FzLogJson *self)
{
  g_autofree char *next = g_strconcat (self->path, ".next", NULL);
  int fd = open_path (next, O_TRUNC);

  if (fd < 0)
    return;
  if (!shift_old_files (self) || rename (next, self->path) < 0) {
    close (fd);
    unlink (next);
    return;
  }
  take_file (self, fd);
}

/* Turns the page when the file is full, and makes it again when somebody deleted it. A failure
 * leaves us with the file we have. */
static void
look_after_file (FzLogJson *self, size_t length)
{
  struct stat info;

  if (self->path == NULL)
    return;
  if (self->pipe.fd < 0 || (fstat (self->pipe.fd, &info) == 0 && info.st_nlink == 0)) {
    open_file (self);
    return;
  }
  if (self->file_bytes + length > self->max_file_bytes)
    turn_page (self);
}

/* Returns how many lines before this one were lost. */
static uint64_t
write_line (FzLogJson *self, const char *line, size_t length)
{
  uint64_t n_lost;

  pthread_mutex_lock (&self->lock);
  look_after_file (self, length);
  n_lost = self->pipe.fd >= 0 ? fz_log_pipe_write (&self->pipe, line, length) : 0;
  self->file_bytes += length;
  pthread_mutex_unlock (&self->lock);
  return n_lost;
}

/* -- the sink -- */

static bool
sink_wants (void *context, const char *target, FzLogLevel level)
{
  FzLogJson *self = context;

  return fz_log_filter_wants (
      atomic_load_explicit (&self->filter, memory_order_acquire), target, level);
}

static uint64_t
write_record (FzLogJson *self, const FzLogRecord *record)
{
  char line[LINE_BYTES_MAX], time_text[TIME_TEXT_MAX];
  size_t length = 0;

  format_time (time_text);
  switch (self->format) {
  case FZ_LOG_FORMAT_JSON:
    length = fz_log_record_to_json (record, time_text, line, sizeof line);
    break;
  case FZ_LOG_FORMAT_HUMAN:
    length = write_human (record, time_text, line, sizeof line);
    break;
  case FZ_LOG_FORMAT_HUMAN_NO_TIME:
    length = write_human (record, NULL, line, sizeof line);
    break;
  }
  return write_line (self, line, length);
}

static void
sink_write (void *context, const FzLogRecord *record)
{
  FzLogJson *self = context;
  const FzKv lost = FZ_KV_U64 ("n_lines", write_record (self, record));
  const FzLogRecord note = { .level = FZ_LOG_WARNING,
                             .target = "log",
                             .event = "log-lines-lost",
                             .message = "lines of this log were lost: nobody read it in time",
                             .fields = &lost,
                             .n_fields = 1 };

  if (lost.u64 > 0)
    write_record (self, &note);
}

static bool
is_same_filter (const FzLogFilter *a, const FzLogFilter *b)
{
  if (a->default_level != b->default_level || a->n_directives != b->n_directives)
    return false;
  for (size_t i = 0; i < a->n_directives; i++)
    if (a->directives[i].level != b->directives[i].level ||
        strcmp (a->directives[i].target, b->directives[i].target) != 0)
      return false;
  return true;
}

/* A thread may be looking at any filter there ever was, so none is freed; the same one is kept
 * only once. */
static bool
take_filter (FzLogJson *self, FzLogFilter *owned, GError **error)
{
  g_autofree FzLogFilter *filter = owned;

  for (guint i = 0; i < self->filters->len; i++)
    if (is_same_filter (filter, g_ptr_array_index (self->filters, i))) {
      atomic_store_explicit (
          &self->filter, g_ptr_array_index (self->filters, i), memory_order_release);
      return true;
    }
  if (self->filters->len >= FZ_LOG_FILTERS_MAX) {
    g_set_error_literal (error,
                         G_OPTION_ERROR,
                         G_OPTION_ERROR_FAILED,
                         "too many different log filters for one run; restart the program");
    return false;
  }
  atomic_store_explicit (&self->filter, filter, memory_order_release);
  g_ptr_array_add (self->filters, g_steal_pointer (&filter));
  return true;
}

bool
fz_log_json_set_filter (FzLogJson *self, const char *text, GError **error)
{
  g_autofree FzLogFilter *filter = g_new0 (FzLogFilter, 1);
  const char *bad = text;

  if (!fz_log_filter_parse (text, filter, &bad)) {
    g_set_error (error,
                 G_OPTION_ERROR,
                 G_OPTION_ERROR_BAD_VALUE,
                 "log filter “%s”: cannot read it from “%s” on",
                 text,
                 bad);
    return false;
  }
  return take_filter (self, g_steal_pointer (&filter), error);
}

FzLogJson *
fz_log_json_new (const FzLogJsonConfig *config, GError **error)
{
  g_autoptr (FzLogJson) self = g_new0 (FzLogJson, 1);

  self->sink = (FzLogSink){ .wants = sink_wants, .write = sink_write, .context = self };
  self->format = config->format;
  self->pipe.fd = -1;
  self->filters = g_ptr_array_new_with_free_func (g_free);
  pthread_mutex_init (&self->lock, NULL);
  self->max_file_bytes =
      config->max_file_bytes != 0 ? config->max_file_bytes : FZ_LOG_FILE_BYTES_DEFAULT;
  self->n_old_files = CLAMP (config->n_old_files, 1, FZ_LOG_OLD_FILES_MAX);
  if (!fz_log_json_set_filter (self, config->filter != NULL ? config->filter : "info", error))
    return NULL;
  if (config->path == NULL) {
    self->pipe.fd = config->fd != 0 ? config->fd : STDOUT_FILENO;
    return g_steal_pointer (&self);
  }

  self->path = g_strdup (config->path);
  if (open_file (self))
    return g_steal_pointer (&self);
  g_set_error (error,
               G_FILE_ERROR,
               g_file_error_from_errno (errno),
               "log file %s: %s",
               config->path,
               g_strerror (errno));
  return NULL;
}

void
fz_log_json_set_path (FzLogJson *self, const char *path)
{
  pthread_mutex_lock (&self->lock);
  if (self->path != NULL) {
    if (self->pipe.fd >= 0)
      close (self->pipe.fd);
    self->pipe = (FzLogPipe){ .fd = -1 };
    g_free (self->path);
    self->path = g_strdup (path);
    open_file (self);
  }
  pthread_mutex_unlock (&self->lock);
}

int
fz_log_json_open_file (FzLogJson *self, GError **error)
{
  int fd = -1;

  if (self->path != NULL) {
    pthread_mutex_lock (&self->lock); /* never between two pages */
    fd = open (self->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    pthread_mutex_unlock (&self->lock);
  } else {
    errno = ENOENT;
  }
  if (fd < 0)
    g_set_error (error,
                 G_FILE_ERROR,
                 (int) g_file_error_from_errno (errno),
                 "log file %s: %s",
                 self->path != NULL ? self->path : "(none)",
                 g_strerror (errno));
  return fd;
}

void
fz_log_json_free (FzLogJson *self)
{
  if (self == NULL || self->serves_glib)
    return;
  if (self->path != NULL && self->pipe.fd >= 0)
    close (self->pipe.fd);
  pthread_mutex_destroy (&self->lock);
  g_ptr_array_unref (self->filters);
  g_free (self->path);
  g_free (self);
}

FzLog
fz_log_json_get (FzLogJson *self, const char *target)
{
  return (FzLog){ &self->sink, target };
}

/* -- GLib's own messages -- */

static FzLogLevel
level_of (GLogLevelFlags flags)
{
  if ((flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) != 0)
    return FZ_LOG_ERROR;
  if ((flags & G_LOG_LEVEL_WARNING) != 0)
    return FZ_LOG_WARNING;
  return (flags & (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO)) != 0 ? FZ_LOG_DEBUG : FZ_LOG_TRACE;
}

static GLogWriterOutput
write_glib (GLogLevelFlags flags, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  FzLogJson *self = user_data;
  FzLog log = { &self->sink, "glib" };
  const char *message = "";

  for (gsize i = 0; i < n_fields; i++) {
    if (g_str_equal (fields[i].key, "MESSAGE") && fields[i].length < 0)
      message = fields[i].value;
    else if (g_str_equal (fields[i].key, "GLIB_DOMAIN") && fields[i].length < 0)
      log.target = fields[i].value;
  }
  fz_log_plain (&log, level_of (flags), "library", message);
  return G_LOG_WRITER_HANDLED;
}

void
fz_log_json_capture_glib (FzLogJson *self)
{
  self->serves_glib = true;
  g_log_set_writer_func (write_glib, self, NULL);
}
