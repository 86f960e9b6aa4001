/* fz-log-line.h
 *
 * One line of a log file, scanned without allocation: JSON objects of ours and
 * of the stackdriver layer that upstream once used, upstream's text lines, and
 * anything else, which stays what it is. The scanner is made for millions of
 * lines and for torn ones: it validates no more than it needs, and what it read
 * before a line breaks off still counts.
 *
 * Pure functions; any thread.
 */
#pragma once

#include "src/base/fz-log.h"
#include "src/base/fz-span.h"

#include <glib.h>

/* Beside the values of FzLogLevel: the line does not say. Passes every level filter. */
#define FZ_LOG_LEVEL_UNKNOWN 5u

#define FZ_LOG_TIME_UNKNOWN INT64_MIN

typedef enum {
  FZ_LOG_LINE_JSON, /* a whole object */
  FZ_LOG_LINE_TEXT, /* "2026-08-21T12:34:56.789Z  INFO target: message key=value", time optional */
  FZ_LOG_LINE_RAW,  /* foreign or torn: shown as it is */
} FzLogLineKind;

/* Spans point into the scanned bytes. */
typedef struct {
  FzLogLineKind kind;
  uint8_t level;   /* FzLogLevel, or FZ_LOG_LEVEL_UNKNOWN */
  int64_t time_us; /* since 1970, or FZ_LOG_TIME_UNKNOWN */
  FzSpan target;   /* without quotes, JSON escapes in place; empty if there is none */
  FzSpan message;  /* likewise; the whole line where kind is RAW */
  FzSpan event;    /* likewise */
} FzLogLine;

/**
 * fz_log_line_scan:
 * @bytes: one line, without its newline
 *
 * Understands the keys time|timestamp, severity|level, target, message|msg and
 * event on the outermost level, in any order; the first of several counts.
 */
void fz_log_line_scan (FzSpan bytes, FzLogLine *out);

/* The same for level, time and target only: stops as soon as it has them. Agrees with
 * fz_log_line_scan in these three whatever the bytes are. Leaves message and event empty. */
void fz_log_line_scan_head (FzSpan bytes, FzLogLine *out);

typedef enum {
  FZ_LOG_VALUE_TEXT,   /* the span excludes the quotes; escapes in place */
  FZ_LOG_VALUE_NUMBER, /* as written */
  FZ_LOG_VALUE_WORD,   /* true, false, null */
  FZ_LOG_VALUE_NESTED, /* object or array, as written with its brackets */
} FzLogValueType;

typedef struct {
  FzSpan key; /* without quotes, escapes in place */
  FzSpan value;
  FzLogValueType type;
} FzLogField;

/* Walks the outermost fields of a JSON line in their order. */
typedef struct {
  const uint8_t *at;
  const uint8_t *end;
  bool is_broken; /* the walk ended where the syntax did */
} FzLogFieldIter;

void fz_log_field_iter_init (FzLogFieldIter *iter, FzSpan bytes);
bool fz_log_field_iter_next (FzLogFieldIter *iter, FzLogField *out);

/* Appends what a JSON string means: escapes undone, lone surrogates and bad UTF-8 as U+FFFD. */
void fz_log_unescape (FzSpan escaped, GString *out);

/* Appends @text as the inside of a JSON string. Bytes that are no UTF-8 become U+FFFD. */
void fz_log_escape (FzSpan text, GString *out);

/* Appends @bytes as valid UTF-8, control characters other than tab as U+FFFD. */
void fz_log_append_text (FzSpan bytes, GString *out);

/**
 * fz_log_time_parse:
 * @text: RFC 3339, "2026-03-01T09:12:44.031Z": with 't' or a blank in the middle, up to nine
 *   digits of a second, any offset; seconds and zone may be missing (then UTC)
 *
 * Returns: false, and @out_us untouched, if it is no time
 */
bool fz_log_time_parse (FzSpan text, int64_t *out_us);

/* "ERROR", "error", "WARN", "WARNING", "notice", … Unknown words: FZ_LOG_LEVEL_UNKNOWN. */
uint8_t fz_log_level_parse (FzSpan word);
