/* fz-messages.c
 *
 * The door between JSON and the engine: picks the reader by role, owns what a
 * command points to, and writes the engine's events.
 */
#include "src/portal/fz-messages.h"

#include "src/portal/fz-messages-private.h"

#include <string.h>

struct FzMessage {
  FzCommand command;
  FzArena *arena;
  JsonNode *payload; /* strings of the command live here */
};

/* Events that this version knows and has no use for: device pools, and an obsolete one. */
static const char *const unused_events[] = {
  "client_device_access_authorized",
  "client_device_access_denied",
  "client_ice_candidates",
  "invalidate_client_ice_candidates",
  "client_ice_candidate_error",
  "device_pool_domain_resolved",
  "device_pool_domain_resolution_failed",
  "resource_filters_updated",
  "reject_access",
  "access_authorization_expiry_updated",
};

static bool
is_unused (const char *event)
{
  for (size_t i = 0; i < G_N_ELEMENTS (unused_events); i++)
    if (strcmp (unused_events[i], event) == 0)
      return true;
  return false;
}

/* Names that come from outside are cut before they reach a log. */
static void
log_ignored (const FzLog *log, const char *event)
{
  g_autofree char *name = g_utf8_substring (event, 0, MIN (g_utf8_strlen (event, -1), 64));

  if (is_unused (event) || strcmp (event, "resource_created_or_updated") == 0)
    fz_log (log,
            FZ_LOG_DEBUG,
            "portal-message-unused",
            "portal sent a message that this version has no use for",
            FZ_KV_TEXT ("name", name));
  else
    fz_log (log,
            FZ_LOG_WARNING,
            "portal-message-unknown",
            "ignored a message of the portal that this version does not know",
            FZ_KV_TEXT ("name", name));
}

FzMessageVerdict
fz_message_parse (FzRole role,
                  const char *event,
                  JsonNode *payload,
                  uint64_t unix_now,
                  const FzLog *log,
                  FzMessage **out,
                  GError **error)
{
  g_autoptr (FzMessage) self = g_new0 (FzMessage, 1);
  FzMessageContext c = { .r = FZ_JSON_READER_INIT, .log = log, .unix_now = unix_now };
  bool is_command;

  self->arena = fz_arena_new ();
  self->payload = json_node_ref (payload);
  c.arena = self->arena;
  is_command = role == FZ_ROLE_GATEWAY
                   ? fz_read_gateway_message (&c, event, payload, &self->command)
                   : fz_read_client_message (&c, event, payload, &self->command);

  if (!fz_json_reader_finish (&c.r, error)) {
    g_prefix_error (error, "%s: ", event);
    return FZ_MESSAGE_REFUSED;
  }
  if (!is_command) {
    log_ignored (log, event);
    return FZ_MESSAGE_IGNORED;
  }
  *out = g_steal_pointer (&self);
  return FZ_MESSAGE_COMMAND;
}

const FzCommand *
fz_message_get_command (const FzMessage *self)
{
  return &self->command;
}

void
fz_message_free (FzMessage *self)
{
  if (self == NULL)
    return;

  g_clear_pointer (&self->payload, json_node_unref);
  g_clear_pointer (&self->arena, fz_arena_free);
  fz_wipe (&self->command, sizeof self->command);
  g_free (self);
}

/* -- events -- */

static void
append_id (GString *out, const FzUuid *id)
{
  char text[FZ_UUID_TEXT_MAX];

  g_string_append_printf (out, "\"%s\"", fz_uuid_format (id, text));
}

static char *
write_request (const FzEvent *event)
{
  GString *out = g_string_new ("{\"resource_id\":");

  append_id (out, &event->request_authorization.resource_id);
  g_string_append (out, ",\"connected_gateway_ids\":[");
  for (size_t i = 0; i < event->request_authorization.n_connected; i++) {
    if (i > 0)
      g_string_append_c (out, ',');
    append_id (out, &event->request_authorization.connected_gateway_ids[i]);
  }
  g_string_append (out, "]}");
  return g_string_free (out, FALSE);
}

/* Clients name the one gateway, gateways a list of clients (of one). */
static char *
write_candidates (FzRole role, const FzEvent *event)
{
  GString *out = g_string_new (role == FZ_ROLE_GATEWAY ? "{\"client_ids\":[" : "{\"gateway_id\":");

  append_id (out, &event->candidates.peer_id);
  g_string_append (out, role == FZ_ROLE_GATEWAY ? "],\"candidates\":[" : ",\"candidates\":[");
  for (size_t i = 0; i < event->candidates.n_candidates; i++) {
    if (i > 0)
      g_string_append_c (out, ',');
    fz_json_append_string (out, event->candidates.candidates[i]);
  }
  g_string_append (out, "]}");
  return g_string_free (out, FALSE);
}

static char *
write_accepted (const FzEvent *event)
{
  GString *out = g_string_new ("{\"ref\":");

  fz_json_append_string (out, event->authorization_ref);
  g_string_append_c (out, '}');
  return g_string_free (out, FALSE);
}

/* The portal's name of an event; NULL if it has none for this role. */
static const char *
name_event (FzRole role, FzEventKind kind)
{
  bool is_gateway = role == FZ_ROLE_GATEWAY;

  switch (kind) {
  case FZ_EVENT_REQUEST_AUTHORIZATION:
    return is_gateway ? NULL : "request_authorization";
  case FZ_EVENT_NEW_CANDIDATES:
    return is_gateway ? "broadcast_ice_candidates" : "new_gateway_ice_candidates";
  case FZ_EVENT_INVALIDATED_CANDIDATES:
    return is_gateway ? "broadcast_invalidated_ice_candidates"
                      : "invalidate_gateway_ice_candidates";
  case FZ_EVENT_AUTHORIZATION_ACCEPTED:
    return is_gateway ? "authorization_created" : NULL;
  case FZ_EVENT_NO_RELAYS:
    return "no_relays";
  case FZ_EVENT_PUBLIC_KEY_CHANGED:
  case FZ_EVENT_ADDRESS_TAKEN:
  case FZ_EVENT_INTERFACE_CHANGED:
  case FZ_EVENT_RESOURCES_CHANGED:
  case FZ_EVENT_PEER_CONNECTED:
  case FZ_EVENT_PEER_PATH_CHANGED:
  case FZ_EVENT_PEER_DISCONNECTED:
  case FZ_EVENT_GATEWAYS_OFFLINE:
  case FZ_EVENT_GATEWAY_VERSION_MISMATCH:
  case FZ_EVENT_ACCESS_DENIED:
  case FZ_EVENT_DNS_QUERY:
  case FZ_EVENT_RESOLVE_DOMAIN:
    return NULL;
  }
  g_assert_not_reached ();
}

char *
fz_message_write (FzRole role, const FzEvent *event, const char **out_name)
{
  const char *name = name_event (role, event->kind);

  if (name == NULL)
    return NULL;

  *out_name = name;
  if (event->kind == FZ_EVENT_REQUEST_AUTHORIZATION)
    return write_request (event);
  if (event->kind == FZ_EVENT_AUTHORIZATION_ACCEPTED)
    return write_accepted (event);
  if (event->kind == FZ_EVENT_NO_RELAYS)
    return g_strdup ("{}");
  return write_candidates (role, event);
}
