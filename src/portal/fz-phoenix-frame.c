#include "src/portal/fz-phoenix-frame.h"

#include "src/portal/fz-json.h"
#include "src/portal/fz-portal-error.h"

#include <string.h>

static FzReplyReason
parse_reason (const char *text)
{
  if (strcmp (text, "unmatched topic") == 0)
    return FZ_REPLY_REASON_UNMATCHED_TOPIC;
  if (strcmp (text, "invalid_version") == 0)
    return FZ_REPLY_REASON_INVALID_VERSION;
  if (strcmp (text, "disabled") == 0)
    return FZ_REPLY_REASON_DISABLED;
  return FZ_REPLY_REASON_OTHER;
}

const char *
fz_reply_reason_name (FzReplyReason reason)
{
  switch (reason) {
  case FZ_REPLY_REASON_OTHER:
    return "other";
  case FZ_REPLY_REASON_UNMATCHED_TOPIC:
    return "unmatched topic";
  case FZ_REPLY_REASON_INVALID_VERSION:
    return "invalid version";
  case FZ_REPLY_REASON_DISABLED:
    return "disabled";
  }
  g_assert_not_reached ();
}

static bool
is_empty_object (JsonNode *node)
{
  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) &&
         json_object_get_size (json_node_get_object (node)) == 0;
}

static void
read_reply (FzJsonReader *r, JsonNode *node, FzPhoenixFrame *frame)
{
  JsonObject *payload = fz_json_object (r, node, "phx_reply");
  const char *status = fz_json_get_string (r, payload, "phx_reply", "status");
  JsonNode *response = fz_json_member (payload, "response");

  if (!r->ok)
    return;

  if (strcmp (status, "error") == 0) {
    JsonObject *details = fz_json_get_object (r, payload, "phx_reply", "response");
    const char *reason = fz_json_get_string (r, details, "phx_reply response", "reason");

    frame->kind = FZ_FRAME_ERROR_REPLY;
    frame->reason = reason != NULL ? parse_reason (reason) : FZ_REPLY_REASON_OTHER;
  } else if (strcmp (status, "ok") != 0) {
    fz_json_fail (r, "phx_reply", "status", "ok or error");
  } else if (is_empty_object (response)) {
    frame->kind = FZ_FRAME_OK;
  } else if (response != NULL && JSON_NODE_HOLDS_NULL (response)) {
    frame->kind = FZ_FRAME_OK_NULL;
  } else {
    fz_json_fail (r, "phx_reply", "response", "{} or null");
  }
}

static void
read_disconnect (FzJsonReader *r, JsonNode *node, FzPhoenixFrame *frame)
{
  JsonObject *payload = fz_json_object (r, node, "disconnect");
  const char *reason = fz_json_get_string (r, payload, "disconnect", "reason");

  /* Other reasons are followed by the close of the transport, which is retryable. */
  if (reason != NULL && strcmp (reason, "token_expired") == 0)
    frame->kind = FZ_FRAME_TOKEN_EXPIRED;
  else
    fz_json_fail (r, "disconnect", "reason", "token_expired");
}

static void
read_payload (FzJsonReader *r, JsonNode *payload, FzPhoenixFrame *frame)
{
  if (strcmp (frame->event, "phx_reply") == 0) {
    read_reply (r, payload, frame);
  } else if (strcmp (frame->event, "phx_error") == 0) {
    frame->kind = FZ_FRAME_PHX_ERROR;
    if (!is_empty_object (payload))
      fz_json_fail (r, "phx_error", NULL, "{}");
  } else if (strcmp (frame->event, "phx_close") == 0) {
    frame->kind = FZ_FRAME_PHX_CLOSE;
    if (!is_empty_object (payload))
      fz_json_fail (r, "phx_close", NULL, "{}");
  } else if (strcmp (frame->event, "disconnect") == 0) {
    read_disconnect (r, payload, frame);
  } else {
    frame->kind = FZ_FRAME_MESSAGE;
    frame->payload = payload;
    if (payload == NULL)
      fz_json_fail (r, "frame", "payload", "a value");
  }
}

static void
read_ref (FzJsonReader *r, JsonNode *node, FzPhoenixFrame *frame)
{
  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return;

  frame->has_ref = true;
  if (!fz_json_node_u64 (node, &frame->ref))
    fz_json_fail (r, "frame", "ref", "a whole number or null");
}

bool
fz_phoenix_frame_parse (const char *text, size_t length, FzPhoenixFrame *out, GError **error)
{
  g_auto (FzPhoenixFrame) frame = { 0 };
  FzJsonReader r = FZ_JSON_READER_INIT;
  JsonObject *object;

  frame.root = fz_json_parse (text, length, error);
  if (frame.root == NULL)
    return false;

  object = fz_json_object (&r, frame.root, "frame");
  frame.topic = fz_json_get_string (&r, object, "frame", "topic");
  frame.event = fz_json_get_string (&r, object, "frame", "event");
  read_ref (&r, fz_json_member (object, "ref"), &frame);
  if (r.ok)
    read_payload (&r, fz_json_member (object, "payload"), &frame);
  if (!fz_json_reader_finish (&r, error))
    return false;

  *out = frame;
  frame.root = NULL;
  return true;
}

void
fz_phoenix_frame_clear (FzPhoenixFrame *self)
{
  g_clear_pointer (&self->root, json_node_unref);
  *self = (FzPhoenixFrame){ 0 };
}

char *
fz_phoenix_frame_write (const char *topic, const char *event, const char *payload, uint64_t ref)
{
  GString *out = g_string_new ("{\"topic\":");

  fz_json_append_string (out, topic);
  g_string_append (out, ",\"event\":");
  fz_json_append_string (out, event);
  g_string_append_printf (out, ",\"payload\":%s,\"ref\":%" G_GUINT64_FORMAT "}", payload, ref);
  return g_string_free (out, FALSE);
}
