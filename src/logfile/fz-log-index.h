/* fz-log-index.h
 *
 * A log file by its lines: where each begins, when it was written, at which
 * level and by whom. 19 bytes a line, in blocks that never move.
 *
 * The file is read by pread() into buffers of ours and never mapped, so that a
 * file cut short under us is a short read rather than SIGBUS. One descriptor
 * stays open for the index's life: a rotated file can still be read to its end.
 *
 * One thread at a time calls fz_log_index_grow(); any number of other threads
 * read meanwhile, without a lock. What was published never changes, but for the
 * last line while it is torn (fz_log_index_ends_torn).
 */
#pragma once

#include "src/logfile/fz-log-line.h"

#include <gio/gio.h>

#define FZ_LOG_INDEX_LINES_MAX (1u << 28) /* the rest of a longer file is not shown */
#define FZ_LOG_TARGETS_MAX     4096u      /* distinct targets that have a number of their own */
#define FZ_LOG_TARGET_NONE     0u
#define FZ_LOG_TARGET_OTHER    0xffffu /* one of too many: ask the line itself */

/* A line of any length counts as one; this much of it is read for display. */
#define FZ_LOG_LINE_BYTES_MAX (64u << 10)

typedef struct FzLogIndex FzLogIndex;

typedef struct {
  uint64_t offset;    /* bytes from the file's start */
  int64_t time_us;    /* the line's own, or that of the last line before it that has one;
                         FZ_LOG_TIME_UNKNOWN if none has */
  uint16_t target_id; /* fz_log_index_get_target() */
  uint8_t level;      /* FzLogLevel, or FZ_LOG_LEVEL_UNKNOWN */
} FzLogMark;

/* Opens @path. @error: G_IO_ERROR_NOT_FOUND, _PERMISSION_DENIED, _NOT_REGULAR_FILE, … */
FzLogIndex *fz_log_index_open (const char *path, GError **error);

/* Takes @fd, also on failure; it must allow reading and be a regular file. Its offset is not used.
 */
FzLogIndex *fz_log_index_take_fd (int fd, GError **error);

FzLogIndex *fz_log_index_ref (FzLogIndex *self); /* any thread */
void fz_log_index_unref (FzLogIndex *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzLogIndex, fz_log_index_unref)

/**
 * fz_log_index_grow:
 * @max_bytes: read at most about this much; 0 for all there is
 * @cancellable: (nullable): asked between the pieces of 1 MiB
 * @out_more: (nullable): whether the file has more than was read
 *
 * Reads on from where the last call ended. Call it again when the file has grown.
 *
 * Returns: false with @error for a failed read or a cancellation; what was read before stays
 */
bool fz_log_index_grow (FzLogIndex *self,
                        uint64_t max_bytes,
                        GCancellable *cancellable,
                        bool *out_more,
                        GError **error);

/* The whole file in a worker thread; ends like fz_log_index_grow() with 0. */
void fz_log_index_grow_async (FzLogIndex *self,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data);
bool fz_log_index_grow_finish (FzLogIndex *self, GAsyncResult *result, GError **error);

uint32_t fz_log_index_get_n_lines (const FzLogIndex *self);
uint64_t fz_log_index_get_n_bytes (const FzLogIndex *self); /* read so far */
int fz_log_index_get_fd (const FzLogIndex *self);           /* borrowed */
const char *fz_log_index_get_path (const FzLogIndex *self); /* NULL for a descriptor */
bool fz_log_index_is_full (const FzLogIndex *self);         /* FZ_LOG_INDEX_LINES_MAX reached */

/* Whether the last line has no newline yet: torn, or being written. It may still grow. */
bool fz_log_index_ends_torn (const FzLogIndex *self);

/* @line: less than n_lines. */
void fz_log_index_get_mark (const FzLogIndex *self, uint32_t line, FzLogMark *out);
uint8_t fz_log_index_get_level (const FzLogIndex *self, uint32_t line);

/**
 * fz_log_index_read_line:
 * @buffer: set to the line's bytes without its newline (and '\r' before it), at most
 *   FZ_LOG_LINE_BYTES_MAX of them
 * @out_is_cut: (nullable): whether the line is longer
 *
 * Any thread, each with a buffer of its own.
 *
 * Returns: false, with an empty @buffer, if the file no longer has the line
 */
bool
fz_log_index_read_line (const FzLogIndex *self, uint32_t line, GString *buffer, bool *out_is_cut);

/* Name of a target, JSON escapes in place; "" for NONE and OTHER. Lives as long as @self. */
const char *fz_log_index_get_target (const FzLogIndex *self, uint16_t target_id);
uint16_t fz_log_index_get_n_targets (const FzLogIndex *self); /* ids are 1 … n */

typedef enum {
  FZ_LOG_FILE_SAME,      /* nothing new */
  FZ_LOG_FILE_GREW,      /* fz_log_index_grow() has work */
  FZ_LOG_FILE_TRUNCATED, /* shorter than what was read: open it anew */
  FZ_LOG_FILE_ROTATED,   /* this file was renamed, replaced or deleted: read it to its end, then
                            open the new one */
} FzLogFileState;

/* Asks the kernel; cheap. A file that both grew and was rotated is told as GREW first. */
FzLogFileState fz_log_index_check (const FzLogIndex *self);
