/* fz-phoenix-frame.h
 *
 * One text frame of a Phoenix channel in the "V1" map format: topic, event,
 * payload, ref (portal-protocol.md §3.5). Outside values are mapped into enums
 * here, once.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
  FZ_FRAME_MESSAGE,     /* an application event with its payload */
  FZ_FRAME_OK,          /* phx_reply, status ok, response {} */
  FZ_FRAME_OK_NULL,     /* phx_reply, status ok, response null: never an answer to us */
  FZ_FRAME_ERROR_REPLY, /* phx_reply, status error */
  FZ_FRAME_PHX_ERROR,   /* the channel crashed */
  FZ_FRAME_PHX_CLOSE,   /* the channel ended */
  FZ_FRAME_TOKEN_EXPIRED,
} FzFrameKind;

typedef enum {
  FZ_REPLY_REASON_OTHER,
  FZ_REPLY_REASON_UNMATCHED_TOPIC,
  FZ_REPLY_REASON_INVALID_VERSION,
  FZ_REPLY_REASON_DISABLED,
} FzReplyReason;

typedef struct {
  FzFrameKind kind;
  FzReplyReason reason; /* FZ_FRAME_ERROR_REPLY */
  bool has_ref;
  uint64_t ref;
  const char *topic; /* borrowed from root */
  const char *event; /* borrowed from root */
  JsonNode *payload; /* borrowed from root; FZ_FRAME_MESSAGE */
  JsonNode *root;    /* owned */
} FzPhoenixFrame;

/**
 * fz_phoenix_frame_parse:
 *
 * Returns: false with FZ_PORTAL_ERROR_TRUNCATED (tear the connection down) or
 *   FZ_PORTAL_ERROR_MALFORMED (ignore the frame), @out untouched then
 */
bool fz_phoenix_frame_parse (const char *text, size_t length, FzPhoenixFrame *out, GError **error);
void fz_phoenix_frame_clear (FzPhoenixFrame *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzPhoenixFrame, fz_phoenix_frame_clear)

/* @payload: JSON text. All four members are written, as the upstream portal wants them. */
char *
fz_phoenix_frame_write (const char *topic, const char *event, const char *payload, uint64_t ref);

const char *fz_reply_reason_name (FzReplyReason reason);
