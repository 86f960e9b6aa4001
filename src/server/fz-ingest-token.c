/* fz-ingest-token.c
 *
 * Mints ingest tokens: compact JWTs, HS256, claims after §4.8.
 */
#include "src/server/fz-ingest-token.h"

#include "src/crypto/fz-crypto.h"
#include "src/server/fz-json.h"

#include <string.h>

#define REPORTING_GRACE_S (30 * 86400) /* late uploads after an authorization has ended, §13.5 */

static char *
base64url (const void *data, size_t length)
{
  char *text = g_base64_encode (data, length);

  for (char *p = text; *p != '\0'; p++)
    *p = *p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p;
  return text;
}

static void
set_time (JsonObject *object, const char *name, int64_t seconds)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (seconds);
  g_autofree char *text =
      time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%S.000000Z") : g_strdup ("");

  json_object_set_string_member (object, name, text);
}

static void
set_optional (JsonObject *object, const char *name, const char *value)
{
  if (value != NULL)
    json_object_set_string_member (object, name, value);
}

static char *
payload_of (const FzIngestClaims *claims, const char *role)
{
  g_autoptr (JsonObject) object = json_object_new ();

  json_object_set_string_member (object, "account_id", claims->account_id);
  json_object_set_int_member (object, "iat", claims->authorized_at);
  json_object_set_int_member (object, "exp", claims->expires_at + REPORTING_GRACE_S);
  json_object_set_boolean_member (object, "uploads_enabled", FALSE);
  json_object_set_string_member (object, "role", role);
  json_object_set_string_member (object, "initiator_device_id", claims->initiator_device_id);
  json_object_set_string_member (object, "responder_device_id", claims->responder_device_id);
  json_object_set_string_member (object, "policy_authorization_id", claims->authorization_id);
  json_object_set_string_member (object, "policy_id", claims->policy_id);
  json_object_set_string_member (object, "resource_id", claims->resource_id);
  json_object_set_string_member (object, "resource_name", claims->resource_name);
  set_optional (object, "resource_address", claims->resource_address);
  json_object_set_string_member (object, "initiator_actor_id", claims->actor_id);
  json_object_set_string_member (object, "initiator_actor_name", claims->actor_name);
  set_optional (object, "initiator_actor_email", claims->actor_email);
  set_optional (object, "initiator_client_version", claims->client_version);
  set_optional (object, "initiator_device_serial", claims->device_serial);
  set_optional (object, "initiator_device_uuid", claims->device_uuid);
  set_time (object, "authorized_at", claims->authorized_at);
  set_time (object, "authorization_expires_at", claims->expires_at);
  return fz_json_object_to_text (object);
}

char *
fz_ingest_token_mint (const FzIngestClaims *claims, const char *role, const uint8_t key[32])
{
  static const char header_json[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
  g_autofree char *payload_json = payload_of (claims, role);
  g_autofree char *header = base64url (header_json, strlen (header_json));
  g_autofree char *payload = base64url (payload_json, strlen (payload_json));
  g_autofree char *signing_input = g_strdup_printf ("%s.%s", header, payload);
  g_autofree char *signature = NULL;
  FzSpan data[] = { fz_span (signing_input, strlen (signing_input)) };
  uint8_t mac[FZ_SHA256_SIZE];

  fz_hmac_sha256 (fz_span (key, 32), data, 1, mac);
  signature = base64url (mac, sizeof mac);
  return g_strdup_printf ("%s.%s", signing_input, signature);
}
