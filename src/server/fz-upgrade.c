/* fz-upgrade.c
 *
 * The checks in the order of portal-protocol.md §8.1: token present, not too
 * often, token good, parameters good, device. What a stranger can learn from
 * the answer is only whether a token is good.
 */
#include "src/server/fz-upgrade.h"

#include "src/base/fz-address.h"
#include "src/crypto/fz-crypto.h"
#include "src/server/fz-json.h"
#include "src/server/fz-server-error.h"
#include "src/server/fz-token.h"

#include <string.h>

#define DEFAULT_RELAY_PORT 3478u
#define RETRY_AFTER_S      1u

/* -- limiter -- */

struct FzConnectLimiter {
  GHashTable *last_us; /* key → gint64 of the last connect */
  int64_t interval_us;
  int64_t swept_us;
};

FzConnectLimiter *
fz_connect_limiter_new (int64_t interval_us)
{
  FzConnectLimiter *self = g_new0 (FzConnectLimiter, 1);

  self->last_us = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->interval_us = interval_us;
  return self;
}

void
fz_connect_limiter_free (FzConnectLimiter *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->last_us);
  g_free (self);
}

static void
sweep (FzConnectLimiter *self, int64_t now_us)
{
  GHashTableIter iter;
  gpointer value;

  if (now_us - self->swept_us < self->interval_us)
    return;
  self->swept_us = now_us;
  g_hash_table_iter_init (&iter, self->last_us);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (now_us - *(int64_t *) value >= self->interval_us)
      g_hash_table_iter_remove (&iter);
}

bool
fz_connect_limiter_allow (FzConnectLimiter *self, const char *key, int64_t now_us)
{
  int64_t *last;

  if (self->interval_us == 0)
    return true;
  sweep (self, now_us);
  last = g_hash_table_lookup (self->last_us, key);
  if (last != NULL) {
    if (now_us - *last < self->interval_us)
      return false;
    *last = now_us;
    return true;
  }
  if (g_hash_table_size (self->last_us) >= FZ_CONNECT_LIMITER_KEYS_MAX)
    return false;
  last = g_new (int64_t, 1);
  *last = now_us;
  g_hash_table_insert (self->last_us, g_strdup (key), last);
  return true;
}

/* -- sessions and problems -- */

const char *
fz_role_name (FzRole role)
{
  static const char *const names[] = { "client", "gateway", "relay" };

  return names[role];
}

void
fz_session_free (FzSession *self)
{
  if (self == NULL)
    return;
  fz_token_record_free (self->token);
  fz_device_record_free (self->device);
  g_free (self->version_text);
  g_free (self->user_agent);
  g_free (self->remote_ip);
  g_free (self->public_key);
  g_free (self->device_serial);
  g_free (self->device_uuid);
  g_free (self->relay_ipv4);
  g_free (self->relay_ipv6);
  g_free (self);
}

void
fz_problem_clear (FzProblem *self)
{
  g_clear_pointer (&self->detail, g_free);
}

static const char *
title_of (unsigned status)
{
  switch (status) {
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 403:
    return "Forbidden";
  case 409:
    return "Conflict";
  case 426:
    return "Upgrade Required";
  case 503:
    return "Service Unavailable";
  default:
    return "Internal Server Error";
  }
}

char *
fz_problem_to_json (const FzProblem *self)
{
  g_autoptr (JsonObject) object = json_object_new ();

  json_object_set_string_member (object, "type", "about:blank");
  json_object_set_string_member (object, "title", title_of (self->status));
  json_object_set_int_member (object, "status", self->status);
  json_object_set_string_member (object, "detail", self->detail != NULL ? self->detail : "");
  json_object_set_string_member (object, "code", self->code);
  return fz_json_object_to_text (object);
}

static void
set_problem (FzProblem *out, unsigned status, const char *code, const char *detail)
{
  fz_problem_clear (out);
  *out = (FzProblem){ status, code, g_strdup (detail), 0 };
}

/* Our own trouble, not the peer's: it comes back later. */
static void
set_own_problem (FzProblem *out)
{
  set_problem (out, 500, "unhandled_connect_error", "the portal cannot do that right now");
}

/* -- token -- */

static const char *
query_value (const FzUpgradeRequest *request, const char *name)
{
  return request->query != NULL ? g_hash_table_lookup (request->query, name) : NULL;
}

static char *
without_spaces (const char *text)
{
  GString *out = g_string_new (NULL);

  for (const char *p = text; *p != '\0'; p++)
    if (!g_ascii_isspace (*p))
      g_string_append_c (out, *p);
  return g_string_free (out, FALSE);
}

