/* fz-phoenix.c
 *
 * Every input runs through pump (): what the channel asks for is done in order
 * until it asks for nothing more. A callback may come back in here; then the
 * outer pump goes on with what the inner call added.
 *
 * The channel's time is a source of its own, and no timeout: it is asked whenever
 * the loop turns, for whatever reason, and so a heartbeat that may wait goes out
 * with what wakes us up anyway.
 */
#include "src/portal/fz-phoenix.h"

#include "src/portal/fz-websocket.h"

#include <string.h>
#include <time.h>

typedef struct {
  GSource source;
  FzPhoenix *phoenix;
} TimeSource;

struct FzPhoenix {
  FzPhoenixCallbacks callbacks;
  gpointer user_data;
  bool is_freed; /* by a callback, while a pump still runs */
  bool is_pumping;

  const FzLoginUrl *url;
  const FzToken *token;
  char *user_agent;
  uint32_t mark;
  FzSocketAddress *resolvers; /* NULL: as the system does */
  size_t n_resolvers;
  unsigned speed;
  bool is_known_away; /* has been said since it was last reached */
  FzRng rng;
  FzLog log;

  FzPhoenixChannel *channel;
  FzWebsocket *websocket;
  uint8_t public_key[FZ_KEY_SIZE];
  TimeSource *time;
};

/* CLOCK_BOOTTIME: after a suspend the missed heartbeats are due at once. */
static FzInstant
read_clock (const FzPhoenix *self)
{
  struct timespec now;

  clock_gettime (CLOCK_BOOTTIME, &now);
  return ((uint64_t) now.tv_sec * FZ_S + (uint64_t) now.tv_nsec) * self->speed;
}

static void pump (FzPhoenix *self);

/* -- from the websocket -- */

static void
on_open (gpointer user_data)
{
  FzPhoenix *self = user_data;

  fz_phoenix_channel_handle_upgraded (self->channel, read_clock (self));
  pump (self);
}

static void
on_refused (const FzChannelRefusal *refusal, gpointer user_data)
{
  FzPhoenix *self = user_data;

  fz_phoenix_channel_handle_refused (self->channel, refusal, read_clock (self));
  pump (self);
}

static void
on_text (const char *text, size_t length, gpointer user_data)
{
  FzPhoenix *self = user_data;

  fz_phoenix_channel_handle_text (self->channel, text, length, read_clock (self));
  pump (self);
}

static void
on_binary (gpointer user_data)
{
  FzPhoenix *self = user_data;

  fz_phoenix_channel_handle_binary (self->channel);
}

static void
on_lost (const char *why, gpointer user_data)
{
  FzPhoenix *self = user_data;

  fz_phoenix_channel_handle_lost (self->channel, why, read_clock (self));
  pump (self);
}

/* -- what the channel asks for -- */

static void
dial (FzPhoenix *self)
{
  static const FzWebsocketCallbacks callbacks = {
    .on_open = on_open,
    .on_refused = on_refused,
    .on_text = on_text,
    .on_binary = on_binary,
    .on_lost = on_lost,
  };
  g_autofree char *target = fz_login_url_dup_target (self->url, self->public_key);
  FzWebsocketConfig config = {
    .dial = {
      .host = self->url->host,
      .port = self->url->port,
      .uses_tls = self->url->uses_tls,
      .mark = self->mark,
      .resolvers = self->resolvers,
      .n_resolvers = self->n_resolvers,
      .log = self->log,
    },
    .request = {
      .target = target,
      .host_header = self->url->host_header,
      .user_agent = self->user_agent,
      .token = self->token != NULL ? fz_token_get_text (self->token) : NULL,
    },
  };

  fz_rng_fill (&self->rng, config.request.key, sizeof config.request.key);
  fz_log (&self->log,
          FZ_LOG_DEBUG,
          "portal-connecting",
          "connecting to the portal",
          FZ_KV_TEXT ("host", self->url->host),
          FZ_KV_U64 ("port", self->url->port));
  g_clear_pointer (&self->websocket, fz_websocket_drop);
  self->websocket = fz_websocket_open (&config, &callbacks, self);
}

/* When the channel is closing, the end of the websocket is still of interest. */
static void
close_transport (FzPhoenix *self)
{
  if (self->websocket == NULL)
    return;
  if (fz_phoenix_channel_get_state (self->channel) == FZ_CHANNEL_CLOSING)
    fz_websocket_close (self->websocket);
  else
    fz_websocket_abandon (g_steal_pointer (&self->websocket));
}

/* An outage is worth one warning, not one a try. */
static void
report_disconnected (FzPhoenix *self, const FzChannelOut *out)
{
  fz_log (&self->log,
          self->is_known_away ? FZ_LOG_INFO : FZ_LOG_WARNING,
          "portal-disconnected",
          "no connection to the portal, trying again",
          FZ_KV_TEXT ("reason", out->text),
          FZ_KV_U64 ("retry_in_ms", out->delay_ns / FZ_MS));
  self->is_known_away = true;
  self->callbacks.on_disconnected (out->refusal, out->text, out->delay_ns, self->user_data);
}

