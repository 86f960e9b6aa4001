/* fz-phoenix-channel.h
 *
 * One Phoenix channel as a sans-IO state machine (portal-protocol.md §3.5 to
 * §3.13): what is sent when, what an arriving frame means, when to dial again
 * and when to give up. No socket, no clock: FzPhoenix feeds it and does what it
 * asks.
 *
 *             connect                  upgraded              join ok
 *   CLOSED ──────────► WAITING ─► DIALLING ─────► JOINING ───────────► JOINED
 *      ▲                  ▲ delay    │               │                    │
 *      │                  └──────────┴── failed ─────┴─── lost, silent ───┘
 *      └── fatal, from any; close () ─► CLOSING ─► CLOSED
 *
 * connect () in any state drops what is there and starts at WAITING.
 */
#pragma once

#include "src/base/fz-instant.h"
#include "src/base/fz-log.h"
#include "src/base/fz-rng.h"
#include "src/portal/fz-backoff.h"
#include "src/portal/fz-portal-error.h"

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stddef.h>

#define FZ_CHANNEL_HEARTBEAT_NS      (10 * FZ_S)
/* To go with what else wakes us up: where nothing else happens, checks of idle paths do, every 25
 * s. A portal gives us up after 37 s of silence. */
#define FZ_CHANNEL_HEARTBEAT_LATE_NS (15500 * FZ_MS)
#define FZ_CHANNEL_HEARTBEATS_LOST   4u          /* unanswered ones that end the connection */
#define FZ_CHANNEL_JOIN_NS           (5 * FZ_S)  /* longest wait for the answer to a join */
#define FZ_CHANNEL_DIAL_NS           (15 * FZ_S) /* TCP, TLS and upgrade together */
#define FZ_CHANNEL_CLOSE_NS          (1 * FZ_S)  /* longest wait for a graceful close */
#define FZ_CHANNEL_QUEUED_MAX        1024u       /* messages waiting for the join */
#define FZ_CHANNEL_RETRY_AFTER_MAX_S (366u * 86400u)

typedef enum {
  FZ_CHANNEL_CLOSED,   /* nothing open; no deadline */
  FZ_CHANNEL_WAITING,  /* deadline: dial */
  FZ_CHANNEL_DIALLING, /* transport being set up; deadline: give this attempt up */
  FZ_CHANNEL_JOINING,  /* upgraded, join unanswered; deadlines: join, heartbeat */
  FZ_CHANNEL_JOINED,   /* deadline: heartbeat */
  FZ_CHANNEL_CLOSING,  /* close frame sent; deadline: stop waiting for the other side */
} FzChannelState;

typedef enum {
  FZ_CHANNEL_OUT_DIAL,            /* answer with one of handle_upgraded, _refused, _lost */
  FZ_CHANNEL_OUT_SEND,            /* text: one frame */
  FZ_CHANNEL_OUT_CLOSE_TRANSPORT, /* with code 1000, in the background */
  FZ_CHANNEL_OUT_DROP_TRANSPORT,  /* or the dial in flight; nothing of it may be handed in later */
  FZ_CHANNEL_OUT_CONNECTED,
  FZ_CHANNEL_OUT_DISCONNECTED, /* text: why; delay_ns until the next attempt */
  FZ_CHANNEL_OUT_MESSAGE,      /* text: event; payload */
  FZ_CHANNEL_OUT_FAILED,       /* error: fatal, the channel is closed */
  FZ_CHANNEL_OUT_CLOSED,       /* after close () */
} FzChannelOutKind;

typedef struct {
  FzChannelOutKind kind;
  char *text;
  JsonNode *payload;
  uint64_t delay_ns;
  FzPortalRefusal refusal; /* DISCONNECTED: what the portal said, if it said anything */
  GError *error;
} FzChannelOut; /* everything in it is owned */

void fz_channel_out_clear (FzChannelOut *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzChannelOut, fz_channel_out_clear)

typedef struct {
  const char *topic;         /* "client", "gateway"; static */
  const char *join_payload;  /* JSON text; static */
  const char *hello_event;   /* first message after each join; NULL: none; static */
  const char *hello_payload; /* JSON text; static */
  uint64_t budget_ns;        /* of the delays after the first join; FZ_BACKOFF_UNLIMITED */
  bool is_patient; /* @budget_ns holds for the first join too: nobody waits for an answer */
  FzRng rng;       /* jitter */
  FzLog log;
} FzPhoenixChannelConfig;

typedef struct FzPhoenixChannel FzPhoenixChannel;

FzPhoenixChannel *fz_phoenix_channel_new (const FzPhoenixChannelConfig *config);
void fz_phoenix_channel_free (FzPhoenixChannel *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzPhoenixChannel, fz_phoenix_channel_free)

FzChannelState fz_phoenix_channel_get_state (const FzPhoenixChannel *self);

/* Of the newest answered heartbeat; 0 while that is unknown. */
uint64_t fz_phoenix_channel_get_rtt_ns (const FzPhoenixChannel *self);

/* -- input -- */

/* Deliberate (re)connect: at once, back-off forgotten. */
void fz_phoenix_channel_connect (FzPhoenixChannel *self, FzInstant now);

/* Graceful end; FZ_CHANNEL_OUT_CLOSED follows. Where nothing is joined it follows at once. */
void fz_phoenix_channel_close (FzPhoenixChannel *self, FzInstant now);

/* Queues a message; dropped while not connected, or if the same is queued already. */
void fz_phoenix_channel_send (FzPhoenixChannel *self,
                              const char *event,
                              const char *payload,
                              FzInstant now);

void fz_phoenix_channel_handle_upgraded (FzPhoenixChannel *self, FzInstant now);

/* What an HTTP answer other than 101 said. */
typedef struct {
  unsigned status;
  const char *code;   /* of problem details; NULL: none */
  const char *detail; /* likewise */
  bool has_retry_after;
  uint64_t retry_after_s;
} FzChannelRefusal;

void fz_phoenix_channel_handle_refused (FzPhoenixChannel *self,
                                        const FzChannelRefusal *refusal,
                                        FzInstant now);

/* The transport ended, or could not be made: @why is for the log. */
void fz_phoenix_channel_handle_lost (FzPhoenixChannel *self, const char *why, FzInstant now);

void fz_phoenix_channel_handle_text (FzPhoenixChannel *self,
                                     const char *text,
                                     size_t length,
                                     FzInstant now);
void fz_phoenix_channel_handle_binary (FzPhoenixChannel *self);
void fz_phoenix_channel_handle_timeout (FzPhoenixChannel *self, FzInstant now);

/* -- output -- */

/* When to wake up for fz_phoenix_channel_handle_timeout, and whether there is something to do now
 * for who is awake: while the portal answers, a heartbeat may wait for company. */
FzInstant fz_phoenix_channel_next_timeout (const FzPhoenixChannel *self);
bool fz_phoenix_channel_is_due (const FzPhoenixChannel *self, FzInstant now);
bool fz_phoenix_channel_poll (FzPhoenixChannel *self, FzChannelOut *out);
