/* fz-phoenix-channel.c
 *
 * The channel keeps two queues: `out`, what the caller has to do or hear, in
 * order; and `queued`, application messages that wait for the join, for the
 * upstream portal may lose frames that are pipelined behind an unanswered join.
 */
#include "src/portal/fz-phoenix-channel.h"

#include "src/portal/fz-phoenix-frame.h"
#include "src/portal/fz-portal-error.h"

#include <string.h>

typedef struct {
  char *event;
  char *payload; /* JSON text */
} Queued;

struct FzPhoenixChannel {
  FzPhoenixChannelConfig config;
  FzChannelState state;
  FzInstant deadline; /* of the state; JOINED has none but the heartbeat */

  FzBackoff backoff;
  bool is_backing_off; /* backoff holds the delays of a running series */
  bool was_joined;     /* once in the life of this channel */

  /* JOINING and JOINED only */
  FzInstant next_heartbeat;
  uint64_t next_ref;
  uint64_t join_ref;
  uint64_t heartbeats[FZ_CHANNEL_HEARTBEATS_LOST]; /* refs of the unanswered */
  FzInstant sent[FZ_CHANNEL_HEARTBEATS_LOST];      /* when each left */
  uint64_t rtt_ns; /* of the newest answered heartbeat; 0: none yet */
  size_t n_heartbeats;
  GQueue queued; /* Queued */

  GQueue out; /* FzChannelOut */
};

static const uint8_t allowed_next[] = {
  [FZ_CHANNEL_CLOSED] = 1 << FZ_CHANNEL_WAITING | 1 << FZ_CHANNEL_CLOSED,
  [FZ_CHANNEL_WAITING] =
      1 << FZ_CHANNEL_DIALLING | 1 << FZ_CHANNEL_WAITING | 1 << FZ_CHANNEL_CLOSED,
  [FZ_CHANNEL_DIALLING] =
      1 << FZ_CHANNEL_JOINING | 1 << FZ_CHANNEL_WAITING | 1 << FZ_CHANNEL_CLOSED,
  [FZ_CHANNEL_JOINING] = 1 << FZ_CHANNEL_JOINED | 1 << FZ_CHANNEL_WAITING |
                         1 << FZ_CHANNEL_CLOSING | 1 << FZ_CHANNEL_CLOSED,
  [FZ_CHANNEL_JOINED] = 1 << FZ_CHANNEL_JOINING | 1 << FZ_CHANNEL_WAITING |
                        1 << FZ_CHANNEL_CLOSING | 1 << FZ_CHANNEL_CLOSED,
  [FZ_CHANNEL_CLOSING] = 1 << FZ_CHANNEL_WAITING | 1 << FZ_CHANNEL_CLOSED,
};

static const char *
state_name (FzChannelState state)
{
  switch (state) {
  case FZ_CHANNEL_CLOSED:
    return "closed";
  case FZ_CHANNEL_WAITING:
    return "waiting";
  case FZ_CHANNEL_DIALLING:
    return "dialling";
  case FZ_CHANNEL_JOINING:
    return "joining";
  case FZ_CHANNEL_JOINED:
    return "joined";
  case FZ_CHANNEL_CLOSING:
    return "closing";
  }
  g_assert_not_reached ();
}

static void
set_state (FzPhoenixChannel *self, FzChannelState next, FzInstant deadline)
{
  g_assert (allowed_next[self->state] & (1 << next));
  fz_log (&self->config.log,
          FZ_LOG_TRACE,
          "channel-state",
          "channel changed its state",
          FZ_KV_TEXT ("from", state_name (self->state)),
          FZ_KV_TEXT ("to", state_name (next)));
  self->state = next;
  self->deadline = deadline;
}

/* -- the queues -- */

void
fz_channel_out_clear (FzChannelOut *self)
{
  g_clear_pointer (&self->text, g_free);
  g_clear_pointer (&self->payload, json_node_unref);
  g_clear_error (&self->error);
}

static FzChannelOut *
push (FzPhoenixChannel *self, FzChannelOutKind kind)
{
  FzChannelOut *out = g_new0 (FzChannelOut, 1);

  out->kind = kind;
  g_queue_push_tail (&self->out, out);
  return out;
}

