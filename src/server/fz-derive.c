/* fz-derive.c
 *
 * The derivations of portal-protocol.md §§8.6 and 8.8; §15 has vectors.
 * They depend on nothing but their arguments, so a peer that reconnects with
 * the same key gets the same values and its connections survive.
 */
#include "src/server/fz-derive.h"

#include "src/base/fz-uuid.h"
#include "src/crypto/fz-crypto.h"

#include <string.h>

#define PSK_SIZE 32u

static char *
base64_unpadded (const uint8_t *data, size_t length)
{
  char *text = g_base64_encode (data, length);

  for (size_t n = strlen (text); n > 0 && text[n - 1] == '='; n--)
    text[n - 1] = '\0';
  return text;
}

static FzSpan
span_of (const char *text)
{
  return fz_span (text, strlen (text));
}

/* PBKDF2 with one iteration and one block is one HMAC over salt ‖ 00000001 (RFC 8018 §5.2). */
static char *
psk_from (const FzEnd *first, const FzEnd *second, const char *salt)
{
  static const uint8_t block_index[4] = { 0, 0, 0, 1 };
  uint8_t password[2 * PSK_SIZE];
  uint8_t psk[FZ_SHA256_SIZE];
  FzSpan data[] = { span_of (salt), fz_span (block_index, sizeof block_index) };
  char *text;

  memcpy (password, first->psk_base, PSK_SIZE);
  memcpy (password + PSK_SIZE, second->psk_base, PSK_SIZE);
  fz_hmac_sha256 (fz_span (password, sizeof password), data, G_N_ELEMENTS (data), psk);
  text = g_base64_encode (psk, sizeof psk);
  fz_wipe (password, sizeof password);
  fz_wipe (psk, sizeof psk);
  return text;
}

char *
fz_derive_psk (const FzEnd *client, const FzEnd *gateway)
{
  g_autofree char *salt = g_strdup_printf ("WG_PSK|C_ID:%s|G_ID:%s|C_PK:%s|G_PK:%s",
                                           client->id,
                                           gateway->id,
                                           client->public_key,
                                           gateway->public_key);

  return psk_from (client, gateway, salt);
}

char *
fz_derive_psk_client_client (const FzEnd *initiator, const FzEnd *target)
{
  g_autofree char *salt = g_strdup_printf ("WG_PSK_CC|CA_ID:%s|CB_ID:%s|CA_PK:%s|CB_PK:%s",
                                           initiator->id,
                                           target->id,
                                           initiator->public_key,
                                           target->public_key);

  return psk_from (initiator, target, salt);
}

/* Lower-case base32 without padding of a SHA-256 (RFC 4648 §6): 52 characters. */
static void
base32_of_hash (const uint8_t hash[FZ_SHA256_SIZE], char out[53])
{
  static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

  for (size_t i = 0; i < 52; i++) {
    unsigned value = 0;

    for (size_t bit = 5 * i; bit < 5 * i + 5; bit++)
      value = value << 1 | (bit < 256 ? hash[bit / 8] >> (7 - bit % 8) & 1u : 0u);
    out[i] = alphabet[value];
  }
  out[52] = '\0';
}

void
fz_derive_ice (const FzEnd *initiator, const FzEnd *receiver, FzIceSecrets *out)
{
  g_autofree char *input = g_strdup_printf (
      "%s:%s:%s:%s", initiator->id, initiator->public_key, receiver->id, receiver->public_key);
  FzSpan data[] = { span_of (input) };
  uint8_t hash[FZ_SHA256_SIZE];
  char text[53];

  fz_sha256 (data, 1, hash);
  base32_of_hash (hash, text);
  memset (out, 0, sizeof *out);
  memcpy (out->initiator.username, text, 4);
  memcpy (out->initiator.password, text + 4, 22);
  memcpy (out->receiver.username, text + 26, 4);
  memcpy (out->receiver.password, text + 30, 22);
}

char *
fz_derive_relay_id (const char *stamp_secret)
{
  FzSpan data[] = { span_of (stamp_secret) };
  uint8_t hash[FZ_SHA256_SIZE];
  char text[FZ_UUID_TEXT_MAX];
  FzUuid id;

  fz_sha256 (data, 1, hash);
  memcpy (id.bytes, hash, sizeof id.bytes);
  id.bytes[6] = (uint8_t) ((id.bytes[6] & 0x0f) | 0x40);
  id.bytes[8] = (uint8_t) ((id.bytes[8] & 0x3f) | 0x80);
  return g_strdup (fz_uuid_format (&id, text));
}

char *
fz_derive_turn_username (int64_t expires_at, const char *public_key)
{
  FzSpan data[] = { span_of (public_key) };
  uint8_t hash[FZ_SHA256_SIZE];
  g_autofree char *salt = NULL;

  fz_sha256 (data, 1, hash);
  salt = base64_unpadded (hash, sizeof hash);
  return g_strdup_printf ("%" G_GINT64_FORMAT ":%s", expires_at, salt);
}

char *
fz_derive_turn_password (const char *stamp_secret, const char *username)
{
  const char *colon = strchr (username, ':');
  uint8_t hash[FZ_SHA256_SIZE];
  FzSpan data[] = {
    fz_span (username, colon != NULL ? (size_t) (colon - username) : 0),
    span_of (":"),
    span_of (stamp_secret),
    span_of (":"),
    span_of (colon != NULL ? colon + 1 : username),
  };

  fz_sha256 (data, G_N_ELEMENTS (data), hash);
  return base64_unpadded (hash, sizeof hash);
}

char *
fz_derive_turn_rest_password (const char *secret, const char *username)
{
  FzSpan data[] = { span_of (username) };
  uint8_t mac[FZ_SHA1_SIZE];

  fz_hmac_sha1 (span_of (secret), data, 1, mac);
  return g_base64_encode (mac, sizeof mac);
}
