/* fz-log-index.c: see the header
 *
 * Lines live in blocks of 65,536 that hang in a fixed table, so that nothing a
 * reader may look at ever moves. The writer fills the next places and then
 * publishes the number of lines with a release; readers take it with an acquire
 * and look below it only. The exception is a torn last line, whose marks are
 * written again when the rest of it arrives: hence they are relaxed atomics.
 */

#include "src/logfile/fz-log-index.h"

#include "src/base/fz-hash.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_LINES      65536u
#define BLOCKS_MAX       (FZ_LOG_INDEX_LINES_MAX / BLOCK_LINES)
#define PIECE_BYTES      (1u << 20) /* of one read */
#define TARGET_SLOTS     (FZ_LOG_TARGETS_MAX * 2)
#define TARGET_BYTES_MAX 256u
#define FD_LINK_MAX      64u

G_STATIC_ASSERT (PIECE_BYTES > FZ_LOG_LINE_BYTES_MAX);
G_STATIC_ASSERT (FZ_LOG_TARGETS_MAX < FZ_LOG_TARGET_OTHER);

typedef struct {
  _Atomic uint64_t offset[BLOCK_LINES];
  _Atomic int64_t time_us[BLOCK_LINES];
  _Atomic uint16_t target_id[BLOCK_LINES];
  _Atomic uint8_t level[BLOCK_LINES];
} Block;

struct FzLogIndex {
  _Atomic unsigned n_refs; /* any thread */
  int fd;
  char *path;    /* NULL: a passed descriptor */
  char *fd_name; /* what /proc says the descriptor is called; NULL if it does not */
  dev_t device;
  ino_t inode;

  /* writer: writes, readers: read; release/acquire */
  _Atomic uint32_t n_lines;
  _Atomic uint64_t n_bytes;
  _Atomic bool ends_torn;
  _Atomic uint16_t n_targets;
  _Atomic (char *) targets[FZ_LOG_TARGETS_MAX + 1];
  _Atomic (Block *) blocks[BLOCKS_MAX];

  pthread_mutex_t growing;             /* who holds it is the writer; guards what follows */
  uint32_t n_complete;                 /* lines that have their newline */
  uint64_t line_start;                 /* offset of the first line that has not */
  int64_t last_time_us;                /* of the complete lines */
  uint8_t *piece;                      /* PIECE_BYTES, while growing */
  uint16_t target_slots[TARGET_SLOTS]; /* open hashing: ids, 0 for free */
};

/* -- targets -- */

static uint32_t
first_slot (FzSpan name)
{
  uint32_t hash = fz_hash_bytes (FZ_HASH_START, name.data, name.length);

  return (hash ^ hash >> 15) % TARGET_SLOTS;
}

/* Bytes that could not be shown or compared as text get no number. */
static uint16_t
intern_target (FzLogIndex *self, FzSpan name)
{
  uint16_t n = atomic_load_explicit (&self->n_targets, memory_order_relaxed), id;
  uint32_t slot = first_slot (name);

  if (name.length == 0)
    return FZ_LOG_TARGET_NONE;
  while ((id = self->target_slots[slot]) != 0) {
    const char *known = atomic_load_explicit (&self->targets[id], memory_order_relaxed);

    /* the name may hold any byte, a zero as well */
    if (strlen (known) == name.length && memcmp (known, name.data, name.length) == 0)
      return id;
    slot = (slot + 1) % TARGET_SLOTS;
  }
  if (n == FZ_LOG_TARGETS_MAX || name.length > TARGET_BYTES_MAX ||
      !g_utf8_validate_len ((const char *) name.data, name.length, NULL))
    return FZ_LOG_TARGET_OTHER;
  id = (uint16_t) (n + 1);
  atomic_store_explicit (
      &self->targets[id], g_strndup ((const char *) name.data, name.length), memory_order_relaxed);
  atomic_store_explicit (&self->n_targets, id, memory_order_release);
  self->target_slots[slot] = id;
  return id;
}