static void
free_out (gpointer data)
{
  fz_channel_out_clear (data);
  g_free (data);
}

static void
free_queued (gpointer data)
{
  Queued *queued = data;

  g_free (queued->event);
  g_free (queued->payload);
  g_free (queued);
}

static uint64_t
send_frame (FzPhoenixChannel *self, const char *topic, const char *event, const char *payload)
{
  uint64_t ref = self->next_ref++;

  push (self, FZ_CHANNEL_OUT_SEND)->text = fz_phoenix_frame_write (topic, event, payload, ref);
  return ref;
}

static void
flush_queued (FzPhoenixChannel *self)
{
  Queued *queued;

  while ((queued = g_queue_pop_head (&self->queued)) != NULL) {
    send_frame (self, self->config.topic, queued->event, queued->payload);
    free_queued (queued);
  }
}

static void
send_join (FzPhoenixChannel *self, FzInstant now)
{
  set_state (self, FZ_CHANNEL_JOINING, fz_instant_add (now, FZ_CHANNEL_JOIN_NS));
  self->join_ref = send_frame (self, self->config.topic, "phx_join", self->config.join_payload);
}

/* -- ending a connection -- */

static bool
has_transport (const FzPhoenixChannel *self)
{
  return self->state == FZ_CHANNEL_DIALLING || self->state == FZ_CHANNEL_JOINING ||
         self->state == FZ_CHANNEL_JOINED || self->state == FZ_CHANNEL_CLOSING;
}

/* @before and @detail are joined to the sentence that the user will see. */
static void
fail (FzPhoenixChannel *self, FzPortalError code, const char *before, const char *detail)
{
  if (has_transport (self))
    push (self, FZ_CHANNEL_OUT_DROP_TRANSPORT);
  set_state (self, FZ_CHANNEL_CLOSED, FZ_INSTANT_NEVER);
  g_queue_clear_full (&self->queued, free_queued);

  g_set_error (&push (self, FZ_CHANNEL_OUT_FAILED)->error,
               FZ_PORTAL_ERROR,
               (int) code,
               "%s: %s",
               before,
               detail);
}

static void
wait_and_retry (FzPhoenixChannel *self,
                FzPortalRefusal refusal,
                const char *why,
                uint64_t delay_ns,
                FzInstant now)
{
  FzChannelOut *out;

  if (has_transport (self))
    push (self, FZ_CHANNEL_OUT_DROP_TRANSPORT);
  set_state (self, FZ_CHANNEL_WAITING, fz_instant_add (now, delay_ns));
  g_queue_clear_full (&self->queued, free_queued);

  out = push (self, FZ_CHANNEL_OUT_DISCONNECTED);
  out->refusal = refusal;
  out->text = g_strdup (why);
  out->delay_ns = delay_ns;
}

/* A transient failure: the next attempt by the back-off, or the end of all patience. */
static void
back_off (FzPhoenixChannel *self, FzPortalRefusal refusal, const char *why, FzInstant now)
{
  uint64_t delay_ns;

  if (!self->is_backing_off) {
    fz_backoff_init (&self->backoff,
                     self->was_joined || self->config.is_patient
                         ? fz_backoff_reconnect (self->config.budget_ns)
                         : fz_backoff_first_connect);
    self->is_backing_off = true;
  }

  if (fz_backoff_next (&self->backoff, &self->config.rng, &delay_ns))
    wait_and_retry (self, refusal, why, delay_ns, now);
  else
    fail (self,
          FZ_PORTAL_ERROR_RETRIES_EXHAUSTED,
          "the portal could not be reached and the time to retry is used up; last failure",
          why);
}

static void
hiccup (FzPhoenixChannel *self, const char *why, FzInstant now)
{
  back_off (self, FZ_PORTAL_REFUSAL_NONE, why, now);
}

/* -- arriving frames -- */

static bool
answers_heartbeat (FzPhoenixChannel *self, uint64_t ref, FzInstant now)
{
  for (size_t i = 0; i < self->n_heartbeats; i++)
    if (self->heartbeats[i] == ref) {
      self->rtt_ns = fz_instant_since (self->sent[i], now);
      self->heartbeats[i] = self->heartbeats[--self->n_heartbeats];
      self->sent[i] = self->sent[self->n_heartbeats];
      return true;
    }
  return false;
}

