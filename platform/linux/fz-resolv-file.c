#include "platform/linux/fz-resolv-file.h"

#include "platform/linux/fz-resolv-conf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX  (64u * 1024u) /* bytes; a resolv.conf has a few hundred */
#define NEW_NAME  "resolv.conf.firezone-c-new"
#define COPY_NAME "resolv.conf.before-firezone-c-new"

static char *
path_of (const char *etc, const char *name)
{
  return g_build_filename (etc, name, NULL);
}

static bool
fail (GError **error, const char *what, const char *path)
{
  int number = errno;
  bool is_refused = number == EACCES || number == EPERM || number == EROFS;

  g_set_error (error,
               FZ_DNS_ERROR,
               is_refused ? FZ_DNS_ERROR_PERMISSION : FZ_DNS_ERROR_FAILED,
               "cannot %s %s: %s",
               what,
               path,
               g_strerror (number));
  return false;
}

/* -- reading -- */

static char *
dup_text (const char *path)
{
  g_autofree char *text = g_malloc (TEXT_MAX + 1);
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat info;
  size_t length = 0;
  ssize_t n = 1;

  if (fd < 0)
    return NULL;
  if (fstat (fd, &info) < 0 || !S_ISREG (info.st_mode)) {
    close (fd);
    return NULL;
  }
  while (length < TEXT_MAX && (n = read (fd, text + length, TEXT_MAX - length)) > 0)
    length += (size_t) n;
  close (fd);
  if (n < 0)
    return NULL;
  text[length] = '\0';
  return g_steal_pointer (&text);
}

char *
fz_resolv_file_dup_current (const char *etc)
{
  g_autofree char *path = path_of (etc, "resolv.conf");

  return dup_text (path);
}

static bool
is_ours (const char *text)
{
  return text != NULL && fz_resolv_conf_get_author (text) == FZ_RESOLV_AUTHOR_OURS;
}

static const char *
original_name (const char *etc)
{
  g_autofree char *current = fz_resolv_file_dup_current (etc);

  return is_ours (current) ? FZ_RESOLV_CONF_BACKUP : "resolv.conf";
}

char *
fz_resolv_file_dup_original (const char *etc)
{
  g_autofree char *path = path_of (etc, original_name (etc));

  return dup_text (path);
}

char *
fz_resolv_file_dup_original_path (const char *etc)
{
  g_autofree char *path = path_of (etc, original_name (etc));
  char *target = realpath (path, NULL);
  char *copy = g_strdup (target != NULL ? target : path);

  free (target);
  return copy;
}

bool
fz_resolv_file_is_in_force (const char *etc,
                            const FzIp *servers,
                            size_t n_servers,
                            const char *search_domain)
{
  g_autofree char *current = fz_resolv_file_dup_current (etc);
  g_autofree char *original = NULL;
  g_autofree char *expected = NULL;

  if (!is_ours (current))
    return false;
  original = strstr (current, "\n" FZ_RESOLV_CONF_NOTHING "\n") != NULL
                 ? NULL
                 : fz_resolv_file_dup_original (etc);
  /* A link whose target is away for the moment is not nothing. */
  if (original == NULL && strstr (current, "\n" FZ_RESOLV_CONF_NOTHING "\n") == NULL)
    original = g_strdup ("");
  expected = fz_resolv_conf_compose (original, servers, n_servers, search_domain);
  return strcmp (current, expected) == 0;
}

/* -- writing -- */

static bool
write_all (int fd, const char *text)
{
  size_t left = strlen (text);

  for (ssize_t n = 0; left > 0; text += n, left -= (size_t) n)
    if ((n = write (fd, text, left)) <= 0)
      return false;
  return true;
}

/* A new file, complete on the disk before anybody sees it. It is ours, whoever owns the original.
 */
static bool
write_new (const char *path, const char *text, const struct stat *like, GError **error)
{
  int fd;
  bool is_done;

  unlink (path);
  fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return fail (error, "write", path);
  is_done = write_all (fd, text) && fchmod (fd, like->st_mode & 07777) == 0 && fsync (fd) == 0;
  if (is_done) {
    const struct timespec times[] = { like->st_atim, like->st_mtim };

    futimens (fd, times);
  }
  if (close (fd) == 0 && is_done)
    return true;
  fail (error, "write", path);
  unlink (path);
  return false;
}

/* In place, for a file that is a mount of its own. The text first, then the length: at no moment
 * it is empty. */
static bool
overwrite (const char *path, const char *text, const struct stat *like, GError **error)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  bool is_done;

  if (fd < 0)
    return fail (error, "write", path);
  is_done = write_all (fd, text) && ftruncate (fd, (off_t) strlen (text)) == 0 && fsync (fd) == 0;
  if (is_done && like != NULL) {
    const struct timespec times[] = { like->st_atim, like->st_mtim };

    futimens (fd, times);
  }
  close (fd);
  return is_done || fail (error, "write", path);
}

/* Renames @from over @path; where that is a mount point, its content is replaced instead. */
static bool
put (const char *from, const char *path, const char *text, const struct stat *like, GError **error)
{
  if (rename (from, path) == 0)
    return true;
  if (errno != EBUSY && errno != EXDEV)
    return fail (error, "replace", path);
  if (!overwrite (path, text, like, error))
    return false;
  unlink (from);
  return true;
}

/* -- taking over -- */

typedef struct {
  char *path;     /* resolv.conf */
  char *backup;   /* the original, while ours is there */
  char *copy;     /* what is about to be the backup */
  char *new_path; /* ours, while it is written */
} Names;

static void
names_clear (Names *names)
{
  g_free (names->path);
  g_free (names->backup);
  g_free (names->copy);
  g_free (names->new_path);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Names, names_clear)

