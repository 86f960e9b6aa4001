/* test-derive.c
 *
 * Values both ends must agree on, against the vectors of portal-protocol.md §15
 * and §4.5, and the form of tokens.
 */
#include "src/crypto/fz-crypto.h"
#include "src/server/fz-derive.h"
#include "src/server/fz-ingest-token.h"
#include "src/server/fz-json.h"
#include "src/server/fz-token.h"

#include <glib.h>
#include <string.h>

#define ID_1 "11111111-2222-4333-8444-555555555501"
#define ID_2 "11111111-2222-4333-8444-555555555502"

typedef struct {
  uint8_t psk_1[32];
  uint8_t psk_2[32];
  char key_1[FZ_KEY_TEXT_MAX];
  char key_2[FZ_KEY_TEXT_MAX];
  FzEnd first;
  FzEnd second;
} Ends;

static void
make_ends (Ends *ends)
{
  uint8_t key[FZ_KEY_SIZE];

  memset (key, 1, sizeof key);
  fz_key_format (key, ends->key_1);
  memset (key, 2, sizeof key);
  fz_key_format (key, ends->key_2);
  memset (ends->psk_1, 3, sizeof ends->psk_1);
  memset (ends->psk_2, 4, sizeof ends->psk_2);
  ends->first = (FzEnd){ ID_1, ends->key_1, ends->psk_1 };
  ends->second = (FzEnd){ ID_2, ends->key_2, ends->psk_2 };
}

static void
test_psk (void)
{
  Ends ends;
  g_autofree char *with_gateway = NULL;
  g_autofree char *with_client = NULL;

  make_ends (&ends);
  with_gateway = fz_derive_psk (&ends.first, &ends.second);
  with_client = fz_derive_psk_client_client (&ends.first, &ends.second);
  g_assert_cmpstr (with_gateway, ==, "UPzNZTQCgGDzf5o6h4GlcXRwTWaLiOCGh3CyypVuLlw=");
  g_assert_cmpstr (with_client, ==, "cXe96o/BbIcWFcr5x0/tX6f2ILkdqH+Mr+5PM+0TK/Q=");
}

static void
test_ice (void)
{
  Ends ends;
  FzIceSecrets ice;

  make_ends (&ends);
  fz_derive_ice (&ends.first, &ends.second, &ice);
  g_assert_cmpstr (ice.initiator.username, ==, "cgcj");
  g_assert_cmpstr (ice.initiator.password, ==, "ofgtwlxitjzy3mr6yyxra2");
  g_assert_cmpstr (ice.receiver.username, ==, "bvch");
  g_assert_cmpstr (ice.receiver.password, ==, "wddfo7s6robzeocmi3gvbq");
}

static void
test_relay (void)
{
  static const char secret[] = "000000000000000000000000000000000000000000000000000000000000002a";
  Ends ends;
  g_autofree char *id = fz_derive_relay_id (secret);
  g_autofree char *username = NULL;
  g_autofree char *password = NULL;

  make_ends (&ends);
  username = fz_derive_turn_username (1790000000, ends.key_1);
  password = fz_derive_turn_password (secret, username);
  g_assert_cmpstr (id, ==, "9cf49eea-aa45-4d96-bd47-cf2cfeaeb0df");
  g_assert_cmpstr (username, ==, "1790000000:xXzDtV05+ab3cvUI44IeCigIIjUsDQ8NJZ+6Y7dNqaA");
  g_assert_cmpstr (password, ==, "rjxAgvxLGvK6YLosZ/zYVf6VQFdvjPNcXoTjtH/pHL8");
}

