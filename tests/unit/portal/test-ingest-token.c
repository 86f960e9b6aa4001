#include "src/portal/fz-ingest-token.h"
#include "tests/unit/portal/portal-test.h"

#include <string.h>

#define HEADER    "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define SIGNATURE "PFRRTvTz0SPJvPlBxeY0nEdt0z1pLPXBIS0tK-bHvLQ"
#define TEXTS                                                                                      \
  "\"account_id\":\"a\",\"initiator_device_id\":\"b\",\"responder_device_id\":\"c\","              \
  "\"policy_authorization_id\":\"d\",\"policy_id\":\"e\",\"resource_id\":\"f\","                   \
  "\"resource_name\":\"g\",\"initiator_actor_id\":\"h\",\"initiator_actor_name\":\"i\","           \
  "\"authorized_at\":\"j\",\"authorization_expires_at\":\"k\""
#define NUMBERS "\"iat\":1,\"exp\":2,\"uploads_enabled\":false"
#define CLAIMS  "{" TEXTS "," NUMBERS ",\"role\":\"responder\"}"

static char *
encode (const char *text)
{
  char *out = g_base64_encode ((const guchar *) text, strlen (text));

  g_strdelimit (out, "+", '-');
  g_strdelimit (out, "/", '_');
  out[strcspn (out, "=")] = '\0';
  return out;
}

static char *
make_token (const char *header, const char *claims, const char *signature)
{
  g_autofree char *first = encode (header);
  g_autofree char *second = encode (claims);

  return g_strdup_printf ("%s.%s.%s", first, second, signature);
}

static bool
is_accepted (const char *token)
{
  FzJsonReader r = FZ_JSON_READER_INIT;

  fz_ingest_token_check (&r, token);
  return r.ok;
}

/* The acceptable token of portal-protocol.md §15, as a recorded message carries it. */
static void
test_vector (void)
{
  g_autofree char *text = portal_test_read ("client-authorization-created.json");
  g_autoptr (JsonNode) root = json_from_string (text, NULL);
  const char *token =
      json_node_get_string (portal_test_find (root, "payload/flow_logs_ingest_token"));

  g_assert_true (is_accepted (token));
  for (size_t n = 0; n < strlen (token) - 43; n++) { /* the signature's 43 may be fewer */
    g_autofree char *cut = g_strndup (token, n);

    g_assert_false (is_accepted (cut));
  }
}

static const struct {
  const char *name;
  const char *header;
  const char *claims;
  const char *signature;
  bool is_accepted;
} rows[] = {
  { "good", HEADER, CLAIMS, SIGNATURE, true },
  { "unknown-claim",
    HEADER,
    "{" TEXTS "," NUMBERS ",\"role\":\"initiator\",\"new\":[]}",
    SIGNATURE,
    true },
  { "optional-null",
    HEADER,
    "{" TEXTS "," NUMBERS ",\"role\":\"initiator\",\"resource_address\":null}",
    SIGNATURE,
    true },
  { "optional-number",
    HEADER,
    "{" TEXTS "," NUMBERS ",\"role\":\"initiator\",\"resource_address\":1}",
    SIGNATURE,
    false },
  { "other-algorithm", "{\"alg\":\"none\"}", CLAIMS, SIGNATURE, false },
  { "no-algorithm", "{}", CLAIMS, SIGNATURE, false },
  { "header-no-json", "x", CLAIMS, SIGNATURE, false },
  { "claims-no-object", HEADER, "[]", SIGNATURE, false },
  { "no-role", HEADER, "{" TEXTS "," NUMBERS "}", SIGNATURE, false },
  { "other-role", HEADER, "{" TEXTS "," NUMBERS ",\"role\":\"witness\"}", SIGNATURE, false },
  { "no-texts", HEADER, "{" NUMBERS ",\"role\":\"initiator\"}", SIGNATURE, false },
  { "no-numbers", HEADER, "{" TEXTS ",\"role\":\"initiator\"}", SIGNATURE, false },
  { "negative-time",
    HEADER,
    "{" TEXTS ",\"iat\":-1,\"exp\":2,\"uploads_enabled\":false,\"role\":\"initiator\"}",
    SIGNATURE,
    false },
  { "no-signature", HEADER, CLAIMS, "", false },
  { "padded-signature", HEADER, CLAIMS, SIGNATURE "=", false },
  { "standard-alphabet", HEADER, CLAIMS, "ab+/", false },
  { "four-segments", HEADER, CLAIMS, SIGNATURE ".x", false },
  { "impossible-length", HEADER, CLAIMS, "abcde", false },
};

static void
test_row (gconstpointer data)
{
  size_t i = GPOINTER_TO_SIZE (data);
  g_autofree char *token = make_token (rows[i].header, rows[i].claims, rows[i].signature);

  g_assert_cmpint (is_accepted (token), ==, rows[i].is_accepted);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ingest-token/vector", test_vector);
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strdup_printf ("/ingest-token/%s", rows[i].name);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_row);
  }
  return g_test_run ();
}
