/* fz-log-entry.h
 *
 * One line read, scanned and made fit for people: texts are valid UTF-8 without
 * escapes, fields in the order of the file. For what is on the screen, not for
 * the million.
 */
#pragma once

#include "src/logfile/fz-log-index.h"

typedef struct {
  char *key;
  char *value; /* nested values as compact JSON text */
  FzLogValueType type;
} FzLogEntryField;

typedef struct {
  uint32_t line; /* number in the file, from 0 */
  FzLogLineKind kind;
  uint8_t level;   /* FzLogLevel, or FZ_LOG_LEVEL_UNKNOWN */
  int64_t time_us; /* the line's own, or FZ_LOG_TIME_UNKNOWN */
  char *target;    /* "" if there is none */
  char *message;   /* of a JSON line without message its event, else the line itself */
  char *raw;       /* the line; bytes that are no UTF-8 replaced */
  bool is_cut;     /* longer than FZ_LOG_LINE_BYTES_MAX */
  bool is_gone;    /* the file no longer has it; all texts empty */
  GPtrArray *
      fields; /* FzLogEntryField, all of the line; of a text line time, severity, target, message */
} FzLogEntry;

FzLogEntry *fz_log_entry_read (const FzLogIndex *index, uint32_t line);
FzLogEntry *fz_log_entry_parse (FzSpan bytes, uint32_t line);
void fz_log_entry_free (FzLogEntry *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzLogEntry, fz_log_entry_free)

/* What a line says beside its words: "path=direct remote=192.0.2.2:52625". Without time, level,
 * target, message and event, which are told otherwise, and without empty values; "" of lines that
 * are no JSON. */
char *fz_log_entry_dup_details (const FzLogEntry *self);

/* "2026-03-01 09:12:44.031 ERROR wireguard: message key=value", local time; the raw line for RAW.
 */
char *fz_log_entry_to_text (const FzLogEntry *self);

/* The object as it is in the file; of other lines {"time":…,"severity":…,"target":…,"message":…}
 * as far as they are known. */
char *fz_log_entry_to_json (const FzLogEntry *self);

/* "ERROR", …; "" for unknown */
const char *fz_log_entry_get_level_name (const FzLogEntry *self);

/* Local time with milliseconds: "2026-03-01 09:12:44.031"; "" for unknown. */
char *fz_log_time_format (int64_t time_us);
