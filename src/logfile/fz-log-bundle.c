/* fz-log-bundle.c: see the header
 *
 * The descriptor may be a stranger's pipe, so it is written in small pieces,
 * each after poll() says that there is room, and never for longer than
 * WRITE_WAIT_MS without progress. A reader that goes away is an error, not a
 * SIGPIPE.
 */

#include "src/logfile/fz-log-bundle.h"

#include "src/logfile/fz-log-line.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WRITE_BYTES      4096u /* what a pipe that is ready takes without blocking */
#define WRITE_WAIT_MS    30000 /* without progress */
#define READ_BYTES       (256u << 10)
#define LINE_BYTES_MAX   READ_BYTES /* a longer line is cut, and goes on as another */
#define MEMBER_MODE      0640
#define REDACTION_MEMBER "REDACTION.txt"

struct FzLogBundle {
  struct archive *archive;
  char *folder;
  FzLogRedact *redact;
  int fd;
  bool is_given_up; /* what libarchive still has to write is thrown away */
  unsigned n_members;
  int64_t time_s; /* of all members */
};

/* -- writing -- */

/* A write whose SIGPIPE, if it makes one, is taken back before anybody sees it. */
static ssize_t
write_quietly (int fd, const void *bytes, size_t length)
{
  const struct timespec at_once = { 0 };
  sigset_t pipe_signal, before, pending;
  bool was_pending;
  ssize_t n;
  int code;

  sigemptyset (&pipe_signal);
  sigaddset (&pipe_signal, SIGPIPE);
  sigpending (&pending);
  was_pending = sigismember (&pending, SIGPIPE) == 1;
  pthread_sigmask (SIG_BLOCK, &pipe_signal, &before);
  n = write (fd, bytes, length);
  code = errno;
  if (n < 0 && code == EPIPE && !was_pending)
    while (sigtimedwait (&pipe_signal, NULL, &at_once) < 0 && errno == EINTR)
      ;
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  errno = code;
  return n;
}

static la_ssize_t
on_write (struct archive *archive, void *context, const void *bytes, size_t length)
{
  FzLogBundle *self = context;
  struct pollfd ready = { .fd = self->fd, .events = POLLOUT };

  if (self->is_given_up)
    return (la_ssize_t) length;
  for (;;) {
    int n_ready = poll (&ready, 1, WRITE_WAIT_MS);
    ssize_t n;

    if (n_ready == 0) {
      archive_set_error (archive, ETIMEDOUT, "nobody reads the archive");
      return -1;
    }
    n = n_ready > 0 ? write_quietly (self->fd, bytes, MIN (length, WRITE_BYTES)) : -1;
    if (n >= 0)
      return n;
    if (errno != EINTR && errno != EAGAIN) {
      archive_set_error (archive, errno, "%s", g_strerror (errno));
      return -1;
    }
  }
}

static bool
take_archive_error (FzLogBundle *self, GError **error)
{
  int code = archive_errno (self->archive);
  const char *why = archive_error_string (self->archive);

  g_set_error (error,
               G_IO_ERROR,
               code > 0 ? g_io_error_from_errno (code) : G_IO_ERROR_FAILED,
               "writing the archive: %s",
               why != NULL ? why : "unknown error");
  return false;
}

