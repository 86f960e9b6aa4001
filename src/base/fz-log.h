/* fz-log.h
 *
 * Structured logging: an event with a stable name, a sentence for people and
 * typed fields. Code logs to the FzLog it was given; what becomes of the event
 * (a JSON line, nothing, a test's list) is the sink's affair.
 *
 * A field is never a key, a token or packet contents. Names and addresses of
 * users' resources appear at debug and trace only.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
  FZ_LOG_ERROR,   /* we cannot go on */
  FZ_LOG_WARNING, /* wrong but survived */
  FZ_LOG_INFO,    /* what a user would notice */
  FZ_LOG_DEBUG,   /* decisions and changes of state */
  FZ_LOG_TRACE,   /* per packet */
} FzLogLevel;

typedef enum {
  FZ_KV_TYPE_TEXT,
  FZ_KV_TYPE_U64,
  FZ_KV_TYPE_I64,
  FZ_KV_TYPE_BOOL,
  FZ_KV_TYPE_IP,
  FZ_KV_TYPE_SOCKET,
  FZ_KV_TYPE_UUID,
} FzKvType;

typedef struct {
  const char *key; /* lower case with underscores; carries its unit: handshake_ms */
  FzKvType type;
  union {
    const char *text; /* NULL is written as null */
    uint64_t u64;
    int64_t i64;
    bool boolean;
    const FzIp *ip;
    const FzSocketAddress *socket;
    const FzUuid *uuid;
  };
} FzKv;

/* Bytes, with the terminating zero, of any value but a text. */
#define FZ_KV_VALUE_TEXT_MAX FZ_SOCKET_ADDRESS_TEXT_MAX

#define FZ_KV_TEXT(k, v)   ((FzKv){ .key = (k), .type = FZ_KV_TYPE_TEXT, .text = (v) })
#define FZ_KV_U64(k, v)    ((FzKv){ .key = (k), .type = FZ_KV_TYPE_U64, .u64 = (v) })
#define FZ_KV_I64(k, v)    ((FzKv){ .key = (k), .type = FZ_KV_TYPE_I64, .i64 = (v) })
#define FZ_KV_BOOL(k, v)   ((FzKv){ .key = (k), .type = FZ_KV_TYPE_BOOL, .boolean = (v) })
#define FZ_KV_IP(k, v)     ((FzKv){ .key = (k), .type = FZ_KV_TYPE_IP, .ip = (v) })
#define FZ_KV_SOCKET(k, v) ((FzKv){ .key = (k), .type = FZ_KV_TYPE_SOCKET, .socket = (v) })
#define FZ_KV_UUID(k, v)   ((FzKv){ .key = (k), .type = FZ_KV_TYPE_UUID, .uuid = (v) })

/**
 * fz_kv_format:
 * @scratch: where a value that is no text yet is written
 *
 * The value as people read it and as JSON has it between the quotes, nothing escaped.
 *
 * Returns: @scratch, the field's own text, or a constant: "true", "false", "null" for no text
 */
const char *fz_kv_format (const FzKv *field, char scratch[FZ_KV_VALUE_TEXT_MAX]);

typedef struct {
  FzLogLevel level;
  const char *target;  /* which part speaks: "wireguard", "ice", "portal" */
  const char *event;   /* stable name with hyphens: "session-established" */
  const char *message; /* a sentence without full stop */
  const FzKv *fields;
  size_t n_fields;
} FzLogRecord;

typedef struct {
  /* Whether anything at @level from @target would be kept; asked before the record is made. */
  bool (*wants) (void *context, const char *target, FzLogLevel level);
  void (*write) (void *context, const FzLogRecord *record);
  void *context;
} FzLogSink;

/* A place to log to: a sink and the part that speaks. Copied by value. */
typedef struct {
  const FzLogSink *sink; /* NULL: silent */
  const char *target;
} FzLog;

static inline FzLog
fz_log_for (const FzLog *log, const char *target)
{
  return (FzLog){ log->sink, target };
}

static inline bool
fz_log_wants (const FzLog *log, FzLogLevel level)
{
  return log->sink != NULL && log->sink->wants (log->sink->context, log->target, level);
}

void fz_log_write (const FzLog *log,
                   FzLogLevel level,
                   const char *event,
                   const char *message,
                   const FzKv *fields,
                   size_t n_fields);

/* An event without fields. */
static inline void
fz_log_plain (const FzLog *log, FzLogLevel level, const char *event, const char *message)
{
  if (fz_log_wants (log, level))
    fz_log_write (log, level, event, message, NULL, 0);
}

/* fz_log (log, level, event, message, FZ_KV_…, …): one field at least; they are evaluated only if
 * the record is wanted. */
#define fz_log(log, level, event, message, ...)                                                    \
  do {                                                                                             \
    const FzLog *fz_log_ = (log);                                                                  \
                                                                                                   \
    if (fz_log_wants (fz_log_, (level))) {                                                         \
      const FzKv fz_fields_[] = { __VA_ARGS__ };                                                   \
                                                                                                   \
      fz_log_write (fz_log_,                                                                       \
                    (level),                                                                       \
                    (event),                                                                       \
                    (message),                                                                     \
                    fz_fields_,                                                                    \
                    sizeof fz_fields_ / sizeof fz_fields_[0]);                                     \
    }                                                                                              \
  } while (0)

const char *fz_log_level_name (FzLogLevel level); /* "ERROR", "WARNING", … */

/**
 * fz_log_record_to_json:
 * @time_text: RFC 3339 time in UTC with milliseconds
 * @out: where the line goes, with its newline, always whole: a record that does
 *   not fit loses fields from its end and says so in "truncated":true
 * @capacity: bytes, at least 512
 *
 * Returns: length of the line in bytes, without a terminating zero
 */
size_t fz_log_record_to_json (const FzLogRecord *record,
                              const char *time_text,
                              char *out,
                              size_t capacity);