/* -- lines -- */

static Block *
block_of (const FzLogIndex *self, uint32_t line)
{
  return atomic_load_explicit (&self->blocks[line / BLOCK_LINES], memory_order_relaxed);
}

/* Writes the marks of line number @line, which is the next one or the torn one. */
static void
put_line (FzLogIndex *self, uint32_t line, uint64_t offset, FzSpan bytes, int64_t *out_time_us)
{
  Block *block = block_of (self, line);
  uint32_t i = line % BLOCK_LINES;
  FzLogLine scanned;

  if (block == NULL) {
    block = g_new (Block, 1);
    atomic_store_explicit (&self->blocks[line / BLOCK_LINES], block, memory_order_relaxed);
  }
  bytes.length = MIN (bytes.length, FZ_LOG_LINE_BYTES_MAX);
  fz_log_line_scan_head (bytes, &scanned);
  *out_time_us = scanned.time_us != FZ_LOG_TIME_UNKNOWN ? scanned.time_us : self->last_time_us;
  atomic_store_explicit (&block->offset[i], offset, memory_order_relaxed);
  atomic_store_explicit (&block->time_us[i], *out_time_us, memory_order_relaxed);
  atomic_store_explicit (&block->level[i], scanned.level, memory_order_relaxed);
  atomic_store_explicit (
      &block->target_id[i], intern_target (self, scanned.target), memory_order_relaxed);
}

static FzSpan
without_return (const uint8_t *line, size_t length)
{
  return fz_span (line, length > 0 && line[length - 1] == '\r' ? length - 1 : length);
}

/* The lines of a piece that begins with a line. Returns how many bytes they are. */
static size_t
take_lines (FzLogIndex *self, FzSpan piece)
{
  const uint8_t *at = piece.data, *end = at + piece.length, *newline;

  while (self->n_complete < FZ_LOG_INDEX_LINES_MAX && at < end &&
         (newline = memchr (at, '\n', (size_t) (end - at))) != NULL) {
    put_line (self,
              self->n_complete,
              self->line_start,
              without_return (at, (size_t) (newline - at)),
              &self->last_time_us);
    self->n_complete++;
    self->line_start += (uint64_t) (newline + 1 - at);
    at = newline + 1;
  }
  return (size_t) (at - piece.data);
}

static void
publish (FzLogIndex *self, uint64_t n_bytes, uint32_t n_lines)
{
  uint32_t before = atomic_load_explicit (&self->n_lines, memory_order_relaxed);

  atomic_store_explicit (&self->ends_torn, n_lines > self->n_complete, memory_order_relaxed);
  atomic_store_explicit (&self->n_bytes, n_bytes, memory_order_release);
  atomic_store_explicit (&self->n_lines, MAX (before, n_lines), memory_order_release);
}

/* Bytes read at @offset; short at the end of the file only. -1 with @error. */
static gssize
read_at (int fd, void *out, size_t length, uint64_t offset, GError **error)
{
  size_t done = 0;

  while (done < length) {
    ssize_t n = pread (fd, (uint8_t *) out + done, length - done, (off_t) (offset + done));

    if (n == 0)
      break;
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      g_set_error (error,
                   G_IO_ERROR,
                   g_io_error_from_errno (errno),
                   "reading the log: %s",
                   g_strerror (errno));
      return -1;
    }
    done += (size_t) n;
  }
  return (gssize) done;
}