static bool
check_name (const char *name, GError **error)
{
  size_t n = strspn (name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

  if (n > 0 && n <= 100 && name[n] == '\0' && name[0] != '.')
    return true;
  g_set_error (
      error, G_IO_ERROR, G_IO_ERROR_INVALID_FILENAME, "“%s” cannot be a name in the archive", name);
  return false;
}

FzLogBundle *
fz_log_bundle_new (int fd, const char *folder, FzLogRedact *redact, GError **error)
{
  g_autoptr (FzLogBundle) self = g_new0 (FzLogBundle, 1);

  self->fd = fd;
  self->redact = redact;
  self->folder = g_strdup (folder);
  self->time_s = g_get_real_time () / G_USEC_PER_SEC;
  self->archive = archive_write_new ();
  g_assert (self->archive != NULL);
  if (!check_name (folder, error))
    return NULL;
  archive_write_set_bytes_in_last_block (self->archive, 1);
  if (archive_write_add_filter_gzip (self->archive) != ARCHIVE_OK ||
      archive_write_set_format_ustar (self->archive) != ARCHIVE_OK ||
      archive_write_open (self->archive, self, NULL, on_write, NULL) != ARCHIVE_OK) {
    take_archive_error (self, error);
    return NULL;
  }
  return g_steal_pointer (&self);
}

void
fz_log_bundle_free (FzLogBundle *self)
{
  if (self == NULL)
    return;
  if (self->archive != NULL) {
    self->is_given_up = true; /* no end is written: it is torn, and looks so */
    archive_write_free (self->archive);
  }
  fz_log_redact_free (self->redact);
  g_free (self->folder);
  g_free (self);
}

static bool
begin_member (FzLogBundle *self, const char *name, uint64_t size, GError **error)
{
  g_autofree char *path = g_strconcat (self->folder, "/", name, NULL);
  struct archive_entry *entry;
  bool ok;

  if (!check_name (name, error))
    return false;
  if (self->n_members == FZ_LOG_BUNDLE_MEMBERS_MAX) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "too many files for one archive");
    return false;
  }
  entry = archive_entry_new ();
  archive_entry_set_pathname (entry, path);
  archive_entry_set_size (entry, (la_int64_t) size);
  archive_entry_set_filetype (entry, AE_IFREG);
  archive_entry_set_perm (entry, MEMBER_MODE);
  archive_entry_set_mtime (entry, self->time_s, 0);
  ok = archive_write_header (self->archive, entry) == ARCHIVE_OK;
  archive_entry_free (entry);
  if (!ok)
    return take_archive_error (self, error);
  self->n_members++;
  return true;
}

static bool
put (FzLogBundle *self, const char *bytes, size_t length, GError **error)
{
  while (length > 0) {
    la_ssize_t n = archive_write_data (self->archive, bytes, length);

    if (n <= 0)
      return take_archive_error (self, error);
    bytes += n;
    length -= (size_t) n;
  }
  return true;
}

static bool
add_ready_text (FzLogBundle *self, const char *name, const char *text, GError **error)
{
  size_t length = strlen (text);

  return begin_member (self, name, length, error) && put (self, text, length, error);
}

bool
fz_log_bundle_add_text (FzLogBundle *self, const char *name, const char *text, GError **error)
{
  g_autofree char *redacted = NULL;
  g_autofree char *cut = NULL;

  if (strlen (text) > FZ_LOG_BUNDLE_TEXT_BYTES_MAX) {
    g_autofree char *head = g_strndup (text, FZ_LOG_BUNDLE_TEXT_BYTES_MAX);

    text = cut = g_strconcat (head, "\n(cut here)\n", NULL);
  }
  redacted = fz_log_redact_text (self->redact, text);
  return add_ready_text (self, name, redacted, error);
}

/* -- a log, twice -- */

/* One pass over a part of a file, line by line. */
typedef struct {
  FzLogBundle *bundle;
  int fd;
  uint64_t at; /* offset of what comes next */
  uint64_t end;
  bool writes; /* the second pass */
  uint64_t n_out;
  uint64_t n_out_max; /* of the second pass: what the first one counted */
  GCancellable *cancellable;
  GString *redacted;
} Pass;

static bool
pass_line (Pass *pass, FzSpan line, bool has_newline, GError **error)
{
  size_t length;

  g_string_truncate (pass->redacted, 0);
  fz_log_redact_line (pass->bundle->redact, line, pass->redacted);
  if (has_newline)
    g_string_append_c (pass->redacted, '\n');
  length = pass->redacted->len;
  if (pass->writes) {
    length = (size_t) MIN (length, pass->n_out_max - pass->n_out);
    if (!put (pass->bundle, pass->redacted->str, length, error))
      return false;
  }
  pass->n_out += length;
  return true;
}

