/* fz-password.c: see the header */
#include "src/crypto/fz-password.h"

#include <sodium.h>
#include <string.h>

_Static_assert(FZ_PASSWORD_HASH_MAX == crypto_pwhash_argon2id_STRBYTES, "Argon2id");

FzPasswordCost
fz_password_cost_default (void)
{
  return (FzPasswordCost){ .passes = 3, .memory_bytes = 64u << 20 };
}

bool
fz_password_hash (const char *password, const FzPasswordCost *cost, char out[FZ_PASSWORD_HASH_MAX])
{
  return crypto_pwhash_argon2id_str (
             out, password, strlen (password), cost->passes, cost->memory_bytes) == 0;
}

bool
fz_password_verify (const char *hash, const char *password)
{
  char text[FZ_PASSWORD_HASH_MAX] = { 0 };
  size_t length = strlen (hash);

  /* libsodium reads the whole field of a fixed size. */
  if (length >= sizeof text)
    return false;
  memcpy (text, hash, length);
  return crypto_pwhash_argon2id_str_verify (text, password, strlen (password)) == 0;
}

bool
fz_password_needs_rehash (const char *hash, const FzPasswordCost *cost)
{
  char text[FZ_PASSWORD_HASH_MAX] = { 0 };
  size_t length = strlen (hash);

  if (length >= sizeof text)
    return true;
  memcpy (text, hash, length);
  return crypto_pwhash_argon2id_str_needs_rehash (text, cost->passes, cost->memory_bytes) != 0;
}
