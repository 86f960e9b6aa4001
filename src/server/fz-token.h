/* fz-token.h
 *
 * What a token looks like and how its secret is kept. The text is
 * nonce "." "fz" kind "_" base64url (id ‖ secret); the store keeps a random
 * salt and HMAC-SHA256 (salt, secret ‖ nonce), never the secret. Pure functions.
 */
#pragma once

#include "src/base/fz-rng.h"
#include "src/base/fz-uuid.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define FZ_TOKEN_SECRET_SIZE 32u
#define FZ_TOKEN_SALT_SIZE   16u
#define FZ_TOKEN_HASH_SIZE   32u
#define FZ_TOKEN_NONCE_MAX   128u  /* bytes */
#define FZ_TOKEN_TEXT_MAX    1024u /* bytes; longer ones are not looked at */

typedef struct {
  char kind; /* 'c', 'g' or 'r' */
  FzUuid id;
  uint8_t secret[FZ_TOKEN_SECRET_SIZE];
  char nonce[FZ_TOKEN_NONCE_MAX + 1];
} FzTokenParts;

/* Wipes the secret. */
void fz_token_parts_clear (FzTokenParts *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzTokenParts, fz_token_parts_clear)

/* Whole text; g_free after use. */
char *fz_token_format (const FzTokenParts *parts);

/* False for anything that fz_token_format () could not have made. */
bool fz_token_parse (const char *text, FzTokenParts *out);

void fz_token_hash (const FzTokenParts *parts,
                    const uint8_t salt[FZ_TOKEN_SALT_SIZE],
                    uint8_t out[FZ_TOKEN_HASH_SIZE]);
