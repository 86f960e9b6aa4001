/* fz-token.c
 *
 * Tokens as text. The secret has 256 random bits, so a plain keyed hash is
 * enough to store it: there is nothing to guess that a slow hash would slow
 * down. The kind stands in the text so that people see what they hold, and is
 * checked against the row as well.
 */
#include "src/server/fz-token.h"

#include "src/crypto/fz-crypto.h"

#include <string.h>

#define BODY_SIZE (16u + FZ_TOKEN_SECRET_SIZE)

void
fz_token_parts_clear (FzTokenParts *self)
{
  fz_wipe (self, sizeof *self);
}

static void
to_base64url (char *text)
{
  for (char *p = text; *p != '\0'; p++)
    *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
}

/* 48 bytes make 64 characters without padding, so nothing is left to interpretation. */
G_STATIC_ASSERT (BODY_SIZE % 3 == 0);

char *
fz_token_format (const FzTokenParts *parts)
{
  uint8_t body[BODY_SIZE];
  g_autofree char *encoded = NULL;
  char *text;

  memcpy (body, parts->id.bytes, sizeof parts->id.bytes);
  memcpy (body + sizeof parts->id.bytes, parts->secret, sizeof parts->secret);
  encoded = g_base64_encode (body, sizeof body);
  to_base64url (encoded);
  text = g_strdup_printf ("%s.fz%c_%s", parts->nonce, parts->kind, encoded);
  fz_wipe (body, sizeof body);
  fz_wipe (encoded, strlen (encoded));
  return text;
}

static bool
decode_body (const char *encoded, uint8_t out[BODY_SIZE])
{
  char text[BODY_SIZE / 3 * 4 + 1];
  gsize length = sizeof text - 1;

  if (strlen (encoded) != length)
    return false;
  for (size_t i = 0; i < sizeof text; i++) {
    char c = encoded[i];

    if (c != '\0' && !g_ascii_isalnum (c) && c != '-' && c != '_')
      return false;
    text[i] = c == '-' ? '+' : c == '_' ? '/' : c;
  }
  g_base64_decode_inplace (text, &length);
  if (length != BODY_SIZE)
    return false;
  memcpy (out, text, BODY_SIZE);
  fz_wipe (text, sizeof text);
  return true;
}

bool
fz_token_parse (const char *text, FzTokenParts *out)
{
  const char *period = strchr (text, '.');
  uint8_t body[BODY_SIZE];
  FzTokenParts parts = { 0 };

  if (strlen (text) > FZ_TOKEN_TEXT_MAX || period == NULL ||
      (size_t) (period - text) > FZ_TOKEN_NONCE_MAX)
    return false;
  if (strncmp (period, ".fz", 3) != 0 || period[3] == '\0' || period[4] != '_')
    return false;
  if (!decode_body (period + 5, body))
    return false;

  parts.kind = period[3];
  memcpy (parts.nonce, text, (size_t) (period - text));
  memcpy (parts.id.bytes, body, sizeof parts.id.bytes);
  memcpy (parts.secret, body + sizeof parts.id.bytes, sizeof parts.secret);
  *out = parts;
  fz_wipe (body, sizeof body);
  fz_wipe (&parts, sizeof parts);
  return true;
}

void
fz_token_hash (const FzTokenParts *parts,
               const uint8_t salt[FZ_TOKEN_SALT_SIZE],
               uint8_t out[FZ_TOKEN_HASH_SIZE])
{
  FzSpan data[] = {
    fz_span (parts->secret, sizeof parts->secret), /* of fixed length, so no two inputs collide */
    fz_span (parts->nonce, strlen (parts->nonce)),
  };

  fz_hmac_sha256 (fz_span (salt, FZ_TOKEN_SALT_SIZE), data, G_N_ELEMENTS (data), out);
}