/* Upstream's own values. */
static void
test_turn_passwords (void)
{
  static const struct {
    const char *username;
    const char *secret;
    const char *password;
  } rows[] = {
    { "1685984278:uvdgKvS9GXYZ_vmv",
      "1cab293a-4032-46f4-862a-40e5d174b0d2",
      "6xUIoZ+QvxKhRasLifwfRkMXl+ETLJUsFkHlXjlHAkg" },
    { "1892160000:n23JJ2wKKtt30oXi",
      "4c98bf59c99b3e467ecd7cf9d6b3e5279645fca59be67bc5bb4af3cf653761ab",
      "00hqldgk5xLeKKOB+xls9mHMVtgqzie9DulfgQwMv68" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *password = fz_derive_turn_password (rows[i].secret, rows[i].username);

    g_assert_cmpstr (password, ==, rows[i].password);
  }
}

/* printf %s 1700000000:alice | openssl dgst -sha1 -hmac north -binary | base64 */
static void
test_coturn (void)
{
  g_autofree char *password = fz_derive_turn_rest_password ("north", "1700000000:alice");

  g_assert_cmpstr (password, ==, "Cd/49soE35ICqcJF/bCTn8Z4OyE=");
}

static char *
base64url (const uint8_t *data, size_t length)
{
  char *text = g_base64_encode (data, length);

  for (char *p = text; *p != '\0'; p++)
    *p = *p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p;
  return text;
}

static JsonObject *
decode_segment (const char *segment)
{
  g_autofree char *padded =
      g_strdup_printf ("%s%.*s", segment, (int) (-strlen (segment) & 3), "==");
  g_autofree uint8_t *data = NULL;
  g_autoptr (JsonNode) node = NULL;
  gsize length = 0;

  for (char *p = padded; *p != '\0'; p++)
    *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
  data = g_base64_decode (padded, &length);
  node = fz_json_parse_bounded ((const char *) data, length, NULL);
  g_assert_nonnull (node);
  return json_object_ref (json_node_get_object (node));
}

static void
test_ingest_token (void)
{
  static const char *const texts[] = {
    "account_id",
    "initiator_device_id",
    "responder_device_id",
    "policy_id",
    "resource_id",
    "policy_authorization_id",
    "resource_name",
    "initiator_actor_id",
    "initiator_actor_name",
    "authorized_at",
    "authorization_expires_at",
  };
  FzIngestClaims claims = {
    .account_id = "aaaaaaaa-0000-4000-8000-000000000001",
    .initiator_device_id = ID_1,
    .responder_device_id = ID_2,
    .authorization_id = "aaaaaaaa-0000-4000-8000-000000000002",
    .policy_id = "aaaaaaaa-0000-4000-8000-000000000003",
    .resource_id = "aaaaaaaa-0000-4000-8000-000000000004",
    .resource_name = "Wiki",
    .actor_id = "aaaaaaaa-0000-4000-8000-000000000005",
    .actor_name = "Sam",
    .authorized_at = 1788256800,
    .expires_at = 1788861600,
  };
  uint8_t key[32];
  uint8_t mac[FZ_SHA256_SIZE];
  g_autofree char *token = NULL;
  g_autofree char *signature = NULL;
  g_auto (GStrv) parts = NULL;
  g_autoptr (JsonObject) header = NULL;
  g_autoptr (JsonObject) payload = NULL;
  FzSpan input;

  memset (key, 5, sizeof key);
  token = fz_ingest_token_mint (&claims, "responder", key);
  parts = g_strsplit (token, ".", -1);
  g_assert_cmpuint (g_strv_length (parts), ==, 3);

  header = decode_segment (parts[0]);
  g_assert_cmpstr (fz_json_text (header, "alg"), ==, "HS256");
  payload = decode_segment (parts[1]);
  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++)
    g_assert_nonnull (fz_json_text (payload, texts[i]));
  g_assert_cmpstr (fz_json_text (payload, "role"), ==, "responder");
  g_assert_cmpstr (fz_json_text (payload, "authorized_at"), ==, "2026-09-01T10:00:00.000000Z");
  g_assert_cmpstr (
      fz_json_text (payload, "authorization_expires_at"), ==, "2026-09-08T10:00:00.000000Z");
  g_assert_cmpint (json_object_get_int_member (payload, "iat"), ==, 1788256800);
  g_assert_cmpint (json_object_get_int_member (payload, "exp"), ==, 1788861600 + 30 * 86400);
  g_assert_false (fz_json_bool (payload, "uploads_enabled", true));
  g_assert_false (json_object_has_member (payload, "resource_address"));

  input = fz_span (token, strlen (parts[0]) + 1 + strlen (parts[1]));
  fz_hmac_sha256 (fz_span (key, sizeof key), &input, 1, mac);
  signature = base64url (mac, sizeof mac);
  g_assert_cmpstr (parts[2], ==, signature);
}

