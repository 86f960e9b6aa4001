/* fz-app-log.c: see fz-app-log.h */
#include "src/app/fz-app-log.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES_MAX 4096u
#define FILE_BYTES_MAX (1u << 20)

static int log_fd = -1; /* written once, before there is a second thread */
static FzLogLevel lowest = FZ_LOG_INFO;

static bool
wants (void *context, const char *target, FzLogLevel level)
{
  return level <= lowest;
}

static void
write_all (int fd, const char *line, size_t length)
{
  while (fd >= 0 && write (fd, line, length) < 0 && errno == EINTR)
    ;
}

static void
write_record (void *context, const FzLogRecord *record)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *second = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S");
  g_autofree char *time_text =
      g_strdup_printf ("%s.%03dZ", second, g_date_time_get_microsecond (now) / 1000);
  char line[LINE_BYTES_MAX];
  size_t length = fz_log_record_to_json (record, time_text, line, sizeof line);

  write_all (STDERR_FILENO, line, length);
  write_all (log_fd, line, length);
}

static const FzLogSink sink = { .wants = wants, .write = write_record };

FzLog
fz_app_log_for (const char *target)
{
  return (FzLog){ log_fd >= 0 ? &sink : NULL, target };
}

static FzLogLevel
level_of (GLogLevelFlags flags)
{
  if (flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    return FZ_LOG_ERROR;
  if (flags & G_LOG_LEVEL_WARNING)
    return FZ_LOG_WARNING;
  return flags & (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO) ? FZ_LOG_INFO : FZ_LOG_DEBUG;
}

/* GLib's messages as records of ours; info and debug of the libraries only where G_MESSAGES_DEBUG
 * asks. */
static GLogWriterOutput
write_glib (GLogLevelFlags flags, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  const char *domain = "glib";
  const char *message = "";
  FzLogRecord record;

  for (gsize i = 0; i < n_fields; i++) {
    if (g_str_equal (fields[i].key, "MESSAGE"))
      message = fields[i].value;
    else if (g_str_equal (fields[i].key, "GLIB_DOMAIN"))
      domain = fields[i].value;
  }
  if (g_log_writer_default_would_drop (flags, domain))
    return G_LOG_WRITER_HANDLED;
  record = (FzLogRecord){
    .level = level_of (flags), .target = domain, .event = "message", .message = message
  };
  write_record (NULL, &record);
  return G_LOG_WRITER_HANDLED;
}

char *
fz_app_log_dup_path (void)
{
  return g_build_filename (g_get_user_state_dir (), "dev.firezone.Client", "app.log", NULL);
}

static void
make_room (const char *path)
{
  g_autofree char *older = g_strconcat (path, ".1", NULL);
  GStatBuf info;

  if (g_stat (path, &info) == 0 && info.st_size > FILE_BYTES_MAX)
    (void) g_rename (path, older);
}

void
fz_app_log_open (void)
{
  g_autofree char *path = fz_app_log_dup_path ();
  g_autofree char *folder = g_path_get_dirname (path);

  g_assert (log_fd < 0);
  if (g_getenv ("FZ_APP_DEBUG") != NULL)
    lowest = FZ_LOG_DEBUG;
  (void) g_mkdir_with_parents (folder, 0700);
  make_room (path);
  log_fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd < 0) /* then standard error alone */
    log_fd = open ("/dev/null", O_WRONLY | O_CLOEXEC);
  g_log_set_writer_func (write_glib, NULL, NULL);
}
