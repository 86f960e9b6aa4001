/* fz-log-entry.c: see the header */

#include "src/logfile/fz-log-entry.h"

#include <string.h>

static char *
dup_text (FzSpan bytes)
{
  g_autoptr (GString) text = g_string_sized_new (bytes.length);

  fz_log_append_text (bytes, text);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* What the escapes mean; line breaks in it stay. */
static char *
dup_unescaped (FzSpan escaped)
{
  g_autoptr (GString) plain = g_string_sized_new (escaped.length);

  fz_log_unescape (escaped, plain);
  return g_string_free (g_steal_pointer (&plain), FALSE);
}

static void
field_free (gpointer data)
{
  FzLogEntryField *field = data;

  g_free (field->key);
  g_free (field->value);
  g_free (field);
}

static void
add_field (FzLogEntry *self, char *key, char *value, FzLogValueType type)
{
  FzLogEntryField *field = g_new0 (FzLogEntryField, 1);

  field->key = key;
  field->value = value;
  field->type = type;
  g_ptr_array_add (self->fields, field);
}

static void
add_json_fields (FzLogEntry *self, FzSpan bytes)
{
  FzLogFieldIter iter;
  FzLogField field;

  fz_log_field_iter_init (&iter, bytes);
  while (fz_log_field_iter_next (&iter, &field))
    add_field (self,
               dup_unescaped (field.key),
               field.type == FZ_LOG_VALUE_TEXT ? dup_unescaped (field.value)
                                               : dup_text (field.value),
               field.type);
}

/* The names under which a JSON line would have them. */
static void
add_text_fields (FzLogEntry *self, FzSpan bytes)
{
  if (self->time_us != FZ_LOG_TIME_UNKNOWN) {
    const uint8_t *blank = memchr (bytes.data, ' ', bytes.length);

    add_field (self,
               g_strdup ("time"),
               dup_text (fz_span (bytes.data, (size_t) (blank - bytes.data))),
               FZ_LOG_VALUE_TEXT);
  }
  add_field (self,
             g_strdup ("severity"),
             g_strdup (fz_log_entry_get_level_name (self)),
             FZ_LOG_VALUE_TEXT);
  if (self->target[0] != '\0')
    add_field (self, g_strdup ("target"), g_strdup (self->target), FZ_LOG_VALUE_TEXT);
  add_field (self, g_strdup ("message"), g_strdup (self->message), FZ_LOG_VALUE_TEXT);
}

FzLogEntry *
fz_log_entry_parse (FzSpan bytes, uint32_t line)
{
  FzLogEntry *self = g_new0 (FzLogEntry, 1);
  FzLogLine scanned;

  fz_log_line_scan (bytes, &scanned);
  self->line = line;
  self->kind = scanned.kind;
  self->level = scanned.level;
  self->time_us = scanned.time_us;
  self->raw = dup_text (bytes);
  self->fields = g_ptr_array_new_with_free_func (field_free);
  if (scanned.kind == FZ_LOG_LINE_JSON) {
    FzSpan message = scanned.message.length > 0 ? scanned.message : scanned.event;

    self->target = dup_unescaped (scanned.target);
    self->message = message.length > 0 ? dup_unescaped (message) : g_strdup (self->raw);
  } else {
    self->target = dup_text (scanned.target);
    self->message = dup_text (scanned.message);
  }
  if (scanned.kind == FZ_LOG_LINE_TEXT)
    add_text_fields (self, bytes);
  else
    add_json_fields (self, bytes);
  return self;
}

FzLogEntry *
fz_log_entry_read (const FzLogIndex *index, uint32_t line)
{
  g_autoptr (GString) buffer = g_string_new (NULL);
  bool is_cut = false;
  bool is_there = fz_log_index_read_line (index, line, buffer, &is_cut);
  FzLogEntry *self = fz_log_entry_parse (fz_span (buffer->str, buffer->len), line);

  self->is_cut = is_cut;
  self->is_gone = !is_there;
  return self;
}

void
fz_log_entry_free (FzLogEntry *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->fields);
  g_free (self->target);
  g_free (self->message);
  g_free (self->raw);
  g_free (self);
}

const char *
fz_log_entry_get_level_name (const FzLogEntry *self)
{
  return self->level == FZ_LOG_LEVEL_UNKNOWN ? "" : fz_log_level_name ((FzLogLevel) self->level);
}

