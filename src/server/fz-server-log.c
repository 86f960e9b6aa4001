/* fz-server-log.c
 *
 * One write () per line, so that lines never mix. Main thread.
 */
#include "src/server/fz-server-log.h"

#include <glib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096u

static bool
wants (void *context, const char *target, FzLogLevel level)
{
  const FzServerLog *self = context;

  return fz_log_filter_wants (&self->filter, target, level);
}

static void
append_value (GString *line, const FzKv *field)
{
  char buffer[FZ_SOCKET_ADDRESS_TEXT_MAX];

  switch (field->type) {
  case FZ_KV_TYPE_TEXT:
    g_string_append (line, field->text != NULL ? field->text : "-");
    break;
  case FZ_KV_TYPE_U64:
    g_string_append_printf (line, "%" G_GUINT64_FORMAT, field->u64);
    break;
  case FZ_KV_TYPE_I64:
    g_string_append_printf (line, "%" G_GINT64_FORMAT, field->i64);
    break;
  case FZ_KV_TYPE_BOOL:
    g_string_append (line, field->boolean ? "true" : "false");
    break;
  case FZ_KV_TYPE_IP:
    g_string_append (line, fz_ip_format (field->ip, buffer));
    break;
  case FZ_KV_TYPE_SOCKET:
    g_string_append (line, fz_socket_address_format (field->socket, buffer));
    break;
  case FZ_KV_TYPE_UUID:
    g_string_append (line, fz_uuid_format (field->uuid, buffer));
    break;
  }
}

/* What peers say of themselves ends up here; it must not move the cursor of a terminal. */
static void
make_printable (GString *line)
{
  for (gsize i = 0; i < line->len; i++)
    if (g_ascii_iscntrl (line->str[i]))
      line->str[i] = '?';
}

static size_t
format_human (const FzLogRecord *record, const char *time, char *out, size_t capacity)
{
  g_autoptr (GString) line = g_string_new (NULL);
  size_t length;

  g_string_append_printf (line,
                          "%s %7s %s: %s",
                          time,
                          fz_log_level_name (record->level),
                          record->target,
                          record->message);
  for (size_t i = 0; i < record->n_fields; i++) {
    g_string_append_printf (line, " %s=", record->fields[i].key);
    append_value (line, &record->fields[i]);
  }
  make_printable (line);
  length = MIN (line->len, capacity - 1);
  memcpy (out, line->str, length);
  out[length] = '\n';
  return length + 1;
}

static void
write_record (void *context, const FzLogRecord *record)
{
  FzServerLog *self = context;
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *seconds = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S");
  g_autofree char *time =
      g_strdup_printf ("%s.%03dZ", seconds, g_date_time_get_microsecond (now) / 1000);
  char line[LINE_MAX_BYTES];
  size_t length = self->is_human ? format_human (record, time, line, sizeof line)
                                 : fz_log_record_to_json (record, time, line, sizeof line);

  fz_log_pipe_write (&self->pipe, line, length);
}

void
fz_server_log_init (FzServerLog *self, int fd, bool is_human, const FzLogFilter *filter)
{
  self->sink = (FzLogSink){ wants, write_record, self };
  self->filter = *filter;
  self->is_human = is_human;
  self->pipe = (FzLogPipe){ .fd = fd };
}

FzLog
fz_server_log_get (FzServerLog *self)
{
  return (FzLog){ &self->sink, "portal" };
}
