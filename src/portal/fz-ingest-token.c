#include "src/portal/fz-ingest-token.h"

#include <string.h>

#define WHAT "flow_logs_ingest_token"

static const char *const required_texts[] = {
  "account_id",
  "initiator_device_id",
  "responder_device_id",
  "policy_authorization_id",
  "policy_id",
  "resource_id",
  "resource_name",
  "initiator_actor_id",
  "initiator_actor_name",
  "authorized_at",
  "authorization_expires_at",
};

static const char *const optional_texts[] = {
  "resource_address",
  "initiator_actor_email",
  "initiator_auth_provider_id",
  "initiator_client_version",
  "initiator_device_os_name",
  "initiator_device_os_version",
  "initiator_device_serial",
  "initiator_device_uuid",
  "initiator_device_identifier_for_vendor",
  "initiator_device_firebase_installation_id",
};

/* Unpadded base64url; NULL if it is none or empty. */
static guchar *
decode_segment (const char *segment, gsize *out_length)
{
  g_autofree char *text = NULL;
  size_t length = strlen (segment);
  size_t n_padding = (4 - length % 4) % 4;

  if (length == 0 || n_padding == 3)
    return NULL;
  for (const char *p = segment; *p != '\0'; p++)
    if (!g_ascii_isalnum (*p) && *p != '-' && *p != '_')
      return NULL;

  text = g_strdup_printf ("%s%.*s", segment, (int) n_padding, "==");
  g_strdelimit (text, "-", '+');
  g_strdelimit (text, "_", '/');
  return g_base64_decode (text, out_length);
}

static JsonNode *
parse_segment (FzJsonReader *r, const char *segment, const char *name)
{
  gsize length = 0;
  g_autofree guchar *text = decode_segment (segment, &length);
  JsonNode *node = NULL;

  if (text != NULL)
    node = fz_json_parse ((const char *) text, length, NULL);
  if (node == NULL)
    fz_json_fail (r, WHAT, name, "JSON in base64url");
  return node;
}

static void
check_header (FzJsonReader *r, const char *segment)
{
  g_autoptr (JsonNode) root = parse_segment (r, segment, "header");
  const char *algorithm;

  if (root == NULL)
    return;
  algorithm = fz_json_get_string (r, fz_json_object (r, root, WHAT " header"), WHAT, "alg");
  if (algorithm != NULL && strcmp (algorithm, "HS256") != 0)
    fz_json_fail (r, WHAT, "alg", "HS256");
}

static void
check_claims (FzJsonReader *r, const char *segment)
{
  g_autoptr (JsonNode) root = parse_segment (r, segment, "claims");
  JsonObject *claims;
  const char *role;

  if (root == NULL)
    return;

  claims = fz_json_object (r, root, WHAT " claims");
  for (size_t i = 0; i < G_N_ELEMENTS (required_texts); i++)
    fz_json_get_string (r, claims, WHAT, required_texts[i]);
  for (size_t i = 0; i < G_N_ELEMENTS (optional_texts); i++)
    fz_json_get_optional_string (r, claims, WHAT, optional_texts[i]);
  fz_json_get_u64 (r, claims, WHAT, "iat");
  fz_json_get_u64 (r, claims, WHAT, "exp");
  fz_json_get_bool (r, claims, WHAT, "uploads_enabled");
  role = fz_json_get_string (r, claims, WHAT, "role");
  if (role != NULL && strcmp (role, "initiator") != 0 && strcmp (role, "responder") != 0)
    fz_json_fail (r, WHAT, "role", "initiator or responder");
}

void
fz_ingest_token_check (FzJsonReader *r, const char *token)
{
  g_auto (GStrv) segments = NULL;
  g_autofree guchar *signature = NULL;
  gsize length = 0;

  if (token == NULL || !r->ok)
    return;

  segments = g_strsplit (token, ".", 4);
  if (g_strv_length (segments) != 3) {
    fz_json_fail (r, WHAT, NULL, "three segments");
    return;
  }

  check_header (r, segments[0]);
  check_claims (r, segments[1]);
  signature = decode_segment (segments[2], &length);
  if (signature == NULL || length == 0)
    fz_json_fail (r, WHAT, "signature", "base64url");
}
