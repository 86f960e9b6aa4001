/* fz-sealed-file.c: see fz-sealed-file.h */
#include "src/app/fz-sealed-file.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sodium.h>
#include <string.h>

#define MAGIC        "FZSEAL1\n"
#define MAGIC_BYTES  (sizeof MAGIC - 1)
#define PASSES       3u
#define MEMORY_BYTES (UINT64_C (64) << 20)
/* A file may not make us use more than this to try it. */
#define PASSES_MAX   16u
#define MEMORY_MAX   (UINT64_C (1) << 30)

typedef struct {
  char magic[MAGIC_BYTES];
  uint64_t passes; /* little endian, as the next */
  uint64_t memory_bytes;
  uint8_t salt[crypto_pwhash_SALTBYTES];
  uint8_t nonce[crypto_secretbox_NONCEBYTES];
} Header;

G_STATIC_ASSERT (sizeof (Header) ==
                 MAGIC_BYTES + 16 + crypto_pwhash_SALTBYTES + crypto_secretbox_NONCEBYTES);

/* clang-format off */
G_DEFINE_QUARK (fz-sealed-file-error-quark, fz_sealed_file_error)
/* clang-format on */

char *
fz_sealed_file_dup_path (void)
{
  return g_build_filename (g_get_user_data_dir (), "dev.firezone.Client", "sign-in.sealed", NULL);
}

/* In guarded memory; NULL with @error. The caller frees it with sodium_free. */
static uint8_t *
make_key (const Header *header, const char *passphrase, GError **error)
{
  uint8_t *key;

  g_assert (sodium_init () >= 0);
  key = sodium_malloc (crypto_secretbox_KEYBYTES);
  g_assert (key != NULL);
  if (crypto_pwhash (key,
                     crypto_secretbox_KEYBYTES,
                     passphrase,
                     strlen (passphrase),
                     header->salt,
                     GUINT64_FROM_LE (header->passes),
                     (size_t) GUINT64_FROM_LE (header->memory_bytes),
                     crypto_pwhash_ALG_ARGON2ID13) == 0)
    return key;
  sodium_free (key);
  g_set_error_literal (error,
                       FZ_SEALED_FILE_ERROR,
                       FZ_SEALED_FILE_ERROR_MEMORY,
                       "there is not enough memory to make the key of the passphrase");
  return NULL;
}

/* -- writing -- */

/* Four texts, each with its zero; in guarded memory. */
static char *
pack (const FzCredential *credential, size_t *out_length)
{
  const char *texts[] = {
    credential->token, credential->account, credential->actor, credential->api_url
  };
  size_t length = 0;
  char *packed;
  char *at;

  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++)
    length += strlen (texts[i]) + 1;
  packed = at = sodium_malloc (length);
  g_assert (packed != NULL);
  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++)
    at = stpcpy (at, texts[i]) + 1;
  *out_length = length;
  return packed;
}

static bool
write_file (const char *path, const uint8_t *bytes, size_t length, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);

  if (g_mkdir_with_parents (folder, 0700) != 0) {
    g_set_error (error,
                 G_FILE_ERROR,
                 g_file_error_from_errno (errno),
                 "making %s: %s",
                 folder,
                 g_strerror (errno));
    return false;
  }
  return g_file_set_contents_full (path,
                                   (const char *) bytes,
                                   (gssize) length,
                                   G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                   0600,
                                   error);
}

bool
fz_sealed_file_write (const char *path,
                      const char *passphrase,
                      const FzCredential *credential,
                      GError **error)
{
  Header header = { .passes = GUINT64_TO_LE (PASSES),
                    .memory_bytes = GUINT64_TO_LE (MEMORY_BYTES) };
  g_autofree uint8_t *file = NULL;
  size_t length;
  char *packed;
  uint8_t *key;

  g_assert (sodium_init () >= 0);
  memcpy (header.magic, MAGIC, MAGIC_BYTES);
  randombytes_buf (header.salt, sizeof header.salt);
  randombytes_buf (header.nonce, sizeof header.nonce);
  key = make_key (&header, passphrase, error);
  if (key == NULL)
    return false;

  packed = pack (credential, &length);
  file = g_malloc (sizeof header + crypto_secretbox_MACBYTES + length);
  memcpy (file, &header, sizeof header);
  crypto_secretbox_easy (file + sizeof header, (const uint8_t *) packed, length, header.nonce, key);
  sodium_free (packed);
  sodium_free (key);
  return write_file (path, file, sizeof header + crypto_secretbox_MACBYTES + length, error);
}

/* -- reading -- */

static FzCredential *
refuse (GError **error, FzSealedFileError code, const char *text)
{
  g_set_error_literal (error, FZ_SEALED_FILE_ERROR, code, text);
  return NULL;
}

static FzCredential *
unpack (const char *packed, size_t length, GError **error)
{
  const char *texts[4];
  const char *at = packed;

  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++) {
    const char *end = memchr (at, '\0', length - (size_t) (at - packed));

    if (end == NULL || !g_utf8_validate (at, end - at, NULL))
      return refuse (error, FZ_SEALED_FILE_ERROR_DAMAGED, "the file holds something else");
    texts[i] = at;
    at = end + 1;
  }
  return fz_credential_new (texts[0], texts[1], texts[2], texts[3]);
}

static FzCredential *
open_box (
    const uint8_t *box, size_t length, const Header *header, const uint8_t *key, GError **error)
{
  size_t packed_length = length - crypto_secretbox_MACBYTES;
  char *packed = sodium_malloc (packed_length);
  FzCredential *credential;

  g_assert (packed != NULL);
  if (crypto_secretbox_open_easy ((uint8_t *) packed, box, length, header->nonce, key) == 0)
    credential = unpack (packed, packed_length, error);
  else
    credential = refuse (error,
                         FZ_SEALED_FILE_ERROR_PASSPHRASE,
                         "this passphrase does not open it, or the file was changed");
  sodium_free (packed);
  return credential;
}

FzCredential *
fz_sealed_file_read (const char *path, const char *passphrase, GError **error)
{
  g_autofree char *file = NULL;
  gsize length;
  Header header;
  FzCredential *credential;
  uint8_t *key;

  if (!g_file_get_contents (path, &file, &length, error))
    return NULL;
  if (length <= sizeof header + crypto_secretbox_MACBYTES || length > FZ_SEALED_FILE_BYTES_MAX)
    return refuse (error, FZ_SEALED_FILE_ERROR_DAMAGED, "the file is cut short, or too long");
  memcpy (&header, file, sizeof header);
  if (memcmp (header.magic, MAGIC, MAGIC_BYTES) != 0 ||
      GUINT64_FROM_LE (header.passes) > PASSES_MAX ||
      GUINT64_FROM_LE (header.memory_bytes) > MEMORY_MAX)
    return refuse (
        error, FZ_SEALED_FILE_ERROR_DAMAGED, "the file is damaged, or of a later version");

  key = make_key (&header, passphrase, error);
  if (key == NULL)
    return NULL;
  credential = open_box (
      (const uint8_t *) file + sizeof header, length - sizeof header, &header, key, error);
  sodium_free (key);
  return credential;
}
