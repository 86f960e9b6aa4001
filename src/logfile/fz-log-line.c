/* fz-log-line.c: see the header
 *
 * A JSON line is walked from field to field: strings are jumped over by their
 * quotes, nested values by counting brackets, and nothing is checked that the
 * walk does not need. Brackets need not match in kind, words and numbers are
 * taken as they come: this reads logs, it does not judge them.
 */

#include "src/logfile/fz-log-line.h"

#include <string.h>

#define LEVEL_WORD_MAX 10u
#define REPLACEMENT    "\xef\xbf\xbd"

/* -- walking JSON -- */

static const uint8_t *
skip_blanks (const uint8_t *at, const uint8_t *end)
{
  while (at < end && (*at == ' ' || *at == '\t'))
    at++;
  return at;
}

/* @at: behind the opening quote. Returns the closing quote, NULL if there is none. */
static const uint8_t *
find_quote (const uint8_t *at, const uint8_t *end)
{
  const uint8_t *start = at;

  while (at < end) {
    const uint8_t *quote = memchr (at, '"', (size_t) (end - at));
    const uint8_t *before = quote;

    if (quote == NULL)
      return NULL;
    while (before > start && before[-1] == '\\')
      before--;
    if ((quote - before) % 2 == 0)
      return quote;
    at = quote + 1;
  }
  return NULL;
}

/* @at: on the opening bracket. Returns what follows the closing one, NULL if there is none. */
static const uint8_t *
skip_nested (const uint8_t *at, const uint8_t *end)
{
  size_t depth = 0;

  for (; at < end; at++) {
    if (*at == '"') {
      at = find_quote (at + 1, end);
      if (at == NULL)
        return NULL;
    } else if (*at == '{' || *at == '[') {
      depth++;
    } else if ((*at == '}' || *at == ']') && --depth == 0) {
      return at + 1;
    }
  }
  return NULL;
}

static bool
span_is (FzSpan span, const char *word)
{
  return span.length == strlen (word) && memcmp (span.data, word, span.length) == 0;
}

/* Made of what numbers are made of; in which order is not our business. */
static bool
is_number (FzSpan span)
{
  for (size_t i = 0; i < span.length; i++)
    if (span.data[i] == '\0' || strchr ("0123456789+-.eE", span.data[i]) == NULL)
      return false;
  return true;
}

/* A number or a word, up to what ends it. */
static const uint8_t *
read_bare (const uint8_t *at, const uint8_t *end, FzLogField *out)
{
  const uint8_t *start = at;

  while (at < end && *at != ',' && *at != '}' && *at != ' ' && *at != '\t')
    at++;
  out->value = fz_span (start, (size_t) (at - start));
  if (at == start)
    return NULL;
  if (*start == '-' || (*start >= '0' && *start <= '9')) {
    out->type = FZ_LOG_VALUE_NUMBER;
    return is_number (out->value) ? at : NULL;
  }
  out->type = FZ_LOG_VALUE_WORD;
  return span_is (out->value, "true") || span_is (out->value, "false") ||
                 span_is (out->value, "null")
             ? at
             : NULL;
}

static const uint8_t *
read_value (const uint8_t *at, const uint8_t *end, FzLogField *out)
{
  const uint8_t *after;

  if (at == end)
    return NULL;
  if (*at == '"') {
    after = find_quote (at + 1, end);
    if (after == NULL)
      return NULL;
    out->type = FZ_LOG_VALUE_TEXT;
    out->value = fz_span (at + 1, (size_t) (after - at - 1));
    return after + 1;
  }
  if (*at == '{' || *at == '[') {
    after = skip_nested (at, end);
    if (after == NULL)
      return NULL;
    out->type = FZ_LOG_VALUE_NESTED;
    out->value = fz_span (at, (size_t) (after - at));
    return after;
  }
  return read_bare (at, end, out);
}

