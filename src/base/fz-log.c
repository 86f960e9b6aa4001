/* fz-log.c: see the header
 *
 * The JSON writer works on a bounded line: each piece is written, and taken
 * back if it did not fit. Room for the end of the line is kept aside from the
 * start, so that a line is whole whatever comes in. Texts are not trusted to
 * be UTF-8: what is not becomes U+FFFD, byte for byte.
 */

#include "src/base/fz-log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_CAPACITY_MIN 512u
#define TIME_BYTES_MAX    48u /* escaped bytes, quotes not counted; so are the next two */
#define TARGET_BYTES_MAX  64u
#define EVENT_BYTES_MAX   96u

static const char truncated_end[] = ",\"truncated\":true}\n";

typedef struct {
  char *out;
  size_t length;   /* bytes written */
  size_t capacity; /* bytes that may be written, the end of the line not counted */
  bool ok;         /* false after the first piece that did not fit */
} Line;

void
fz_log_write (const FzLog *log,
              FzLogLevel level,
              const char *event,
              const char *message,
              const FzKv *fields,
              size_t n_fields)
{
  const FzLogRecord record = {
    .level = level,
    .target = log->target,
    .event = event,
    .message = message,
    .fields = fields,
    .n_fields = n_fields,
  };

  if (log->sink != NULL)
    log->sink->write (log->sink->context, &record);
}

const char *
fz_log_level_name (FzLogLevel level)
{
  static const char *const names[] = {
    [FZ_LOG_ERROR] = "ERROR", [FZ_LOG_WARNING] = "WARNING", [FZ_LOG_INFO] = "INFO",
    [FZ_LOG_DEBUG] = "DEBUG", [FZ_LOG_TRACE] = "TRACE",
  };

  return (unsigned) level < sizeof names / sizeof names[0] ? names[level] : "UNKNOWN";
}

const char *
fz_kv_format (const FzKv *field, char scratch[FZ_KV_VALUE_TEXT_MAX])
{
  switch (field->type) {
  case FZ_KV_TYPE_TEXT:
    return field->text != NULL ? field->text : "null";
  case FZ_KV_TYPE_U64:
    snprintf (scratch, FZ_KV_VALUE_TEXT_MAX, "%" PRIu64, field->u64);
    return scratch;
  case FZ_KV_TYPE_I64:
    snprintf (scratch, FZ_KV_VALUE_TEXT_MAX, "%" PRId64, field->i64);
    return scratch;
  case FZ_KV_TYPE_BOOL:
    return field->boolean ? "true" : "false";
  case FZ_KV_TYPE_IP:
    return fz_ip_format (field->ip, scratch);
  case FZ_KV_TYPE_SOCKET:
    return fz_socket_address_format (field->socket, scratch);
  case FZ_KV_TYPE_UUID:
    return fz_uuid_format (field->uuid, scratch);
  }
  return "";
}

static void
put (Line *line, const char *bytes, size_t n)
{
  if (!line->ok || n > line->capacity - line->length) {
    line->ok = false;
    return;
  }
  memcpy (line->out + line->length, bytes, n);
  line->length += n;
}

static void
put_text (Line *line, const char *text)
{
  put (line, text, strlen (text));
}

/* Length of the well-formed UTF-8 sequence at @p (Unicode 15 table 3-7), 0 if there is none. */
static size_t
utf8_sequence_length (const uint8_t *p)
{
  uint8_t low = 0x80, high = 0xbf; /* range of the second byte */
  size_t n;

  if (p[0] < 0x80)
    return 1;
  if (p[0] < 0xc2 || p[0] > 0xf4)
    return 0;
  n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
  if (p[0] == 0xe0)
    low = 0xa0; /* overlong */
  else if (p[0] == 0xed)
    high = 0x9f; /* surrogates */
  else if (p[0] == 0xf0)
    low = 0x90; /* overlong */
  else if (p[0] == 0xf4)
    high = 0x8f; /* past U+10FFFF */

  if (p[1] < low || p[1] > high)
    return 0;
  for (size_t i = 2; i < n; i++)
    if ((p[i] & 0xc0) != 0x80)
      return 0;
  return n;
}