/* Reads a buffer full and passes its whole lines on. */
static bool
pass_piece (Pass *pass, uint8_t *buffer, bool *at_end, GError **error)
{
  size_t want = (size_t) MIN (READ_BYTES, pass->end - pass->at), used = 0, have;
  ssize_t n;

  do
    n = pread (pass->fd, buffer, want, (off_t) pass->at);
  while (n < 0 && errno == EINTR);
  if (n < 0) {
    int code = errno;

    g_set_error (error,
                 G_FILE_ERROR,
                 (int) g_file_error_from_errno (code),
                 "reading the log: %s",
                 g_strerror (code));
    return false;
  }
  have = (size_t) n;
  *at_end = have < want || pass->at + have == pass->end;
  while (used < have) {
    const uint8_t *newline = memchr (buffer + used, '\n', have - used);
    size_t length = newline != NULL ? (size_t) (newline - buffer) - used : have - used;

    if (newline == NULL && !*at_end && used > 0)
      break; /* the next piece begins with this line */
    if (!pass_line (pass, fz_span (buffer + used, length), newline != NULL, error))
      return false;
    used += length + (newline != NULL);
  }
  pass->at += used;
  return true;
}

static bool
run_pass (Pass *pass, GError **error)
{
  g_autofree uint8_t *buffer = g_malloc (READ_BYTES);
  bool at_end = pass->at == pass->end;

  pass->redacted = g_string_new (NULL);
  while (!at_end)
    if (g_cancellable_set_error_if_cancelled (pass->cancellable, error) ||
        !pass_piece (pass, buffer, &at_end, error)) {
      g_string_free (pass->redacted, TRUE);
      return false;
    }
  g_string_free (pass->redacted, TRUE);
  return true;
}

/* The file was cut short since it was counted. */
static bool
fill_up (Pass *pass, GError **error)
{
  char newlines[1024];

  memset (newlines, '\n', sizeof newlines);
  while (pass->n_out < pass->n_out_max) {
    size_t n = (size_t) MIN (sizeof newlines, pass->n_out_max - pass->n_out);

    if (!put (pass->bundle, newlines, n, error))
      return false;
    pass->n_out += n;
  }
  return true;
}

/* Of a file too long its end, from the start of a line. */
static uint64_t
find_start (int fd, uint64_t size)
{
  uint64_t at = size - FZ_LOG_BUNDLE_LOG_BYTES_MAX;
  g_autofree uint8_t *buffer = g_malloc (READ_BYTES);
  ssize_t n = pread (fd, buffer, READ_BYTES, (off_t) at);
  const uint8_t *newline = n > 0 ? memchr (buffer, '\n', (size_t) n) : NULL;

  return newline != NULL ? at + (uint64_t) (newline - buffer) + 1 : at;
}

bool
fz_log_bundle_add_log (
    FzLogBundle *self, const char *name, int log_fd, GCancellable *cancellable, GError **error)
{
  struct stat info;
  uint64_t start = 0;
  Pass counting, writing;

  if (fstat (log_fd, &info) != 0 || !S_ISREG (info.st_mode)) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE, "%s is not a file", name);
    return false;
  }
  if ((uint64_t) info.st_size > FZ_LOG_BUNDLE_LOG_BYTES_MAX)
    start = find_start (log_fd, (uint64_t) info.st_size);
  counting = (Pass){ .bundle = self,
                     .fd = log_fd,
                     .at = start,
                     .end = (uint64_t) info.st_size,
                     .cancellable = cancellable };
  writing = counting;
  if (!run_pass (&counting, error))
    return false;
  writing.writes = true;
  writing.n_out_max = counting.n_out;
  return begin_member (self, name, counting.n_out, error) && run_pass (&writing, error) &&
         fill_up (&writing, error);
}

bool
fz_log_bundle_close (FzLogBundle *self, GError **error)
{
  g_autofree char *redaction = fz_log_redact_describe (self->redact);

  g_assert (self->archive != NULL);
  if (!add_ready_text (self, REDACTION_MEMBER, redaction, error))
    return false;
  if (archive_write_close (self->archive) != ARCHIVE_OK)
    return take_archive_error (self, error);
  archive_write_free (self->archive);
  self->archive = NULL;
  return true;
}