static Names
names_of (const char *etc)
{
  return (Names){
    .path = path_of (etc, "resolv.conf"),
    .backup = path_of (etc, FZ_RESOLV_CONF_BACKUP),
    .copy = path_of (etc, COPY_NAME),
    .new_path = path_of (etc, NEW_NAME),
  };
}

static bool
name_is_ours (const char *path)
{
  g_autofree char *text = NULL;
  struct stat info;

  if (lstat (path, &info) < 0 || !S_ISREG (info.st_mode))
    return false;
  text = dup_text (path);
  return is_ours (text);
}

/* Somebody was killed between the two steps of exchange(): only then is there an original beside
 * ours that is not the backup yet. */
static bool
finish_exchange (const Names *names, GError **error)
{
  struct stat info;

  if (lstat (names->copy, &info) < 0 || !name_is_ours (names->path) || name_is_ours (names->copy))
    return true;
  return rename (names->copy, names->backup) == 0 || fail (error, "write", names->backup);
}

/* The backup is a second name of the original. */
static bool
keep_by_link (const Names *names)
{
  if (linkat (AT_FDCWD, names->path, AT_FDCWD, names->copy, 0) < 0 ||
      rename (names->copy, names->backup) < 0)
    return false;
  unlink (names->copy); /* still there if both were the same inode already */
  return true;
}

/* Ours and the original change places in one step, and the backup is the original itself. Whose
 * file it is does not matter: the kernel lets nobody without CAP_FOWNER make a second name for a
 * file that belongs to somebody else (fs.protected_hardlinks), and firezone-client-resolv has no
 * capability at all. */
static bool
exchange (const Names *names)
{
  if (rename (names->new_path, names->copy) < 0)
    return false;
  if (renameat2 (AT_FDCWD, names->copy, AT_FDCWD, names->path, RENAME_EXCHANGE) < 0) {
    rename (names->copy, names->new_path);
    return false;
  }
  rename (names->copy, names->backup); /* else finish_exchange() says why not */
  return true;
}

/* For a mount, which keeps its owner as we write into it; and for a file system without links. */
static bool
keep_by_copy (const Names *names, const struct stat *info, GError **error)
{
  g_autofree char *text = dup_text (names->path);

  if (S_ISLNK (info->st_mode) || text == NULL)
    return fail (error, "keep a copy of", names->path);
  return write_new (names->copy, text, info, error) &&
         (rename (names->copy, names->backup) == 0 || fail (error, "write", names->backup));
}

/* Ours is complete at @names->new_path; @text is what it says. */
static bool
replace_original (const Names *names, const struct stat *info, const char *text, GError **error)
{
  if (!keep_by_link (names)) {
    if (exchange (names))
      return true;
    if (!keep_by_copy (names, info, error)) {
      unlink (names->new_path);
      return false;
    }
  }
  return put (names->new_path, names->path, text, NULL, error);
}

/* What ours shall look like: the original's permissions, today's date. */
static struct stat
like_original (const struct stat *original)
{
  struct stat like = { .st_mode = 0644 };

  /* A link has no permissions worth keeping. */
  if (original != NULL && S_ISREG (original->st_mode))
    like.st_mode = original->st_mode;
  clock_gettime (CLOCK_REALTIME, &like.st_mtim);
  like.st_atim = like.st_mtim;
  return like;
}

bool
fz_resolv_file_install (const char *etc,
                        const FzIp *servers,
                        size_t n_servers,
                        const char *search_domain,
                        GError **error)
{
  g_auto (Names) names = names_of (etc);
  g_autofree char *current = NULL;
  g_autofree char *original = NULL;
  g_autofree char *text = NULL;
  const char *from;
  struct stat info, like;
  bool is_there, has_original;

  if (!finish_exchange (&names, error))
    return false;
  unlink (names.copy);
  current = dup_text (names.path);
  is_there = is_ours (current);
  from = is_there ? names.backup : names.path;
  has_original = lstat (from, &info) == 0;
  original = dup_text (from);
  if (has_original && original == NULL)
    original = g_strdup (""); /* a link to nowhere, yet */

  like = like_original (has_original ? &info : NULL);
  text = fz_resolv_conf_compose (original, servers, n_servers, search_domain);
  if (!write_new (names.new_path, text, &like, error))
    return false;
  if (has_original && !is_there)
    return replace_original (&names, &info, text, error);
  if (!has_original)
    unlink (names.backup);
  return put (names.new_path, names.path, text, NULL, error);
}

/* -- giving back -- */

static bool
restore_nothing (const char *path, const char *current, GError **error)
{
  if (strstr (current, "\n" FZ_RESOLV_CONF_NOTHING "\n") == NULL) {
    g_set_error (error,
                 FZ_DNS_ERROR,
                 FZ_DNS_ERROR_FAILED,
                 "%s is ours, but what stood there before is gone: write your nameservers into it",
                 path);
    return false;
  }
  return unlink (path) == 0 || fail (error, "remove", path);
}

bool
fz_resolv_file_restore (const char *etc, GError **error)
{
  g_auto (Names) names = names_of (etc);
  g_autofree char *current = NULL;
  g_autofree char *text = NULL;
  struct stat info;
  bool has_backup;

  if (!finish_exchange (&names, error))
    return false;
  unlink (names.new_path);
  unlink (names.copy);
  current = dup_text (names.path);
  text = dup_text (names.backup);
  has_backup = lstat (names.backup, &info) == 0;
  if (is_ours (current) && !has_backup)
    return restore_nothing (names.path, current, error);
  if (is_ours (current))
    return put (names.backup, names.path, text != NULL ? text : "", &info, error);
  if (has_backup && unlink (names.backup) < 0)
    return fail (error, "remove", names.backup);
  return true;
}