static void
perform (FzPhoenix *self, const FzChannelOut *out)
{
  switch (out->kind) {
  case FZ_CHANNEL_OUT_DIAL:
    dial (self);
    break;
  case FZ_CHANNEL_OUT_SEND:
    if (self->websocket != NULL)
      fz_websocket_send (self->websocket, out->text);
    break;
  case FZ_CHANNEL_OUT_CLOSE_TRANSPORT:
    close_transport (self);
    break;
  case FZ_CHANNEL_OUT_DROP_TRANSPORT:
    g_clear_pointer (&self->websocket, fz_websocket_abandon);
    break;
  case FZ_CHANNEL_OUT_CONNECTED:
    self->is_known_away = false;
    fz_log (&self->log,
            FZ_LOG_INFO,
            "portal-connected",
            "connected to the portal",
            FZ_KV_TEXT ("host", self->url->host));
    self->callbacks.on_connected (self->user_data);
    break;
  case FZ_CHANNEL_OUT_DISCONNECTED:
    report_disconnected (self, out);
    break;
  case FZ_CHANNEL_OUT_MESSAGE:
    self->callbacks.on_message (out->text, out->payload, self->user_data);
    break;
  case FZ_CHANNEL_OUT_FAILED:
    self->callbacks.on_failed (out->error, self->user_data);
    break;
  case FZ_CHANNEL_OUT_CLOSED:
    self->callbacks.on_closed (self->user_data);
    break;
  }
}

static void
free_time (TimeSource *time)
{
  g_source_destroy (&time->source);
  g_source_unref (&time->source);
}

static void
clear_phoenix (gpointer data)
{
  FzPhoenix *self = data;

  g_clear_pointer (&self->time, free_time);
  g_clear_pointer (&self->websocket, fz_websocket_abandon);
  g_clear_pointer (&self->channel, fz_phoenix_channel_free);
  g_free (self->resolvers);
  g_free (self->user_agent);
}

static void
pump (FzPhoenix *self)
{
  if (self->is_pumping)
    return;

  g_rc_box_acquire (self);
  self->is_pumping = true;
  while (!self->is_freed) {
    g_auto (FzChannelOut) out = { 0 };

    if (!fz_phoenix_channel_poll (self->channel, &out))
      break;
    perform (self, &out);
  }
  self->is_pumping = false;
  g_rc_box_release_full (self, clear_phoenix);
}

/* -- time -- */

static gboolean
is_time_due (GSource *source)
{
  FzPhoenix *self = ((TimeSource *) source)->phoenix;

  return fz_phoenix_channel_is_due (self->channel, read_clock (self));
}

static gboolean
prepare_time (GSource *source, int *timeout_ms)
{
  FzPhoenix *self = ((TimeSource *) source)->phoenix;
  FzInstant next = fz_phoenix_channel_next_timeout (self->channel);
  uint64_t ms = (fz_instant_since (read_clock (self), next) / self->speed + FZ_MS - 1) / FZ_MS;

  *timeout_ms = next == FZ_INSTANT_NEVER ? -1 : (int) MIN (ms, G_MAXINT);
  return is_time_due (source);
}

static gboolean
dispatch_time (GSource *source, GSourceFunc callback, gpointer user_data)
{
  FzPhoenix *self = ((TimeSource *) source)->phoenix;

  fz_phoenix_channel_handle_timeout (self->channel, read_clock (self));
  pump (self);
  return G_SOURCE_CONTINUE;
}

static TimeSource *
new_time (FzPhoenix *self)
{
  static GSourceFuncs functions = { prepare_time, is_time_due, dispatch_time, NULL, NULL, NULL };
  GSource *source = g_source_new (&functions, sizeof (TimeSource));

  ((TimeSource *) source)->phoenix = self;
  g_source_set_static_name (source, "fz-phoenix");
  g_source_set_can_recurse (source, TRUE); /* pump () knows; it saves GLib waking itself up */
  g_source_attach (source, NULL);
  return (TimeSource *) source;
}

/* -- public -- */

FzPhoenix *
fz_phoenix_new (const FzPhoenixConfig *config,
                const FzPhoenixCallbacks *callbacks,
                gpointer user_data)
{
  FzPhoenix *self = g_rc_box_new0 (FzPhoenix);

  self->callbacks = *callbacks;
  self->user_data = user_data;
  self->url = config->url;
  self->token = config->token;
  self->user_agent = g_strdup (config->user_agent);
  self->mark = config->mark;
  self->speed = MAX (config->speed, 1);
  self->rng = config->channel.rng;
  self->log = config->channel.log;
  self->channel = fz_phoenix_channel_new (&config->channel);
  self->time = new_time (self);
  return self;
}

void
fz_phoenix_free (FzPhoenix *self)
{
  if (self == NULL)
    return;

  self->is_freed = true;
  g_clear_pointer (&self->time, free_time);
  g_clear_pointer (&self->websocket, fz_websocket_abandon);
  g_rc_box_release_full (self, clear_phoenix);
}

void
fz_phoenix_connect (FzPhoenix *self, const uint8_t public_key[FZ_KEY_SIZE])
{
  memcpy (self->public_key, public_key, FZ_KEY_SIZE);
  fz_phoenix_channel_connect (self->channel, read_clock (self));
  pump (self);
}

void
fz_phoenix_close (FzPhoenix *self)
{
  fz_phoenix_channel_close (self->channel, read_clock (self));
  pump (self);
}

void
fz_phoenix_send (FzPhoenix *self, const char *event, const char *payload)
{
  fz_phoenix_channel_send (self->channel, event, payload, read_clock (self));
  pump (self);
}

bool
fz_phoenix_is_joined (const FzPhoenix *self)
{
  return fz_phoenix_channel_get_state (self->channel) == FZ_CHANNEL_JOINED;
}

uint64_t
fz_phoenix_get_rtt_ns (const FzPhoenix *self)
{
  return fz_phoenix_channel_get_rtt_ns (self->channel);
}

void
fz_phoenix_set_resolvers (FzPhoenix *self, const FzSocketAddress *resolvers, size_t n)
{
  g_free (self->resolvers);
  self->resolvers = n > 0 ? g_memdup2 (resolvers, n * sizeof *resolvers) : NULL;
  self->n_resolvers = n;
}
