#include "src/portal/fz-token.h"

#include "src/crypto/fz-crypto.h"
#include "src/portal/fz-portal-error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct FzToken {
  size_t size; /* bytes of text, with the terminating zero */
  char *text;  /* locked */
};

FzToken *
fz_token_new (const char *text, GError **error)
{
  g_autoptr (FzToken) self = g_new0 (FzToken, 1);
  size_t length = strlen (text);
  size_t n = 0;

  if (length > FZ_TOKEN_BYTES_MAX) {
    g_set_error (error,
                 FZ_PORTAL_ERROR,
                 FZ_PORTAL_ERROR_BAD_TOKEN,
                 "the token is longer than %u bytes",
                 FZ_TOKEN_BYTES_MAX);
    return NULL;
  }

  self->size = length + 1;
  self->text = fz_secret_new (self->size);
  for (const char *p = text; *p != '\0'; p++) {
    if (g_ascii_isspace (*p) || *p == '\v')
      continue;
    if (!g_ascii_isgraph (*p)) {
      g_set_error_literal (error,
                           FZ_PORTAL_ERROR,
                           FZ_PORTAL_ERROR_BAD_TOKEN,
                           "the token has a character that no token has; copy it again");
      return NULL;
    }
    self->text[n++] = *p;
  }
  if (n == 0) {
    g_set_error_literal (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_BAD_TOKEN, "the token is empty");
    return NULL;
  }
  return g_steal_pointer (&self);
}

void
fz_token_free (FzToken *self)
{
  if (self == NULL)
    return;
  if (self->text != NULL)
    fz_secret_free (self->text, self->size);
  g_free (self);
}

FzToken *
fz_token_dup (const FzToken *self)
{
  return fz_token_new (self->text, NULL);
}

const char *
fz_token_get_text (const FzToken *self)
{
  return self->text;
}

FzToken *
fz_token_steal_from_environment (const char *variable, GError **error)
{
  char *value = getenv (variable);
  FzToken *self = NULL;

  if (value == NULL)
    return NULL;

  if (*value != '\0')
    self = fz_token_new (value, error);
  fz_wipe (value, strlen (value)); /* the very bytes that /proc/self/environ shows */
  unsetenv (variable);
  return self;
}

/* Reads all of @fd into locked memory on the way to a token. */
static FzToken *
read_token (int fd, const char *path, GError **error)
{
  char *buffer = fz_secret_new (FZ_TOKEN_BYTES_MAX + 2);
  FzToken *self = NULL;
  size_t n = 0;
  ssize_t got;

  do {
    got = read (fd, buffer + n, FZ_TOKEN_BYTES_MAX + 1 - n);
    if (got > 0)
      n += (size_t) got;
  } while ((got > 0 && n <= FZ_TOKEN_BYTES_MAX) || (got < 0 && errno == EINTR));

  if (got < 0)
    g_set_error (error,
                 G_FILE_ERROR,
                 (int) g_file_error_from_errno (errno),
                 "cannot read %s: %s",
                 path,
                 g_strerror (errno));
  else if ((self = fz_token_new (buffer, error)) == NULL)
    g_prefix_error (error, "%s: ", path);
  fz_secret_free (buffer, FZ_TOKEN_BYTES_MAX + 2);
  return self;
}

static bool
check_owner (int fd, const char *path, GError **error)
{
  const char *problem = NULL;
  struct stat info;

  if (fstat (fd, &info) < 0)
    problem = "cannot be examined";
  else if (!S_ISREG (info.st_mode))
    problem = "is not a regular file";
  else if (info.st_uid != 0)
    problem = "must be owned by user root: run chown root:root on it";
  else if (info.st_gid != 0)
    problem = "must be owned by group root: run chown root:root on it";
  else if ((info.st_mode & 0177) != 0)
    problem = "must have mode 0400 or 0600, so that nobody else can read it: run chmod 600 on it";

  if (problem != NULL)
    g_set_error (
        error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_BAD_TOKEN, "the token file %s %s", path, problem);
  return problem == NULL;
}

static int
open_for_reading (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

  if (fd < 0)
    g_set_error (error,
                 G_FILE_ERROR,
                 (int) g_file_error_from_errno (errno),
                 "cannot open %s: %s",
                 path,
                 g_strerror (errno));
  return fd;
}

FzToken *
fz_token_read_file (const char *path, GError **error)
{
  FzToken *self = NULL;
  int fd = open_for_reading (path, error);

  if (fd < 0)
    return NULL;
  if (check_owner (fd, path, error))
    self = read_token (fd, path, error);
  close (fd);
  return self;
}

FzToken *
fz_token_read_credential (const char *name, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autofree char *path = NULL;
  const char *directory = getenv ("CREDENTIALS_DIRECTORY");
  FzToken *self;
  int fd;

  if (directory == NULL || *directory == '\0')
    return NULL;

  path = g_build_filename (directory, name, NULL);
  fd = open_for_reading (path, &local);
  if (fd < 0) {
    if (!g_error_matches (local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
      g_propagate_error (error, g_steal_pointer (&local));
    return NULL;
  }
  self = read_token (fd, path, error);
  close (fd);
  return self;
}

static bool
write_all (int fd, const char *text)
{
  size_t left = strlen (text);

  while (left > 0) {
    ssize_t n = write (fd, text, left);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    text += n;
    left -= (size_t) n;
  }
  return true;
}

bool
fz_token_write_file (const FzToken *self, const char *path, GError **error)
{
  g_autofree char *directory = g_path_get_dirname (path);
  g_autofree char *temporary = g_strconcat (path, ".new", NULL);
  bool is_done;
  int fd, saved;

  if (g_mkdir_with_parents (directory, 0755) < 0) {
    saved = errno;
    g_set_error (error,
                 G_FILE_ERROR,
                 (int) g_file_error_from_errno (saved),
                 "cannot make the folder %s: %s",
                 directory,
                 g_strerror (saved));
    return false;
  }

  unlink (temporary);
  fd = open (temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  is_done = fd >= 0 && fchown (fd, 0, 0) == 0 && fchmod (fd, 0600) == 0 &&
            write_all (fd, self->text) && fsync (fd) == 0 && rename (temporary, path) == 0;
  saved = errno;
  if (fd >= 0)
    close (fd);
  if (!is_done) {
    unlink (temporary);
    g_set_error (error,
                 G_FILE_ERROR,
                 (int) g_file_error_from_errno (saved),
                 "cannot write the token to %s: %s",
                 path,
                 g_strerror (saved));
  }
  return is_done;
}