static void
handle_ok (FzPhoenixChannel *self, const FzPhoenixFrame *frame, FzInstant now)
{
  if (answers_heartbeat (self, frame->ref, now))
    return;
  if (self->state != FZ_CHANNEL_JOINING || frame->ref != self->join_ref ||
      strcmp (frame->topic, self->config.topic) != 0)
    return;

  set_state (self, FZ_CHANNEL_JOINED, FZ_INSTANT_NEVER);
  self->is_backing_off = false;
  self->was_joined = true;
  if (self->config.hello_event != NULL)
    send_frame (self, self->config.topic, self->config.hello_event, self->config.hello_payload);
  push (self, FZ_CHANNEL_OUT_CONNECTED);
  flush_queued (self);
}

static void
handle_error_reply (FzPhoenixChannel *self, const FzPhoenixFrame *frame, FzInstant now)
{
  bool is_ours = strcmp (frame->topic, self->config.topic) == 0;

  if (is_ours && self->state == FZ_CHANNEL_JOINING && frame->ref == self->join_ref) {
    fail (self,
          FZ_PORTAL_ERROR_LOGIN_FAILED,
          "the portal refused the login",
          fz_reply_reason_name (frame->reason));
    return;
  }

  fz_log (&self->config.log,
          FZ_LOG_DEBUG,
          "portal-error-reply",
          "portal answered a message with an error",
          FZ_KV_U64 ("ref", frame->ref),
          FZ_KV_TEXT ("reason", fz_reply_reason_name (frame->reason)));
  if (is_ours && frame->reason == FZ_REPLY_REASON_UNMATCHED_TOPIC &&
      self->state == FZ_CHANNEL_JOINED)
    send_join (self, now);
}

static void
handle_message (FzPhoenixChannel *self, const FzPhoenixFrame *frame)
{
  FzChannelOut *out;

  if (strcmp (frame->topic, self->config.topic) != 0) {
    fz_log_plain (&self->config.log,
                  FZ_LOG_DEBUG,
                  "portal-foreign-topic",
                  "ignored a message of another topic");
    return;
  }

  out = push (self, FZ_CHANNEL_OUT_MESSAGE);
  out->text = g_strdup (frame->event);
  out->payload = json_node_ref (frame->payload);
}

static void
handle_frame (FzPhoenixChannel *self, const FzPhoenixFrame *frame, FzInstant now)
{
  switch (frame->kind) {
  case FZ_FRAME_MESSAGE:
    handle_message (self, frame);
    break;
  case FZ_FRAME_OK:
  case FZ_FRAME_OK_NULL:
  case FZ_FRAME_ERROR_REPLY:
    if (!frame->has_ref)
      fz_log_plain (&self->config.log,
                    FZ_LOG_WARNING,
                    "portal-reply-without-ref",
                    "ignored a reply of the portal that does not say what it answers");
    else if (frame->kind == FZ_FRAME_OK)
      handle_ok (self, frame, now);
    else if (frame->kind == FZ_FRAME_ERROR_REPLY)
      handle_error_reply (self, frame, now);
    break;
  case FZ_FRAME_PHX_ERROR:
    fz_log_plain (
        &self->config.log, FZ_LOG_DEBUG, "portal-channel-error", "channel crashed at the portal");
    break;
  case FZ_FRAME_PHX_CLOSE:
    hiccup (self, "the portal closed the channel", now);
    break;
  case FZ_FRAME_TOKEN_EXPIRED:
    fail (self,
          FZ_PORTAL_ERROR_INVALID_TOKEN,
          "the portal ended the session",
          "the token has expired or was revoked, or another process uses this device's identity");
    break;
  }
}

/* -- public -- */

