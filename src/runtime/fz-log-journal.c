/* fz-log-journal.c: see the header */

#define SD_JOURNAL_SUPPRESS_LOCATION /* our records name their place themselves */

#include "src/runtime/fz-log-journal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

struct FzLogJournal {
  FzLogSink sink;
  FzLog filter;
};

bool
fz_log_journal_is_there (void)
{
  const char *stream = getenv ("JOURNAL_STREAM");
  uintmax_t device = 0, inode = 0;
  struct stat info;

  return stream != NULL && sscanf (stream, "%ju:%ju", &device, &inode) == 2 &&
         fstat (STDOUT_FILENO, &info) == 0 && (uintmax_t) info.st_dev == device &&
         (uintmax_t) info.st_ino == inode;
}

/* -- one record -- */

typedef struct {
  char *out;
  size_t length;
  struct iovec *iov;
  size_t n;
} Fields;

static int
priority_of (FzLogLevel level)
{
  switch (level) {
  case FZ_LOG_ERROR:
    return LOG_ERR;
  case FZ_LOG_WARNING:
    return LOG_WARNING;
  case FZ_LOG_INFO:
    return LOG_INFO;
  case FZ_LOG_DEBUG:
  case FZ_LOG_TRACE:
    return LOG_DEBUG;
  }
  return LOG_DEBUG;
}

static void
add (Fields *fields, const char *prefix, const char *name, const char *value)
{
  size_t left = FZ_LOG_JOURNAL_BYTES_MAX - fields->length;
  char *start = fields->out + fields->length;
  int n;

  if (fields->n == FZ_LOG_JOURNAL_FIELDS_MAX)
    return;
  n = snprintf (start, left, "%s%s=%s", prefix, name, value);
  if (n < 0 || (size_t) n >= left)
    return;

  /* The journal knows upper case, digits and the underscore only. */
  for (char *c = start; *c != '='; c++)
    *c = g_ascii_isalnum (*c) ? g_ascii_toupper (*c) : '_';
  fields->iov[fields->n++] = (struct iovec){ start, (size_t) n };
  fields->length += (size_t) n;
}

size_t
fz_log_journal_format (const FzLogRecord *record, char *out, struct iovec *iov)
{
  Fields fields = { .out = out, .iov = iov };
  char priority[4], scratch[FZ_KV_VALUE_TEXT_MAX];

  snprintf (priority, sizeof priority, "%d", priority_of (record->level));
  add (&fields, "", "PRIORITY", priority);
  add (&fields, "", "FZ_TARGET", record->target != NULL ? record->target : "-");
  add (&fields, "", "FZ_EVENT", record->event);
  add (&fields, "", "MESSAGE", record->message);
  for (size_t i = 0; i < record->n_fields; i++)
    add (&fields, "FZ_", record->fields[i].key, fz_kv_format (&record->fields[i], scratch));
  return fields.n;
}

/* -- the sink -- */

static bool
sink_wants (void *context, const char *target, FzLogLevel level)
{
  FzLogJournal *self = context;

  return self->filter.sink->wants (self->filter.sink->context, target, level);
}

static void
sink_write (void *context, const FzLogRecord *record)
{
  struct iovec iov[FZ_LOG_JOURNAL_FIELDS_MAX];
  char text[FZ_LOG_JOURNAL_BYTES_MAX];
  size_t n = fz_log_journal_format (record, text, iov);

  (void) context;
  sd_journal_sendv (iov, (int) n); /* no journal: the file has it */
}

FzLogJournal *
fz_log_journal_new (FzLogJson *filter)
{
  FzLogJournal *self = g_new0 (FzLogJournal, 1);

  self->sink = (FzLogSink){ .wants = sink_wants, .write = sink_write, .context = self };
  self->filter = fz_log_json_get (filter, "");
  return self;
}

void
fz_log_journal_free (FzLogJournal *self)
{
  g_free (self);
}

FzLog
fz_log_journal_get (FzLogJournal *self, const char *target)
{
  return (FzLog){ &self->sink, target };
}