/* Header first, then the query parameter of peers before 2026 (§2.7). */
static char *
find_token (const FzUpgradeRequest *request)
{
  const char *text = NULL;
  g_autofree char *token = NULL;

  if (request->authorization != NULL &&
      g_ascii_strncasecmp (request->authorization, "Bearer ", 7) == 0)
    text = request->authorization + 7;
  token = text != NULL ? without_spaces (text) : NULL;
  if (token == NULL || *token == '\0') {
    g_clear_pointer (&token, g_free);
    text = query_value (request, "token");
    token = text != NULL ? without_spaces (text) : NULL;
  }
  return token != NULL && *token != '\0' ? g_steal_pointer (&token) : NULL;
}

/* The token itself must not stay around as a key. */
static char *
limiter_key (const FzUpgradeRequest *request, const char *token)
{
  FzSpan data[] = { fz_span (token, strlen (token)) };
  uint8_t hash[FZ_SHA256_SIZE];
  g_autofree char *text = NULL;

  fz_sha256 (data, 1, hash);
  text = g_base64_encode (hash, sizeof hash);
  return g_strdup_printf ("%s %s", request->remote_ip, text);
}

static FzTokenRecord *
check_token (const FzUpgrade *self,
             const FzUpgradeRequest *request,
             FzProblem *out_problem,
             GError **out_error)
{
  static const FzTokenKind kinds[] = { FZ_TOKEN_CLIENT, FZ_TOKEN_GATEWAY, FZ_TOKEN_RELAY };
  g_autofree char *token = find_token (request);
  g_autofree char *key = NULL;
  g_autoptr (GError) error = NULL;
  FzTokenRecord *record;

  if (token == NULL) {
    set_problem (out_problem, 401, "missing_token", "no token was given");
    return NULL;
  }
  key = limiter_key (request, token);
  if (!fz_connect_limiter_allow (self->limiter, key, g_get_monotonic_time ())) {
    set_problem (out_problem, 503, "rate_limit", "too many connection attempts");
    out_problem->retry_after_s = RETRY_AFTER_S;
    return NULL;
  }
  record =
      fz_store_token_verify (self->store, kinds[request->role], token, fz_store_now (), &error);
  fz_wipe (token, strlen (token));
  if (record != NULL && !record->is_account_disabled)
    return record;
  if (record != NULL) {
    fz_token_record_free (record);
    set_problem (out_problem, 403, "account_disabled", "the account is disabled");
    return NULL;
  }
  if (error != NULL) {
    set_own_problem (out_problem);
    g_propagate_error (out_error, g_steal_pointer (&error));
  } else {
    set_problem (out_problem, 401, "invalid_token", "this token is not known here or has expired");
  }
  return NULL;
}

/* -- parameters -- */

static void
complain (GString *complaints, const char *text)
{
  if (complaints->len > 0)
    g_string_append (complaints, "; ");
  g_string_append (complaints, text);
}

static bool
is_fine_text (const char *text)
{
  return text != NULL && *text != '\0' && strlen (text) <= FZ_STORE_NAME_MAX &&
         g_utf8_validate (text, -1, NULL);
}

static char *
trimmed (const char *text)
{
  return text != NULL ? g_strstrip (g_strdup (text)) : NULL;
}

/* Optional hardware hint: unusable ones are dropped rather than refused. */
static char *
hint (const FzUpgradeRequest *request, const char *name)
{
  g_autofree char *text = trimmed (query_value (request, name));

  return is_fine_text (text) ? g_steal_pointer (&text) : NULL;
}

static char *
name_or_generated (const FzUpgrade *self, const FzUpgradeRequest *request)
{
  g_autofree char *name = trimmed (query_value (request, "name"));

  if (name != NULL && *name != '\0')
    return g_steal_pointer (&name);
  return fz_store_new_id (self->store);
}

static bool
check_parameters (const FzUpgradeRequest *request,
                  const FzSession *session,
                  const char *external_id,
                  const char *name,
                  FzProblem *out_problem)
{
  g_autoptr (GString) complaints = g_string_new (NULL);
  bool needs_id = session->token->gateway_id == NULL;
  uint8_t key[FZ_KEY_SIZE];

  if (session->public_key == NULL || !fz_key_parse (session->public_key, key))
    complain (complaints, "public_key is not a WireGuard key in base64");
  if (needs_id && !is_fine_text (external_id))
    complain (complaints, "external_id must have 1 to 255 characters");
  if (!is_fine_text (name))
    complain (complaints, "name must have 1 to 255 characters");
  if (request->role == FZ_ROLE_CLIENT && !fz_version_is_known_component (&session->version))
    complain (complaints, "user_agent names no known component");
  if (complaints->len == 0)
    return true;
  set_problem (out_problem, 400, "invalid_connect_params", complaints->str);
  return false;
}