/* Of the second, also before 1970. */
static int64_t
microseconds_of (int64_t time_us)
{
  return (time_us % G_USEC_PER_SEC + G_USEC_PER_SEC) % G_USEC_PER_SEC;
}

char *
fz_log_time_format (int64_t time_us)
{
  g_autoptr (GDateTime) utc = NULL;
  g_autoptr (GDateTime) local = NULL;
  g_autofree char *seconds = NULL;
  int64_t us = microseconds_of (time_us);

  if (time_us == FZ_LOG_TIME_UNKNOWN)
    return g_strdup ("");
  utc = g_date_time_new_from_unix_utc ((time_us - us) / G_USEC_PER_SEC);
  local = utc != NULL ? g_date_time_to_local (utc) : NULL;
  if (local == NULL)
    return g_strdup ("");
  seconds = g_date_time_format (local, "%Y-%m-%d %H:%M:%S");
  return g_strdup_printf ("%s.%03d", seconds, (int) (us / 1000));
}

static bool
is_in_head (const FzLogEntryField *field)
{
  static const char *const keys[] = { "time",   "timestamp", "severity", "level",
                                      "target", "message",   "msg" };

  for (size_t i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (field->key, keys[i]))
      return true;
  return false;
}

/* The words at the start of a line say already what the event's name says. */
static bool
tells_nothing_new (const FzLogEntryField *field)
{
  return g_str_equal (field->key, "event") || field->value[0] == '\0' ||
         (field->type == FZ_LOG_VALUE_WORD && g_str_equal (field->value, "null"));
}

static void
append_fields (const FzLogEntry *self, bool is_terse, GString *text)
{
  for (guint i = 0; self->kind == FZ_LOG_LINE_JSON && i < self->fields->len; i++) {
    const FzLogEntryField *field = self->fields->pdata[i];

    if (!is_in_head (field) && !(is_terse && tells_nothing_new (field)))
      g_string_append_printf (text, "%s%s=%s", text->len > 0 ? " " : "", field->key, field->value);
  }
}

char *
fz_log_entry_dup_details (const FzLogEntry *self)
{
  g_autoptr (GString) text = g_string_new (NULL);

  if (!g_str_equal (self->message, self->raw)) /* which says them all */
    append_fields (self, true, text);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

char *
fz_log_entry_to_text (const FzLogEntry *self)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *time_text = NULL;

  if (self->kind == FZ_LOG_LINE_RAW)
    return g_strdup (self->raw);
  time_text = fz_log_time_format (self->time_us);
  g_string_append_printf (text,
                          "%s%s%-7s %s%s%s",
                          time_text,
                          time_text[0] != '\0' ? " " : "",
                          fz_log_entry_get_level_name (self),
                          self->target,
                          self->target[0] != '\0' ? ": " : "",
                          self->message);
  append_fields (self, false, text);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
append_member (GString *json, const char *key, const char *value)
{
  if (value[0] == '\0')
    return;
  g_string_append_printf (json, "%s\"%s\":\"", json->len > 1 ? "," : "", key);
  fz_log_escape (fz_span (value, strlen (value)), json);
  g_string_append_c (json, '"');
}

static char *
format_rfc3339 (int64_t time_us)
{
  g_autoptr (GDateTime) utc = NULL;
  g_autofree char *seconds = NULL;
  int64_t us = microseconds_of (time_us);

  if (time_us == FZ_LOG_TIME_UNKNOWN)
    return g_strdup ("");
  utc = g_date_time_new_from_unix_utc ((time_us - us) / G_USEC_PER_SEC);
  if (utc == NULL)
    return g_strdup ("");
  seconds = g_date_time_format (utc, "%Y-%m-%dT%H:%M:%S");
  return g_strdup_printf ("%s.%06dZ", seconds, (int) us);
}

char *
fz_log_entry_to_json (const FzLogEntry *self)
{
  g_autoptr (GString) json = NULL;
  g_autofree char *time_text = NULL;

  if (self->kind == FZ_LOG_LINE_JSON)
    return g_strdup (self->raw);
  json = g_string_new ("{");
  time_text = format_rfc3339 (self->time_us);
  append_member (json, "time", time_text);
  append_member (json, "severity", fz_log_entry_get_level_name (self));
  append_member (json, "target", self->target);
  append_member (json, "message", self->message);
  g_string_append_c (json, '}');
  return g_string_free (g_steal_pointer (&json), FALSE);
}