/* A line longer than a piece: looks for its end without keeping it, then takes its head. */
static bool
take_long_line (FzLogIndex *self, uint64_t *scanned, bool *at_end, GError **error)
{
  gssize n = read_at (self->fd, self->piece, PIECE_BYTES, *scanned, error);
  const uint8_t *newline = n > 0 ? memchr (self->piece, '\n', (size_t) n) : NULL;
  uint64_t next;

  if (n < 0)
    return false;
  *at_end = n < (gssize) PIECE_BYTES;
  if (newline == NULL) {
    *scanned += (uint64_t) n;
    return true;
  }
  next = *scanned + (uint64_t) (newline - self->piece) + 1;
  n = read_at (self->fd, self->piece, FZ_LOG_LINE_BYTES_MAX, self->line_start, error);
  if (n < 0)
    return false;
  put_line (self,
            self->n_complete,
            self->line_start,
            fz_span (self->piece, (size_t) n),
            &self->last_time_us);
  self->n_complete++;
  self->line_start = *scanned = next;
  *at_end = false;
  return true;
}

/* One read and its lines. @scanned: up to where no newline follows line_start any more. */
static bool
take_piece (FzLogIndex *self, uint64_t *scanned, bool *at_end, GError **error)
{
  gssize n;

  if (*scanned - self->line_start > FZ_LOG_LINE_BYTES_MAX)
    return take_long_line (self, scanned, at_end, error);
  n = read_at (self->fd, self->piece, PIECE_BYTES, self->line_start, error);
  if (n < 0)
    return false;
  *scanned = self->line_start + (uint64_t) n;
  *at_end = n < (gssize) PIECE_BYTES;
  take_lines (self, fz_span (self->piece, (size_t) n));
  return true;
}

/* What stands behind the last newline is a line too, for now. */
static bool
take_tail (FzLogIndex *self, uint64_t scanned, GError **error)
{
  int64_t time_us;
  gssize n;

  if (scanned <= self->line_start || self->n_complete == FZ_LOG_INDEX_LINES_MAX)
    return true;
  n = read_at (self->fd,
               self->piece,
               MIN (scanned - self->line_start, FZ_LOG_LINE_BYTES_MAX),
               self->line_start,
               error);
  if (n < 0)
    return false;
  put_line (
      self, self->n_complete, self->line_start, without_return (self->piece, (size_t) n), &time_us);
  publish (self, scanned, self->n_complete + 1);
  return true;
}

static bool
grow (
    FzLogIndex *self, uint64_t max_bytes, GCancellable *cancellable, bool *out_more, GError **error)
{
  const uint64_t start = MAX (fz_log_index_get_n_bytes (self), self->line_start);
  uint64_t scanned = start;
  bool at_end = false;

  while (!at_end && self->n_complete < FZ_LOG_INDEX_LINES_MAX &&
         (max_bytes == 0 || scanned - start < max_bytes)) {
    if (g_cancellable_set_error_if_cancelled (cancellable, error) ||
        !take_piece (self, &scanned, &at_end, error))
      return false;
    publish (self, scanned, self->n_complete);
  }
  *out_more = !at_end && self->n_complete < FZ_LOG_INDEX_LINES_MAX;
  return !at_end || take_tail (self, scanned, error);
}

bool
fz_log_index_grow (
    FzLogIndex *self, uint64_t max_bytes, GCancellable *cancellable, bool *out_more, GError **error)
{
  bool more = true, ok;

  pthread_mutex_lock (&self->growing);
  self->piece = g_malloc (PIECE_BYTES);
  ok = grow (self, max_bytes, cancellable, &more, error);
  g_clear_pointer (&self->piece, g_free);
  pthread_mutex_unlock (&self->growing);
  if (out_more != NULL)
    *out_more = more;
  return ok;
}

