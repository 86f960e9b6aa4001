/* fz-sealed-file.h
 *
 * The sign-in in a file of the person's own, for desktops without a password
 * manager: encrypted by XSalsa20-Poly1305 (secretbox) under a key that Argon2id
 * makes of a passphrase. Whoever has the file alone has nothing; it says neither
 * whose it is nor which portal it is for.
 *
 *   "FZSEAL1\n" | passes, memory (u64, little endian) | salt 16 | nonce 24 | box
 *
 * Blocking: a key takes about a tenth of a second on purpose. Any thread.
 */
#pragma once

#include "src/app/fz-sign-in.h"

#define FZ_SEALED_FILE_BYTES_MAX 16384u
#define FZ_PASSPHRASE_CHARS_MIN  8u

#define FZ_SEALED_FILE_ERROR (fz_sealed_file_error_quark ())
GQuark fz_sealed_file_error_quark (void);

typedef enum {
  FZ_SEALED_FILE_ERROR_PASSPHRASE, /* another passphrase, or the file was changed */
  FZ_SEALED_FILE_ERROR_DAMAGED,    /* cut short, or of a later version */
  FZ_SEALED_FILE_ERROR_MEMORY,     /* there is not enough to make the key */
} FzSealedFileError;

/* Under the user's data folder; g_free. */
char *fz_sealed_file_dup_path (void);

/* Mode 0600, by a temporary name and rename; the folder is made. */
bool fz_sealed_file_write (const char *path,
                           const char *passphrase,
                           const FzCredential *credential,
                           GError **error);

/* NULL with FZ_SEALED_FILE_ERROR or G_FILE_ERROR. */
FzCredential *fz_sealed_file_read (const char *path, const char *passphrase, GError **error);