/* @at: on the key's opening quote. Returns what follows the field, NULL where it breaks off. */
static const uint8_t *
read_field (const uint8_t *at, const uint8_t *end, FzLogField *out)
{
  const uint8_t *quote;

  if (at == end || *at != '"')
    return NULL;
  quote = find_quote (at + 1, end);
  if (quote == NULL)
    return NULL;
  out->key = fz_span (at + 1, (size_t) (quote - at - 1));
  at = skip_blanks (quote + 1, end);
  if (at == end || *at != ':')
    return NULL;
  return read_value (skip_blanks (at + 1, end), end, out);
}

void
fz_log_field_iter_init (FzLogFieldIter *iter, FzSpan bytes)
{
  *iter = (FzLogFieldIter){ .end = bytes.data + bytes.length };
  iter->at = skip_blanks (bytes.data, iter->end);
  if (iter->at == iter->end || *iter->at != '{') {
    iter->is_broken = true;
    iter->at = iter->end;
  }
}

/* Between calls iter->at stands on what separates fields: the brace at the start, a comma, the
 * brace at the end. */
bool
fz_log_field_iter_next (FzLogFieldIter *iter, FzLogField *out)
{
  const uint8_t *at = iter->at, *end = iter->end;
  FzLogField field = { .type = FZ_LOG_VALUE_WORD };
  bool is_start;

  if (at == end)
    return false;
  is_start = *at == '{';
  if (is_start || *at == ',')
    at = skip_blanks (at + 1, end);
  else if (*at != '}')
    at = end;
  if (at < end && *at == '}' && (is_start || *iter->at == '}')) {
    iter->is_broken = skip_blanks (at + 1, end) != end;
    iter->at = end;
    return false;
  }

  at = read_field (at, end, &field);
  iter->at = at != NULL ? skip_blanks (at, end) : end;
  iter->is_broken = iter->at == end;
  if (at == NULL)
    return false;
  *out = field;
  return true;
}

/* -- levels and times -- */

uint8_t
fz_log_level_parse (FzSpan word)
{
  static const struct {
    const char *word;
    uint8_t level;
  } levels[] = {
    { "info", FZ_LOG_INFO },       { "debug", FZ_LOG_DEBUG },    { "warning", FZ_LOG_WARNING },
    { "warn", FZ_LOG_WARNING },    { "error", FZ_LOG_ERROR },    { "trace", FZ_LOG_TRACE },
    { "notice", FZ_LOG_INFO },     { "critical", FZ_LOG_ERROR }, { "fatal", FZ_LOG_ERROR },
    { "emergency", FZ_LOG_ERROR }, { "alert", FZ_LOG_ERROR },    { "default", FZ_LOG_INFO },
  };
  char lower[LEVEL_WORD_MAX];

  if (word.length > sizeof lower)
    return FZ_LOG_LEVEL_UNKNOWN;
  for (size_t i = 0; i < word.length; i++)
    lower[i] = (char) (word.data[i] | 0x20);
  for (size_t i = 0; i < G_N_ELEMENTS (levels); i++)
    if (strlen (levels[i].word) == word.length && memcmp (levels[i].word, lower, word.length) == 0)
      return levels[i].level;
  return FZ_LOG_LEVEL_UNKNOWN;
}

/* Reads @n digits; sticky: @ok becomes false where something else stands. */
static unsigned
digits (const uint8_t *at, size_t n, bool *ok)
{
  unsigned value = 0;

  for (size_t i = 0; i < n; i++) {
    unsigned digit = at[i] - (unsigned) '0';

    if (digit > 9)
      *ok = false;
    value = value * 10 + digit;
  }
  return value;
}