/* -- tokens -- */

static void
make_token (FzTokenParts *parts)
{
  *parts = (FzTokenParts){ .kind = 'c' };
  memset (parts->id.bytes, 0xfb, sizeof parts->id.bytes);
  memset (parts->secret, 0xff, sizeof parts->secret);
  g_strlcpy (parts->nonce, "n0nce", sizeof parts->nonce);
}

static void
test_token_round_trip (void)
{
  g_auto (FzTokenParts) parts;
  g_auto (FzTokenParts) read = { 0 };
  g_autofree char *text = NULL;

  make_token (&parts);
  text = fz_token_format (&parts);
  g_assert_true (g_str_has_prefix (text, "n0nce.fzc_"));
  g_assert_true (fz_token_parse (text, &read));
  g_assert_cmpint (read.kind, ==, 'c');
  g_assert_cmpstr (read.nonce, ==, "n0nce");
  g_assert_cmpmem (read.secret, sizeof read.secret, parts.secret, sizeof parts.secret);
  g_assert_true (fz_uuid_equal (&read.id, &parts.id));

  /* the deep link form-decodes it: nothing in it may change by that */
  for (const char *p = text; *p != '\0'; p++)
    g_assert_true (g_ascii_isalnum (*p) || strchr ("._-", *p) != NULL);
}

static void
test_token_refusals (void)
{
  g_auto (FzTokenParts) parts;
  g_auto (FzTokenParts) read = { 0 };
  g_autofree char *text = NULL;
  g_autofree char *long_nonce = g_strnfill (FZ_TOKEN_NONCE_MAX + 1, 'n');
  g_autofree char *huge = g_strnfill (FZ_TOKEN_TEXT_MAX + 1, '.');
  g_autofree char *with_long_nonce = NULL;

  make_token (&parts);
  text = fz_token_format (&parts);
  with_long_nonce = g_strconcat (long_nonce, strchr (text, '.'), NULL);
  g_assert_false (fz_token_parse (with_long_nonce, &read));
  g_assert_false (fz_token_parse (huge, &read));
  for (size_t length = 0; length < strlen (text); length++) {
    g_autofree char *cut = g_strndup (text, length);

    g_assert_false (fz_token_parse (cut, &read));
  }
  text[strlen (text) - 1] = '=';
  g_assert_false (fz_token_parse (text, &read));
  g_assert_false (fz_token_parse (".fzc", &read));
  g_assert_false (fz_token_parse (".SFMyNTY.abc.def", &read));
}

static void
test_token_hash (void)
{
  static const uint8_t salt_1[FZ_TOKEN_SALT_SIZE] = { 1 };
  static const uint8_t salt_2[FZ_TOKEN_SALT_SIZE] = { 2 };
  g_auto (FzTokenParts) parts;
  uint8_t first[FZ_TOKEN_HASH_SIZE];
  uint8_t again[FZ_TOKEN_HASH_SIZE];
  uint8_t other[FZ_TOKEN_HASH_SIZE];

  make_token (&parts);
  fz_token_hash (&parts, salt_1, first);
  fz_token_hash (&parts, salt_1, again);
  g_assert_cmpmem (first, sizeof first, again, sizeof again);
  fz_token_hash (&parts, salt_2, other);
  g_assert_true (memcmp (first, other, sizeof other) != 0);
  parts.nonce[0] = 'm';
  fz_token_hash (&parts, salt_1, other);
  g_assert_true (memcmp (first, other, sizeof other) != 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  g_test_add_func ("/derive/preshared-keys", test_psk);
  g_test_add_func ("/derive/ice-credentials", test_ice);
  g_test_add_func ("/derive/relay-id-and-credentials", test_relay);
  g_test_add_func ("/derive/turn-passwords-of-upstream", test_turn_passwords);
  g_test_add_func ("/derive/coturn-password", test_coturn);
  g_test_add_func ("/derive/ingest-token", test_ingest_token);
  g_test_add_func ("/token/round-trip", test_token_round_trip);
  g_test_add_func ("/token/refusals", test_token_refusals);
  g_test_add_func ("/token/hash", test_token_hash);
  return g_test_run ();
}