FzPortalRefusal
fz_portal_refusal_of (unsigned status, const char *code)
{
  static const struct {
    unsigned status;
    const char *code; /* NULL: any */
    FzPortalRefusal refusal;
  } rows[] = {
    { 400, "invalid_connect_params", FZ_PORTAL_REFUSAL_DEVICE },
    { 402, NULL, FZ_PORTAL_REFUSAL_DEVICE },
    { 403, "account_disabled", FZ_PORTAL_REFUSAL_ACCOUNT },
    { 403, "device_untrusted", FZ_PORTAL_REFUSAL_DEVICE },
    { 403, "certificate_revoked", FZ_PORTAL_REFUSAL_DEVICE },
    { 403, "unauthenticated", FZ_PORTAL_REFUSAL_DEVICE },
    { 409, "device_identity_conflict", FZ_PORTAL_REFUSAL_DEVICE },
    { 426, NULL, FZ_PORTAL_REFUSAL_VERSION }, /* RFC 9110 §15.5.22 */
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    if (rows[i].status == status && (rows[i].code == NULL || g_strcmp0 (rows[i].code, code) == 0))
      return rows[i].refusal;
  return FZ_PORTAL_REFUSAL_NONE; /* 403 of a proxy, say */
}

FzPhoenixChannel *
fz_phoenix_channel_new (const FzPhoenixChannelConfig *config)
{
  FzPhoenixChannel *self = g_new0 (FzPhoenixChannel, 1);

  self->config = *config;
  self->deadline = FZ_INSTANT_NEVER;
  g_queue_init (&self->queued);
  g_queue_init (&self->out);
  return self;
}

void
fz_phoenix_channel_free (FzPhoenixChannel *self)
{
  if (self == NULL)
    return;

  g_queue_clear_full (&self->queued, free_queued);
  g_queue_clear_full (&self->out, free_out);
  g_free (self);
}

uint64_t
fz_phoenix_channel_get_rtt_ns (const FzPhoenixChannel *self)
{
  return self->state == FZ_CHANNEL_JOINED ? self->rtt_ns : 0;
}

FzChannelState
fz_phoenix_channel_get_state (const FzPhoenixChannel *self)
{
  return self->state;
}

void
fz_phoenix_channel_connect (FzPhoenixChannel *self, FzInstant now)
{
  if (self->state == FZ_CHANNEL_JOINING || self->state == FZ_CHANNEL_JOINED)
    push (self, FZ_CHANNEL_OUT_CLOSE_TRANSPORT);
  else if (self->state == FZ_CHANNEL_DIALLING)
    push (self, FZ_CHANNEL_OUT_DROP_TRANSPORT);

  set_state (self, FZ_CHANNEL_WAITING, now);
  g_queue_clear_full (&self->queued, free_queued);
  self->is_backing_off = false;
  fz_phoenix_channel_handle_timeout (self, now);
}

void
fz_phoenix_channel_close (FzPhoenixChannel *self, FzInstant now)
{
  switch (self->state) {
  case FZ_CHANNEL_JOINING:
  case FZ_CHANNEL_JOINED:
    push (self, FZ_CHANNEL_OUT_CLOSE_TRANSPORT);
    set_state (self, FZ_CHANNEL_CLOSING, fz_instant_add (now, FZ_CHANNEL_CLOSE_NS));
    break;
  case FZ_CHANNEL_DIALLING:
    push (self, FZ_CHANNEL_OUT_DROP_TRANSPORT);
    set_state (self, FZ_CHANNEL_CLOSED, FZ_INSTANT_NEVER);
    push (self, FZ_CHANNEL_OUT_CLOSED);
    break;
  case FZ_CHANNEL_CLOSED:
  case FZ_CHANNEL_WAITING:
    set_state (self, FZ_CHANNEL_CLOSED, FZ_INSTANT_NEVER);
    push (self, FZ_CHANNEL_OUT_CLOSED);
    break;
  case FZ_CHANNEL_CLOSING:
    break;
  }
  g_queue_clear_full (&self->queued, free_queued);
}

static int
compare_queued (gconstpointer a, gconstpointer b)
{
  const Queued *left = a, *right = b;

  return strcmp (left->event, right->event) != 0 || strcmp (left->payload, right->payload) != 0;
}

static void
enqueue (FzPhoenixChannel *self, const char *event, const char *payload)
{
  Queued queued = { (char *) event, (char *) payload };

  if (g_queue_find_custom (&self->queued, &queued, compare_queued) != NULL)
    return;
  if (self->queued.length >= FZ_CHANNEL_QUEUED_MAX) {
    fz_log (&self->config.log,
            FZ_LOG_WARNING,
            "portal-queue-full",
            "dropped a message to the portal: too many wait for the login",
            FZ_KV_TEXT ("name", event));
    return;
  }
  queued = (Queued){ g_strdup (event), g_strdup (payload) };
  g_queue_push_tail (&self->queued, g_memdup2 (&queued, sizeof queued));
}

void
fz_phoenix_channel_send (FzPhoenixChannel *self,
                         const char *event,
                         const char *payload,
                         FzInstant now)
{
  switch (self->state) {
  case FZ_CHANNEL_JOINED:
    send_frame (self, self->config.topic, event, payload);
    break;
  case FZ_CHANNEL_JOINING:
    enqueue (self, event, payload);
    break;
  case FZ_CHANNEL_CLOSED:
  case FZ_CHANNEL_WAITING:
  case FZ_CHANNEL_DIALLING:
  case FZ_CHANNEL_CLOSING:
    fz_log (&self->config.log,
            FZ_LOG_DEBUG,
            "portal-not-connected",
            "dropped a message to the portal: not connected",
            FZ_KV_TEXT ("name", event));
    break;
  }
}

void
fz_phoenix_channel_handle_upgraded (FzPhoenixChannel *self, FzInstant now)
{
  if (self->state != FZ_CHANNEL_DIALLING)
    return;

  self->next_ref = 0;
  self->n_heartbeats = 0;
  self->next_heartbeat = fz_instant_add (now, FZ_CHANNEL_HEARTBEAT_NS);
  send_join (self, now);
}

void
fz_phoenix_channel_handle_refused (FzPhoenixChannel *self,
                                   const FzChannelRefusal *refusal,
                                   FzInstant now)
{
  g_autofree char *why = NULL;
  bool names_token = g_strcmp0 (refusal->code, "invalid_token") == 0 ||
                     g_strcmp0 (refusal->code, "missing_token") == 0;
  g_autofree char *detail = refusal->detail != NULL
                                ? g_strdup_printf ("\u201c%s\u201d", refusal->detail)
                                : g_strdup ("no reason given");

  if (self->state != FZ_CHANNEL_DIALLING)
    return;

  if (refusal->status == 401 && names_token) {
    fail (self, FZ_PORTAL_ERROR_INVALID_TOKEN, "the portal does not accept the token", detail);
    return;
  }
  if (refusal->status == 401) {
    fail (self,
          FZ_PORTAL_ERROR_AUTHENTICATION_FAILED,
          "the portal refused to authenticate this device",
          detail);
    return;
  }

  /* The portal's own words stand in quotes: they may name people and machines (fz-log-redact.h). */
  why = g_strdup_printf ("the portal answered with HTTP status %u%s%s%s%s",
                         refusal->status,
                         refusal->code != NULL ? ", code " : "",
                         refusal->code != NULL ? refusal->code : "",
                         refusal->detail != NULL ? ": " : "",
                         refusal->detail != NULL ? detail : "");
  if (refusal->has_retry_after)
    wait_and_retry (self,
                    fz_portal_refusal_of (refusal->status, refusal->code),
                    why,
                    MIN (refusal->retry_after_s, FZ_CHANNEL_RETRY_AFTER_MAX_S) * FZ_S,
                    now);
  else
    back_off (self, fz_portal_refusal_of (refusal->status, refusal->code), why, now);
}

void
fz_phoenix_channel_handle_lost (FzPhoenixChannel *self, const char *why, FzInstant now)
{
  switch (self->state) {
  case FZ_CHANNEL_DIALLING:
  case FZ_CHANNEL_JOINING:
  case FZ_CHANNEL_JOINED:
    hiccup (self, why, now);
    break;
  case FZ_CHANNEL_CLOSING:
    push (self, FZ_CHANNEL_OUT_DROP_TRANSPORT);
    set_state (self, FZ_CHANNEL_CLOSED, FZ_INSTANT_NEVER);
    push (self, FZ_CHANNEL_OUT_CLOSED);
    break;
  case FZ_CHANNEL_CLOSED:
  case FZ_CHANNEL_WAITING:
    break;
  }
}

void
fz_phoenix_channel_handle_text (FzPhoenixChannel *self,
                                const char *text,
                                size_t length,
                                FzInstant now)
{
  g_auto (FzPhoenixFrame) frame = { 0 };
  g_autoptr (GError) error = NULL;

  if (self->state != FZ_CHANNEL_JOINING && self->state != FZ_CHANNEL_JOINED)
    return;

  if (fz_phoenix_frame_parse (text, length, &frame, &error))
    handle_frame (self, &frame, now);
  else if (g_error_matches (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_TRUNCATED))
    hiccup (self, "the portal sent a truncated frame", now);
  else
    fz_log (&self->config.log,
            FZ_LOG_WARNING,
            "portal-bad-frame",
            "ignored a frame of the portal that makes no sense",
            FZ_KV_TEXT ("problem", error->message),
            FZ_KV_U64 ("length_bytes", length));
}

void
fz_phoenix_channel_handle_binary (FzPhoenixChannel *self)
{
  fz_log_plain (&self->config.log,
                FZ_LOG_WARNING,
                "portal-binary-frame",
                "ignored a binary frame of the portal");
}

static void
send_heartbeat (FzPhoenixChannel *self, FzInstant now)
{
  self->next_heartbeat = fz_instant_add (now, FZ_CHANNEL_HEARTBEAT_NS);
  self->sent[self->n_heartbeats] = now;
  self->heartbeats[self->n_heartbeats++] = send_frame (self, "phoenix", "heartbeat", "{}");
  if (self->n_heartbeats == FZ_CHANNEL_HEARTBEATS_LOST)
    hiccup (self, "the portal left too many heartbeats unanswered", now);
}

void
fz_phoenix_channel_handle_timeout (FzPhoenixChannel *self, FzInstant now)
{
  if (!fz_phoenix_channel_is_due (self, now))
    return;

  switch (self->state) {
  case FZ_CHANNEL_CLOSED:
    break;
  case FZ_CHANNEL_WAITING:
    set_state (self, FZ_CHANNEL_DIALLING, fz_instant_add (now, FZ_CHANNEL_DIAL_NS));
    push (self, FZ_CHANNEL_OUT_DIAL);
    break;
  case FZ_CHANNEL_DIALLING:
    hiccup (self, "connecting to the portal took too long", now);
    break;
  case FZ_CHANNEL_JOINING:
    if (now >= self->deadline)
      hiccup (self, "the portal did not answer the login in time", now);
    else
      send_heartbeat (self, now);
    break;
  case FZ_CHANNEL_JOINED:
    send_heartbeat (self, now);
    break;
  case FZ_CHANNEL_CLOSING:
    fz_phoenix_channel_handle_lost (self, "closed", now);
    break;
  }
}

/* A connection that may be dead is found out in the usual time. */
static uint64_t
heartbeat_late_ns (const FzPhoenixChannel *self)
{
  return self->state == FZ_CHANNEL_JOINED && self->n_heartbeats == 0 ? FZ_CHANNEL_HEARTBEAT_LATE_NS
                                                                     : 0;
}

static FzInstant
next_timeout (const FzPhoenixChannel *self, uint64_t late_ns)
{
  if (self->state == FZ_CHANNEL_JOINING || self->state == FZ_CHANNEL_JOINED)
    return fz_instant_min (self->deadline, fz_instant_add (self->next_heartbeat, late_ns));
  return self->deadline;
}

FzInstant
fz_phoenix_channel_next_timeout (const FzPhoenixChannel *self)
{
  return next_timeout (self, heartbeat_late_ns (self));
}

bool
fz_phoenix_channel_is_due (const FzPhoenixChannel *self, FzInstant now)
{
  return next_timeout (self, 0) <= now;
}

bool
fz_phoenix_channel_poll (FzPhoenixChannel *self, FzChannelOut *out)
{
  FzChannelOut *head = g_queue_pop_head (&self->out);

  if (head == NULL)
    return false;
  *out = *head;
  g_free (head);
  return true;
}