/* Days since 1970 of a date in the Gregorian calendar, counting years from March. */
static int64_t
days_since_1970 (unsigned year, unsigned month, unsigned day)
{
  int64_t y = (int64_t) year - (month <= 2);
  int64_t month_from_march = month > 2 ? month - 3 : month + 9;
  int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;

  return 365 * y + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

/* Seconds east of UTC of "Z", "+01:00", "-0530", or nothing. */
static bool
parse_zone (const uint8_t *at, size_t left, int *out_s)
{
  bool ok = true;
  unsigned hours, minutes;

  *out_s = 0;
  if (left == 0 || (left == 1 && (*at == 'Z' || *at == 'z')))
    return true;
  if ((*at != '+' && *at != '-') || (left != 5 && left != 6))
    return false;
  hours = digits (at + 1, 2, &ok);
  minutes = digits (at + left - 2, 2, &ok);
  if (!ok || hours > 23 || minutes > 59 || (left == 6 && at[3] != ':'))
    return false;
  *out_s = (int) (hours * 3600 + minutes * 60) * (*at == '-' ? -1 : 1);
  return true;
}

/* "." and one to nine digits. Returns how many bytes they are. */
static size_t
parse_fraction (const uint8_t *at, size_t left, int64_t *out_us)
{
  int64_t us = 0, unit = 100000;
  size_t n = 1;

  *out_us = 0;
  if (left < 2 || *at != '.')
    return 0;
  for (; n < left && n <= 9 && at[n] >= '0' && at[n] <= '9'; n++, unit /= 10)
    us += (at[n] - '0') * unit;
  *out_us = us;
  return n > 1 ? n : 0;
}

/* Year to minute: "2026-03-01T09:12". */
static bool
parse_minutes (const uint8_t *p, int64_t *out_s)
{
  bool ok =
      p[4] == '-' && p[7] == '-' && p[13] == ':' && (p[10] == 'T' || p[10] == 't' || p[10] == ' ');
  unsigned year = digits (p, 4, &ok), month = digits (p + 5, 2, &ok), day = digits (p + 8, 2, &ok);
  unsigned hour = digits (p + 11, 2, &ok), minute = digits (p + 14, 2, &ok);

  if (!ok || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59)
    return false;
  *out_s = days_since_1970 (year, month, day) * 86400 + hour * 3600 + minute * 60;
  return true;
}

bool
fz_log_time_parse (FzSpan text, int64_t *out_us)
{
  const uint8_t *p = text.data;
  size_t at = 16;
  int64_t seconds, us = 0;
  bool ok = true;
  int zone_s;

  if (text.length < at || !parse_minutes (p, &seconds))
    return false;
  if (text.length >= at + 3 && p[at] == ':') {
    unsigned second = digits (p + at + 1, 2, &ok);

    if (!ok || second > 60)
      return false;
    seconds += second;
    at += 3;
    at += parse_fraction (p + at, text.length - at, &us);
  }
  if (!parse_zone (p + at, text.length - at, &zone_s))
    return false;
  *out_us = (seconds - zone_s) * G_USEC_PER_SEC + us;
  return true;
}

/* -- lines -- */

static bool
head_is_complete (const FzLogLine *line)
{
  return line->time_us != FZ_LOG_TIME_UNKNOWN && line->level != FZ_LOG_LEVEL_UNKNOWN &&
         line->target.length > 0;
}

/* The first field that tells something counts; a second of the same meaning does not. */
static void
take_field (FzLogLine *line, const FzLogField *field)
{
  if (field->type != FZ_LOG_VALUE_TEXT)
    return;
  switch (field->key.length) {
  case 3:
    if (line->message.length == 0 && span_is (field->key, "msg"))
      line->message = field->value;
    return;
  case 4:
    if (line->time_us == FZ_LOG_TIME_UNKNOWN && span_is (field->key, "time"))
      fz_log_time_parse (field->value, &line->time_us);
    return;
  case 5:
    if (line->level == FZ_LOG_LEVEL_UNKNOWN && span_is (field->key, "level"))
      line->level = fz_log_level_parse (field->value);
    else if (line->event.length == 0 && span_is (field->key, "event"))
      line->event = field->value;
    return;
  case 6:
    if (line->target.length == 0 && span_is (field->key, "target"))
      line->target = field->value;
    return;
  case 7:
    if (line->message.length == 0 && span_is (field->key, "message"))
      line->message = field->value;
    return;
  case 8:
    if (line->level == FZ_LOG_LEVEL_UNKNOWN && span_is (field->key, "severity"))
      line->level = fz_log_level_parse (field->value);
    return;
  case 9:
    if (line->time_us == FZ_LOG_TIME_UNKNOWN && span_is (field->key, "timestamp"))
      fz_log_time_parse (field->value, &line->time_us);
    return;
  default:
    return;
  }
}

static void
scan_json (FzSpan bytes, bool only_head, FzLogLine *line)
{
  FzLogFieldIter iter;
  FzLogField field;

  fz_log_field_iter_init (&iter, bytes);
  while (fz_log_field_iter_next (&iter, &field)) {
    take_field (line, &field);
    if (only_head && head_is_complete (line))
      return;
  }
  line->kind = iter.is_broken ? FZ_LOG_LINE_RAW : FZ_LOG_LINE_JSON;
  if (iter.is_broken)
    line->message = bytes;
}

static const uint8_t *
find_blank (const uint8_t *at, const uint8_t *end)
{
  const uint8_t *blank = at < end ? memchr (at, ' ', (size_t) (end - at)) : NULL;

  return blank != NULL ? blank : end;
}

static bool
is_target_byte (uint8_t byte)
{
  return g_ascii_isalnum (byte) || byte == '_' || byte == ':' || byte == '.' || byte == '-' ||
         byte == '/';
}

/* "firezone_tunnel::peer: message": where the message begins; @at if there is no target. */
static const uint8_t *
split_target (const uint8_t *at, const uint8_t *end, FzSpan *out)
{
  const uint8_t *blank = find_blank (at, end);

  if (blank - at < 2 || blank[-1] != ':')
    return at;
  for (const uint8_t *p = at; p < blank; p++)
    if (!is_target_byte (*p))
      return at;
  *out = fz_span (at, (size_t) (blank - at - 1));
  return blank < end ? blank + 1 : end;
}

/* Upstream's text lines: a time or none, blanks, a level in capitals, a target or none. Something
 * must tell them from prose, so a line without a time needs its target. */
static bool
scan_text (FzSpan bytes, FzLogLine *line)
{
  const uint8_t *end = bytes.data + bytes.length;
  const uint8_t *at = bytes.data, *word_end;
  FzLogLine found = *line;

  word_end = find_blank (at, end);
  if (bytes.length > 20 && at[4] == '-' &&
      fz_log_time_parse (fz_span (at, (size_t) (word_end - at)), &found.time_us))
    at = word_end;
  at = skip_blanks (at, end);
  word_end = find_blank (at, end);
  if (word_end - at < 4 || word_end - at > 7 || !g_ascii_isupper (*at))
    return false;
  found.level = fz_log_level_parse (fz_span (at, (size_t) (word_end - at)));
  at = split_target (skip_blanks (word_end, end), end, &found.target);
  if (found.level == FZ_LOG_LEVEL_UNKNOWN ||
      (found.time_us == FZ_LOG_TIME_UNKNOWN && found.target.length == 0))
    return false;
  found.kind = FZ_LOG_LINE_TEXT;
  found.message = fz_span (at, (size_t) (end - at));
  *line = found;
  return true;
}

static void
scan (FzSpan bytes, bool only_head, FzLogLine *out)
{
  FzLogLine line = { .kind = FZ_LOG_LINE_RAW,
                     .level = FZ_LOG_LEVEL_UNKNOWN,
                     .time_us = FZ_LOG_TIME_UNKNOWN };

  if (bytes.length > 0 && *skip_blanks (bytes.data, bytes.data + bytes.length - 1) == '{')
    scan_json (bytes, only_head, &line);
  else if (bytes.length == 0 || !scan_text (bytes, &line))
    line.message = bytes;
  if (only_head)
    line.message = line.event = (FzSpan){ 0 };
  *out = line;
}

void
fz_log_line_scan (FzSpan bytes, FzLogLine *out)
{
  scan (bytes, false, out);
}

void
fz_log_line_scan_head (FzSpan bytes, FzLogLine *out)
{
  scan (bytes, true, out);
}

/* -- text -- */

static bool
parse_hex4 (const uint8_t *at, const uint8_t *end, uint32_t *out)
{
  uint32_t value = 0;

  if (end - at < 4)
    return false;
  for (size_t i = 0; i < 4; i++) {
    int digit = g_ascii_xdigit_value ((char) at[i]);

    if (digit < 0)
      return false;
    value = value << 4 | (uint32_t) digit;
  }
  *out = value;
  return true;
}

/* @at: behind "\u". Appends the character, also of a surrogate pair. Returns what follows. */
static const uint8_t *
unescape_unicode (const uint8_t *at, const uint8_t *end, GString *out)
{
  uint32_t high, low;

  if (!parse_hex4 (at, end, &high)) {
    g_string_append (out, REPLACEMENT);
    return at;
  }
  at += 4;
  if (high >= 0xd800 && high < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u' &&
      parse_hex4 (at + 2, end, &low) && low >= 0xdc00 && low < 0xe000) {
    g_string_append_unichar (out, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
    return at + 6;
  }
  if (high == 0 || (high >= 0xd800 && high < 0xe000))
    g_string_append (out, REPLACEMENT);
  else
    g_string_append_unichar (out, high);
  return at;
}

/* @at: on the backslash. */
static const uint8_t *
unescape_one (const uint8_t *at, const uint8_t *end, GString *out)
{
  static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
  const char *found;

  if (++at == end) {
    g_string_append (out, REPLACEMENT);
    return at;
  }
  if (*at == 'u')
    return unescape_unicode (at + 1, end, out);
  found = *at != '\0' ? strchr (from, *at) : NULL;
  g_string_append_c (out, found != NULL ? to[found - from] : (char) *at);
  return at + 1;
}

static void
append_valid (const char *bytes, size_t length, GString *out)
{
  while (length > 0) {
    const char *bad;
    size_t good;

    if (g_utf8_validate_len (bytes, length, &bad)) {
      g_string_append_len (out, bytes, (gssize) length);
      return;
    }
    good = (size_t) (bad - bytes);
    g_string_append_len (out, bytes, (gssize) good);
    g_string_append (out, REPLACEMENT);
    bytes = bad + 1;
    length -= good + 1;
  }
}

void
fz_log_unescape (FzSpan escaped, GString *out)
{
  const uint8_t *at = escaped.data, *end;
  g_autoptr (GString) plain = NULL;

  if (escaped.length == 0)
    return;
  end = at + escaped.length;
  if (memchr (at, '\\', escaped.length) == NULL) {
    append_valid ((const char *) at, escaped.length, out);
    return;
  }
  plain = g_string_sized_new (escaped.length);
  while (at < end) {
    if (*at == '\\')
      at = unescape_one (at, end, plain);
    else
      g_string_append_c (plain, (char) *at++);
  }
  append_valid (plain->str, plain->len, out);
}

void
fz_log_escape (FzSpan text, GString *out)
{
  g_autoptr (GString) valid = g_string_sized_new (text.length);

  append_valid ((const char *) text.data, text.length, valid);
  for (size_t i = 0; i < valid->len; i++) {
    uint8_t byte = (uint8_t) valid->str[i];

    if (byte == '"' || byte == '\\') {
      g_string_append_c (out, '\\');
      g_string_append_c (out, (char) byte);
    } else if (byte == '\n') {
      g_string_append (out, "\\n");
    } else if (byte == '\t') {
      g_string_append (out, "\\t");
    } else if (byte < 0x20) {
      g_string_append_printf (out, "\\u%04x", byte);
    } else {
      g_string_append_c (out, (char) byte);
    }
  }
}

void
fz_log_append_text (FzSpan bytes, GString *out)
{
  const char *at = (const char *) bytes.data;
  size_t from = 0;

  if (bytes.length == 0)
    return;
  for (size_t i = 0; i < bytes.length; i++)
    if ((bytes.data[i] < 0x20 && bytes.data[i] != '\t') || bytes.data[i] == 0x7f) {
      append_valid (at + from, i - from, out);
      g_string_append (out, REPLACEMENT);
      from = i + 1;
    }
  append_valid (at + from, bytes.length - from, out);
}