static void
grow_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;

  if (fz_log_index_grow (data, 0, cancellable, NULL, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

void
fz_log_index_grow_async (FzLogIndex *self,
                         GCancellable *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);

  g_task_set_task_data (task, fz_log_index_ref (self), (GDestroyNotify) fz_log_index_unref);
  g_task_run_in_thread (task, grow_in_thread);
}

bool
fz_log_index_grow_finish (FzLogIndex *self, GAsyncResult *result, GError **error)
{
  g_assert (g_task_get_task_data (G_TASK (result)) == self);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* -- opening and closing -- */

static char *
read_fd_name (int fd)
{
  char link[FD_LINK_MAX];

  snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  return g_file_read_link (link, NULL);
}

static FzLogIndex *
new_index (int fd, const char *path, GError **error)
{
  FzLogIndex *self = g_new0 (FzLogIndex, 1);
  struct stat info;
  int code;

  atomic_store_explicit (&self->n_refs, 1, memory_order_relaxed);
  pthread_mutex_init (&self->growing, NULL);
  self->fd = fd;
  self->path = g_strdup (path);
  self->fd_name = read_fd_name (fd);
  self->last_time_us = FZ_LOG_TIME_UNKNOWN;
  if (fstat (fd, &info) == 0 && S_ISREG (info.st_mode)) {
    self->device = info.st_dev;
    self->inode = info.st_ino;
    return self;
  }
  code = S_ISDIR (info.st_mode) ? G_IO_ERROR_IS_DIRECTORY : G_IO_ERROR_NOT_REGULAR_FILE;
  g_set_error (error, G_IO_ERROR, code, "%s is not a file", path != NULL ? path : "the log");
  fz_log_index_unref (self);
  return NULL;
}

FzLogIndex *
fz_log_index_open (const char *path, GError **error)
{
  /* a FIFO must not hold us up before we have seen that it is one */
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

  if (fd >= 0)
    return new_index (fd, path, error);
  g_set_error (error,
               G_IO_ERROR,
               g_io_error_from_errno (errno),
               "log file %s: %s",
               path,
               g_strerror (errno));
  return NULL;
}

FzLogIndex *
fz_log_index_take_fd (int fd, GError **error)
{
  int flags = fcntl (fd, F_GETFL);

  if (flags >= 0 && (flags & O_ACCMODE) != O_WRONLY)
    return new_index (fd, NULL, error);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "the log cannot be read");
  if (flags >= 0)
    close (fd);
  return NULL;
}

FzLogIndex *
fz_log_index_ref (FzLogIndex *self)
{
  atomic_fetch_add_explicit (&self->n_refs, 1, memory_order_relaxed);
  return self;
}

void
fz_log_index_unref (FzLogIndex *self)
{
  if (self == NULL || atomic_fetch_sub_explicit (&self->n_refs, 1, memory_order_acq_rel) > 1)
    return;
  for (size_t i = 0; i < BLOCKS_MAX && self->blocks[i] != NULL; i++)
    g_free (self->blocks[i]);
  for (size_t i = 1; i <= self->n_targets; i++)
    g_free (self->targets[i]);
  pthread_mutex_destroy (&self->growing);
  close (self->fd);
  g_free (self->fd_name);
  g_free (self->path);
  g_free (self);
}

/* -- reading -- */

uint32_t
fz_log_index_get_n_lines (const FzLogIndex *self)
{
  return atomic_load_explicit (&self->n_lines, memory_order_acquire);
}

uint64_t
fz_log_index_get_n_bytes (const FzLogIndex *self)
{
  return atomic_load_explicit (&self->n_bytes, memory_order_acquire);
}

int
fz_log_index_get_fd (const FzLogIndex *self)
{
  return self->fd;
}

const char *
fz_log_index_get_path (const FzLogIndex *self)
{
  return self->path;
}

bool
fz_log_index_is_full (const FzLogIndex *self)
{
  return fz_log_index_get_n_lines (self) >= FZ_LOG_INDEX_LINES_MAX;
}

bool
fz_log_index_ends_torn (const FzLogIndex *self)
{
  return atomic_load_explicit (&self->ends_torn, memory_order_relaxed);
}

void
fz_log_index_get_mark (const FzLogIndex *self, uint32_t line, FzLogMark *out)
{
  const Block *block;
  uint32_t i = line % BLOCK_LINES;

  g_assert (line < fz_log_index_get_n_lines (self));
  block = block_of (self, line);
  *out = (FzLogMark){
    .offset = atomic_load_explicit (&block->offset[i], memory_order_relaxed),
    .time_us = atomic_load_explicit (&block->time_us[i], memory_order_relaxed),
    .target_id = atomic_load_explicit (&block->target_id[i], memory_order_relaxed),
    .level = atomic_load_explicit (&block->level[i], memory_order_relaxed),
  };
}

uint8_t
fz_log_index_get_level (const FzLogIndex *self, uint32_t line)
{
  return atomic_load_explicit (&block_of (self, line)->level[line % BLOCK_LINES],
                               memory_order_relaxed);
}

bool
fz_log_index_read_line (const FzLogIndex *self, uint32_t line, GString *buffer, bool *out_is_cut)
{
  FzLogMark mark, next = { .offset = 0 };
  const char *newline;
  size_t length;
  gssize n;

  fz_log_index_get_mark (self, line, &mark);
  if (line + 1 < fz_log_index_get_n_lines (self))
    fz_log_index_get_mark (self, line + 1, &next);
  else
    next.offset = fz_log_index_get_n_bytes (self);
  /* two more than shown: a newline tells whether there is more */
  length = (size_t) MIN (next.offset - mark.offset, FZ_LOG_LINE_BYTES_MAX + 2);
  g_string_set_size (buffer, length);
  n = read_at (self->fd, buffer->str, length, mark.offset, NULL);
  g_string_truncate (buffer, n > 0 ? (gsize) n : 0);
  newline = memchr (buffer->str, '\n', buffer->len);
  if (newline != NULL)
    g_string_truncate (buffer, (gsize) (newline - buffer->str));
  if (buffer->len > 0 && buffer->str[buffer->len - 1] == '\r')
    g_string_truncate (buffer, buffer->len - 1);
  if (out_is_cut != NULL)
    *out_is_cut = buffer->len > FZ_LOG_LINE_BYTES_MAX;
  if (buffer->len > FZ_LOG_LINE_BYTES_MAX)
    g_string_truncate (buffer, FZ_LOG_LINE_BYTES_MAX);
  return n > 0;
}

const char *
fz_log_index_get_target (const FzLogIndex *self, uint16_t target_id)
{
  if (target_id == FZ_LOG_TARGET_NONE || target_id > fz_log_index_get_n_targets (self))
    return "";
  return atomic_load_explicit (&self->targets[target_id], memory_order_relaxed);
}

uint16_t
fz_log_index_get_n_targets (const FzLogIndex *self)
{
  return atomic_load_explicit (&self->n_targets, memory_order_acquire);
}

/* -- change -- */

/* A passed descriptor has no path of ours, but the kernel knows what it is called by now. */
static bool
has_moved (const FzLogIndex *self, const struct stat *info)
{
  g_autofree char *name = NULL;
  struct stat at_path;

  if (info->st_nlink == 0)
    return true;
  if (self->path != NULL)
    return stat (self->path, &at_path) != 0 || at_path.st_ino != self->inode ||
           at_path.st_dev != self->device;
  name = read_fd_name (self->fd);
  return self->fd_name != NULL && name != NULL && !g_str_equal (name, self->fd_name);
}

FzLogFileState
fz_log_index_check (const FzLogIndex *self)
{
  uint64_t n_bytes = fz_log_index_get_n_bytes (self);
  struct stat info;

  if (fstat (self->fd, &info) != 0 || (uint64_t) info.st_size < n_bytes)
    return FZ_LOG_FILE_TRUNCATED;
  if ((uint64_t) info.st_size > n_bytes && !fz_log_index_is_full (self))
    return FZ_LOG_FILE_GREW;
  return has_moved (self, &info) ? FZ_LOG_FILE_ROTATED : FZ_LOG_FILE_SAME;
}
