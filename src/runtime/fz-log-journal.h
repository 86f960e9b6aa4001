/* fz-log-journal.h
 *
 * A log sink that speaks the journal's own protocol, so that journalctl filters
 * by what our JSON lines carry: MESSAGE and PRIORITY, FZ_TARGET, FZ_EVENT, and
 * each field as FZ_NAME. Any thread may log. The filter is that of the JSON
 * sink beside it: one switch for both.
 */
#pragma once

#include "src/runtime/fz-log-json.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

typedef struct FzLogJournal FzLogJournal;

/* Whether standard output of this process leads into the journal (systemd's JOURNAL_STREAM). */
bool fz_log_journal_is_there (void);

/* @filter: asked what is wanted; borrowed, outlives the journal. */
FzLogJournal *fz_log_journal_new (FzLogJson *filter);
void fz_log_journal_free (FzLogJournal *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzLogJournal, fz_log_journal_free)

FzLog fz_log_journal_get (FzLogJournal *self, const char *target);

#define FZ_LOG_JOURNAL_BYTES_MAX  8192u
#define FZ_LOG_JOURNAL_FIELDS_MAX 64u

/**
 * fz_log_journal_format:
 * @out: texts, of at least FZ_LOG_JOURNAL_BYTES_MAX bytes
 * @iov: FZ_LOG_JOURNAL_FIELDS_MAX of them, pointing into @out
 *
 * What sd_journal_sendv is given; fields that do not fit are left out.
 *
 * Returns: how many of @iov are filled
 */
size_t fz_log_journal_format (const FzLogRecord *record, char *out, struct iovec *iov);