/* Before, clients asked for paths by messages that nobody answers here (§11.2): they would wait for
 * ever, so they are told. */
static bool
check_version (const FzSession *session, FzProblem *out_problem)
{
  if (session->role != FZ_ROLE_CLIENT || fz_version_is_served (&session->version))
    return true;
  set_problem (
      out_problem, 426, "version_unsupported", "clients before 1.4 are not served; update it");
  return false;
}

static bool
connect_device (const FzUpgrade *self,
                const FzUpgradeRequest *request,
                FzSession *session,
                FzProblem *out_problem,
                GError **out_error)
{
  g_autofree char *external_id = trimmed (query_value (request, "external_id"));
  g_autofree char *name = name_or_generated (self, request);
  FzDeviceReport report;

  if (external_id == NULL)
    external_id = trimmed (query_value (request, "firezone_id"));
  session->public_key = g_strdup (query_value (request, "public_key"));
  session->device_serial = hint (request, "device_serial");
  session->device_uuid = hint (request, "device_uuid");
  if (!check_parameters (request, session, external_id, name, out_problem) ||
      !check_version (session, out_problem))
    return false;

  report = (FzDeviceReport){
    .external_id = external_id,
    .name = name,
    .device_serial = session->device_serial,
    .device_uuid = session->device_uuid,
    .public_key = session->public_key,
    .user_agent = session->user_agent,
    .version = session->version_text,
    .remote_ip = session->remote_ip,
  };
  session->device =
      request->role == FZ_ROLE_CLIENT
          ? fz_store_client_connect (self->store, session->token, &report, out_error)
          : fz_store_gateway_connect (self->store, session->token, &report, out_error);
  if (session->device == NULL) {
    set_own_problem (out_problem);
    return false;
  }
  if (request->role == FZ_ROLE_GATEWAY &&
      self->is_gateway_connected (session->device->id, self->context)) {
    set_problem (out_problem,
                 409,
                 "gateway_already_connected",
                 "a gateway with this id is connected already");
    return false;
  }
  return true;
}

static char *
relay_address (const FzUpgradeRequest *request, const char *name, FzIpFamily family, uint16_t port)
{
  const char *text = query_value (request, name);
  char buffer[FZ_SOCKET_ADDRESS_TEXT_MAX];
  FzSocketAddress address = { .port = port };

  if (text == NULL || !fz_ip_parse (text, &address.ip) || address.ip.family != family)
    return NULL;
  return g_strdup (fz_socket_address_format (&address, buffer));
}

static bool
note_relay (const FzUpgradeRequest *request, FzSession *session, FzProblem *out_problem)
{
  const char *text = query_value (request, "port");
  guint64 port = DEFAULT_RELAY_PORT;

  if (text != NULL && !g_ascii_string_to_unsigned (text, 10, 1, 65535, &port, NULL)) {
    set_problem (out_problem, 400, "invalid_connect_params", "port is not between 1 and 65535");
    return false;
  }
  session->relay_ipv4 = relay_address (request, "ipv4", FZ_IP_V4, (uint16_t) port);
  session->relay_ipv6 = relay_address (request, "ipv6", FZ_IP_V6, (uint16_t) port);
  if (session->relay_ipv4 != NULL || session->relay_ipv6 != NULL)
    return true;
  set_problem (out_problem, 500, "unhandled_connect_error", "a relay needs a public address");
  return false;
}

FzSession *
fz_upgrade_check (const FzUpgrade *self,
                  const FzUpgradeRequest *request,
                  FzProblem *out_problem,
                  GError **out_error)
{
  g_autoptr (FzSession) session = g_new0 (FzSession, 1);
  char version[FZ_VERSION_TEXT_MAX];

  session->role = request->role;
  session->is_legacy = request->is_legacy;
  session->user_agent =
      request->user_agent != NULL && g_utf8_validate (request->user_agent, -1, NULL)
          ? g_strndup (request->user_agent, 512)
          : g_strdup ("");
  session->remote_ip = g_strdup (request->remote_ip);
  session->version = fz_version_from_user_agent (session->user_agent);
  if (session->version.has_version)
    session->version_text = g_strdup (fz_version_format (&session->version, version));

  session->token = check_token (self, request, out_problem, out_error);
  if (session->token == NULL)
    return NULL;
  if (request->role == FZ_ROLE_RELAY) {
    if (!note_relay (request, session, out_problem))
      return NULL;
  } else if (!connect_device (self, request, session, out_problem, out_error)) {
    return NULL;
  }
  return g_steal_pointer (&session);
}
