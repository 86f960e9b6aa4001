/* fz-credential.c: see the header
 *
 * The memfd holds a key file, a zero byte, and the token. Everything on the way
 * goes through locked memory; GKeyFile, which copies as it likes, never sees
 * the token.
 */
#include "src/helper/fz-credential.h"

#include "src/crypto/fz-crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP  "tunnel"
#define FORMAT 1
#define SEALS  (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

FzCredential *
fz_credential_new (FzToken *token,
                   uint32_t owner,
                   const char *api_url,
                   const char *account,
                   const char *actor,
                   uint64_t expires_us)
{
  FzCredential *self = g_new0 (FzCredential, 1);

  self->token = token;
  self->owner = owner;
  self->api_url = g_strdup (api_url);
  self->account = g_strdup (account != NULL ? account : "");
  self->actor = g_strdup (actor != NULL ? actor : "");
  self->expires_us = expires_us;
  return self;
}

void
fz_credential_free (FzCredential *self)
{
  if (self == NULL)
    return;
  fz_token_free (self->token);
  g_free (self->api_url);
  g_free (self->account);
  g_free (self->actor);
  g_free (self);
}

bool
fz_credential_is_same (const FzCredential *a, const FzCredential *b)
{
  const char *left = fz_token_get_text (a->token), *right = fz_token_get_text (b->token);
  size_t length = strlen (left);

  return length == strlen (right) && fz_equal_constant_time (left, right, length) &&
         a->owner == b->owner && g_strcmp0 (a->api_url, b->api_url) == 0;
}

/* -- writing -- */

static char *
write_head (const FzCredential *self, const FzWish *wish, uint64_t number, size_t *out_length)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();

  g_key_file_set_integer (file, GROUP, "format", FORMAT);
  g_key_file_set_uint64 (file, GROUP, "number", number);
  g_key_file_set_uint64 (file, GROUP, "owner", self->owner);
  if (self->api_url != NULL)
    g_key_file_set_string (file, GROUP, "api-url", self->api_url);
  g_key_file_set_string (file, GROUP, "account", self->account);
  g_key_file_set_string (file, GROUP, "actor", self->actor);
  g_key_file_set_uint64 (file, GROUP, "expires", self->expires_us);
  g_key_file_set_boolean (file, GROUP, "wants-connected", wish->wants_connected);
  g_key_file_set_boolean (file, GROUP, "routes-internet", wish->routes_internet);
  g_key_file_set_boolean (file, GROUP, "owner-was-here", wish->owner_was_here);
  return g_key_file_to_data (file, out_length, NULL);
}

static bool
write_all (int fd, const char *data, size_t length)
{
  while (length > 0) {
    ssize_t n = write (fd, data, length);

    if (n < 0 && errno != EINTR)
      return false;
    data += MAX (n, 0);
    length -= (size_t) MAX (n, 0);
  }
  return true;
}

int
fz_credential_write (const FzCredential *self, const FzWish *wish, uint64_t number, GError **error)
{
  const char *token = fz_token_get_text (self->token);
  size_t length = 0;
  g_autofree char *head = write_head (self, wish, number, &length);
  int fd = memfd_create ("firezone-credential", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd >= 0 && fchmod (fd, 0400) == 0 && write_all (fd, head, length) && write_all (fd, "", 1) &&
      write_all (fd, token, strlen (token)) && fcntl (fd, F_ADD_SEALS, SEALS) == 0)
    return fd;

  g_set_error (error,
               G_FILE_ERROR,
               (int) g_file_error_from_errno (errno),
               "cannot write the credential down: %s",
               g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

/* -- reading -- */

static FzCredential *
parse (char *data, size_t length, FzWish *out_wish, uint64_t *out_number, GError **error)
{
  size_t head_length = strnlen (data, length);
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *api_url = NULL, *account = NULL, *actor = NULL;
  FzToken *token;

  if (head_length == length || !g_key_file_load_from_data (file, data, head_length, 0, NULL) ||
      g_key_file_get_integer (file, GROUP, "format", NULL) != FORMAT) {
    g_set_error_literal (
        error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "what was kept is no credential of this version");
    return NULL;
  }
  token = fz_token_new (data + head_length + 1, error);
  if (token == NULL)
    return NULL;

  api_url = g_key_file_get_string (file, GROUP, "api-url", NULL);
  account = g_key_file_get_string (file, GROUP, "account", NULL);
  actor = g_key_file_get_string (file, GROUP, "actor", NULL);
  *out_number = g_key_file_get_uint64 (file, GROUP, "number", NULL);
  *out_wish = (FzWish){
    .wants_connected = g_key_file_get_boolean (file, GROUP, "wants-connected", NULL),
    .routes_internet = g_key_file_get_boolean (file, GROUP, "routes-internet", NULL),
    .owner_was_here = g_key_file_get_boolean (file, GROUP, "owner-was-here", NULL),
  };
  return fz_credential_new (token,
                            (uint32_t) g_key_file_get_uint64 (file, GROUP, "owner", NULL),
                            api_url,
                            account,
                            actor,
                            g_key_file_get_uint64 (file, GROUP, "expires", NULL));
}

FzCredential *
fz_credential_read (int fd, FzWish *out_wish, uint64_t *out_number, GError **error)
{
  char *data = fz_secret_new (FZ_CREDENTIAL_STORED_MAX + 1);
  FzCredential *self = NULL;
  ssize_t n = pread (fd, data, FZ_CREDENTIAL_STORED_MAX + 1, 0);

  if (n < 0 || n > (ssize_t) FZ_CREDENTIAL_STORED_MAX)
    g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "what was kept is no credential");
  else
    self = parse (data, (size_t) n, out_wish, out_number, error);
  fz_secret_free (data, FZ_CREDENTIAL_STORED_MAX + 1);
  return self;
}