/* One character of @text as it stands in a JSON string; returns the bytes it took of @text. */
static size_t
escape_character (const uint8_t *text, char out[8], size_t *out_length)
{
  static const char short_escapes[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: character, letter */
  size_t n = utf8_sequence_length (text);

  for (size_t i = 0; short_escapes[i] != '\0'; i += 2)
    if (text[0] == (uint8_t) short_escapes[i]) {
      out[0] = '\\';
      out[1] = short_escapes[i + 1];
      *out_length = 2;
      return 1;
    }
  if (n == 0) {
    memcpy (out, "\xef\xbf\xbd", 3);
    *out_length = 3;
    return 1;
  }
  if (text[0] < 0x20) {
    *out_length = (size_t) snprintf (out, 8, "\\u%04x", (unsigned) text[0]);
    return 1;
  }
  memcpy (out, text, n);
  *out_length = n;
  return n;
}

/* A quoted string of at most @max escaped bytes; false if @text had to be cut for that. */
static bool
put_string (Line *line, const char *text, size_t max)
{
  const uint8_t *at = (const uint8_t *) text;
  size_t used = 0;

  put (line, "\"", 1);
  while (*at != '\0') {
    char escaped[8];
    size_t n;
    size_t taken = escape_character (at, escaped, &n);

    if (n > max - used)
      break;
    put (line, escaped, n);
    used += n;
    at += taken;
  }
  put (line, "\"", 1);
  return *at == '\0';
}

static bool
is_json_string (const FzKv *field)
{
  switch (field->type) {
  case FZ_KV_TYPE_U64:
  case FZ_KV_TYPE_I64:
  case FZ_KV_TYPE_BOOL:
    return false;
  case FZ_KV_TYPE_TEXT:
    return field->text != NULL;
  case FZ_KV_TYPE_IP:
  case FZ_KV_TYPE_SOCKET:
  case FZ_KV_TYPE_UUID:
    return true;
  }
  return true;
}

static void
put_value (Line *line, const FzKv *field)
{
  char scratch[FZ_KV_VALUE_TEXT_MAX];
  const char *text = fz_kv_format (field, scratch);

  if (is_json_string (field))
    put_string (line, text, SIZE_MAX);
  else
    put_text (line, text);
}

/* False, and nothing written, if the field did not fit. */
static bool
put_field (Line *line, const FzKv *field)
{
  size_t before = line->length;

  put (line, ",", 1);
  put_string (line, field->key, SIZE_MAX);
  put (line, ":", 1);
  put_value (line, field);
  if (line->ok)
    return true;
  line->length = before;
  line->ok = true;
  return false;
}

/* What every line has. Fits LINE_CAPACITY_MIN because only the message may be long, and it gets
 * what the others leave. */
static bool
put_head (Line *line, const FzLogRecord *record, const char *time_text)
{
  static const char event_label[] = ",\"event\":";
  bool is_whole;
  size_t left;

  put_text (line, "{\"time\":");
  is_whole = put_string (line, time_text, TIME_BYTES_MAX);
  put_text (line, ",\"severity\":");
  put_string (line, fz_log_level_name (record->level), SIZE_MAX);
  put_text (line, ",\"target\":");
  is_whole &= put_string (line, record->target, TARGET_BYTES_MAX);
  put_text (line, ",\"message\":");
  left = line->capacity - line->length - 2 - (sizeof event_label - 1) - 2 - EVENT_BYTES_MAX;
  is_whole &= put_string (line, record->message, left);
  put_text (line, event_label);
  is_whole &= put_string (line, record->event, EVENT_BYTES_MAX);
  assert (line->ok);
  return is_whole;
}

size_t
fz_log_record_to_json (const FzLogRecord *record, const char *time_text, char *out, size_t capacity)
{
  Line line = { out, 0, capacity - (sizeof truncated_end - 1), true };
  bool is_whole;

  assert (capacity >= LINE_CAPACITY_MIN);
  is_whole = put_head (&line, record, time_text);
  for (size_t i = 0; i < record->n_fields; i++)
    if (!put_field (&line, &record->fields[i])) {
      is_whole = false;
      break;
    }

  line.capacity = capacity;
  put_text (&line, is_whole ? "}\n" : truncated_end);
  return line.length;
}
