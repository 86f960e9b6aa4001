/* fz-sim-relay.c: see fz-sim-relay.h */

#include "tests/sim/fz-sim-relay.h"

#include "src/engine/fz-stun-auth.h"

#include <string.h>

#define USERNAME          "1767225600:c2FsdA"
#define LIFETIME_S        600u
#define CHANNEL_S         600u
#define FIRST_PORT        49152u
#define ERROR_BAD_REQUEST 400u

typedef struct {
  uint16_t number;
  FzSocketAddress peer;
  FzInstant bound_at;
} Channel;

typedef struct {
  FzSocketAddress client;
  FzSocketAddress server; /* which of our sockets it talks to */
  uint16_t port;          /* of its relayed addresses */
  bool has_v4;
  bool has_v6;
  FzInstant expires_at;
  GArray *channels; /* of Channel */
} Allocation;

struct FzSimRelay {
  FzSim *sim;
  unsigned host;
  FzSimRelayStyle style;
  FzUuid id;
  FzSocketAddress ipv4;
  FzSocketAddress ipv6;
  char *password;
  char nonce[40];
  unsigned n_nonces;
  bool is_silent;
  uint16_t refusal;
  uint16_t next_port;
  GPtrArray *allocations; /* of Allocation */
  FzSimRelayCounters counters;
};

typedef struct {
  const FzStunMessage *message;
  FzSocketAddress local;
  FzSocketAddress from;
  uint8_t key[FZ_STUN_LONG_TERM_KEY_SIZE];
  bool is_authentic;
  bool can_sign; /* the user is known */
  FzInstant now;
} Request;

static const char *
realm_of (const FzSimRelay *self)
{
  return self->style == FZ_SIM_RELAY_COTURN ? "example.org" : "firezone";
}

static void
free_allocation (gpointer data)
{
  Allocation *allocation = data;

  g_array_unref (allocation->channels);
  g_free (allocation);
}

static void
renew_nonce (FzSimRelay *self)
{
  g_snprintf (self->nonce, sizeof self->nonce, "nonce-%u-of-%u", ++self->n_nonces, self->host);
}

/* -- answers -- */

static void
begin_answer (const Request *request, FzWriter *w, uint8_t *buffer, uint16_t class)
{
  fz_stun_begin (w,
                 buffer,
                 FZ_STUN_WRITE_MAX,
                 request->message->type | class,
                 &request->message->transaction_id);
}

static void
send_answer (FzSimRelay *self, const Request *request, FzWriter *w, bool is_signed)
{
  if (is_signed)
    fz_stun_sign (w, fz_span (request->key, sizeof request->key));
  g_assert_true (w->ok);
  fz_sim_send (
      self->sim, self->host, &request->local, &request->from, fz_span (w->start, w->length));
}

static void
send_error (FzSimRelay *self, const Request *request, uint16_t code)
{
  bool is_challenge = code == FZ_STUN_ERROR_UNAUTHENTICATED || code == FZ_STUN_ERROR_STALE_NONCE;
  bool signs = self->style == FZ_SIM_RELAY_FIREZONE ? request->can_sign
                                                    : request->is_authentic && !is_challenge;
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzWriter w;

  begin_answer (request, &w, buffer, FZ_STUN_CLASS_ERROR);
  fz_stun_write_error (&w, code, "no");
  if (is_challenge) {
    fz_stun_write_text (&w, FZ_STUN_REALM, realm_of (self));
    fz_stun_write_text (&w, FZ_STUN_NONCE, self->nonce);
  }
  send_answer (self, request, &w, signs);
}

static void
answer_binding (FzSimRelay *self, const Request *request)
{
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzWriter w;

  self->counters.n_bindings++;
  begin_answer (request, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  fz_stun_write_xor_address (&w, FZ_STUN_XOR_MAPPED_ADDRESS, &request->from);
  send_answer (self, request, &w, false);
}

/* -- who asks -- */

static bool
is_text (FzSpan span, const char *text)
{
  return span.length == strlen (text) && memcmp (span.data, text, span.length) == 0;
}

static void
identify (const FzSimRelay *self, Request *request)
{
  const FzStunMessage *m = request->message;

  fz_stun_long_term_key (fz_span (USERNAME, strlen (USERNAME)),
                         fz_span (realm_of (self), strlen (realm_of (self))),
                         fz_span (self->password, strlen (self->password)),
                         request->key);
  request->can_sign = fz_stun_has (m, FZ_STUN_HAS_USERNAME) && is_text (m->username, USERNAME);
  request->is_authentic = request->can_sign && fz_stun_has (m, FZ_STUN_HAS_REALM) &&
                          is_text (m->realm, realm_of (self)) &&
                          fz_stun_verify (m, fz_span (request->key, sizeof request->key));
}

/* 0, or the error that a request without proper credentials gets. */
static uint16_t
check_credentials (const FzSimRelay *self, const Request *request)
{
  const FzStunMessage *m = request->message;

  if (!fz_stun_has (m, FZ_STUN_HAS_INTEGRITY))
    return FZ_STUN_ERROR_UNAUTHENTICATED;
  if (!fz_stun_has (m, FZ_STUN_HAS_NONCE))
    return self->style == FZ_SIM_RELAY_COTURN ? ERROR_BAD_REQUEST : FZ_STUN_ERROR_UNAUTHENTICATED;
  if (!request->is_authentic)
    return FZ_STUN_ERROR_UNAUTHENTICATED;
  if (!is_text (m->nonce, self->nonce))
    return FZ_STUN_ERROR_STALE_NONCE;
  return 0;
}

static Allocation *
find_allocation (FzSimRelay *self, const FzSocketAddress *client, FzInstant now)
{
  for (guint i = 0; i < self->allocations->len; i++) {
    Allocation *allocation = g_ptr_array_index (self->allocations, i);

    if (allocation->expires_at > now && fz_socket_address_equal (&allocation->client, client))
      return allocation;
  }
  return NULL;
}

/* -- methods -- */

static void
write_relayed (FzWriter *w, const FzSocketAddress *ours, uint16_t port)
{
  FzSocketAddress relayed = { .ip = ours->ip, .port = port };

  fz_stun_write_xor_address (w, FZ_STUN_XOR_RELAYED_ADDRESS, &relayed);
}

static Allocation *
add_allocation (FzSimRelay *self, const Request *request)
{
  Allocation *allocation = g_new0 (Allocation, 1);
  bool wants_v6 = request->message->additional_family == 2;

  allocation->client = request->from;
  allocation->server = request->local;
  allocation->port = self->next_port++;
  allocation->has_v4 = self->ipv4.ip.family != FZ_IP_NONE;
  allocation->has_v6 = wants_v6 && self->ipv6.ip.family != FZ_IP_NONE;
  allocation->expires_at = fz_instant_add (request->now, LIFETIME_S * FZ_S);
  allocation->channels = g_array_new (FALSE, FALSE, sizeof (Channel));
  g_ptr_array_add (self->allocations, allocation);
  return allocation;
}

static void
answer_allocate (FzSimRelay *self, const Request *request)
{
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  const Allocation *allocation;
  FzWriter w;

  if (self->refusal != 0) {
    send_error (self, request, self->refusal);
    return;
  }
  if (request->message->transport != 17) {
    send_error (self, request, 442);
    return;
  }
  if (find_allocation (self, &request->from, request->now) != NULL) {
    send_error (self, request, FZ_STUN_ERROR_ALLOCATION_MISMATCH);
    return;
  }
  allocation = add_allocation (self, request);
  begin_answer (request, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  if (allocation->has_v4)
    write_relayed (&w, &self->ipv4, allocation->port);
  if (allocation->has_v6)
    write_relayed (&w, &self->ipv6, allocation->port);
  fz_stun_write_xor_address (&w, FZ_STUN_XOR_MAPPED_ADDRESS, &request->from);
  fz_stun_write_u32 (&w, FZ_STUN_LIFETIME, LIFETIME_S);
  send_answer (self, request, &w, true);
}

static void
answer_refresh (FzSimRelay *self, const Request *request)
{
  Allocation *allocation = find_allocation (self, &request->from, request->now);
  bool is_delete =
      fz_stun_has (request->message, FZ_STUN_HAS_LIFETIME) && request->message->lifetime_s == 0;
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzWriter w;

  if (self->style == FZ_SIM_RELAY_COTURN && fz_stun_has (request->message, FZ_STUN_HAS_TRANSPORT)) {
    send_error (self, request, FZ_STUN_ERROR_UNKNOWN_ATTRIBUTE); /* as coturn 4.6 does */
    return;
  }
  if (allocation == NULL) {
    send_error (self, request, FZ_STUN_ERROR_ALLOCATION_MISMATCH);
    return;
  }
  if (is_delete)
    g_ptr_array_remove (self->allocations, allocation);
  else
    allocation->expires_at = fz_instant_add (request->now, LIFETIME_S * FZ_S);
  begin_answer (request, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  fz_stun_write_u32 (&w, FZ_STUN_LIFETIME, is_delete ? 0 : LIFETIME_S);
  send_answer (self, request, &w, true);
}

/* RFC 8656 §12.2: neither the number nor the peer may stand for something else; false then. */
static bool
bind_channel (Allocation *allocation, uint16_t number, const FzSocketAddress *peer, FzInstant now)
{
  Channel channel = { number, *peer, now };

  for (guint i = allocation->channels->len; i > 0; i--) {
    const Channel *old = &g_array_index (allocation->channels, Channel, i - 1);
    bool is_number = old->number == number;
    bool is_peer = fz_socket_address_equal (&old->peer, peer);
    bool is_alive = fz_instant_since (old->bound_at, now) < CHANNEL_S * FZ_S;

    if (is_alive && is_number != is_peer)
      return false;
    if (is_number || is_peer)
      g_array_remove_index (allocation->channels, i - 1);
  }
  g_array_append_val (allocation->channels, channel);
  return true;
}

static void
answer_channel_bind (FzSimRelay *self, const Request *request)
{
  Allocation *allocation = find_allocation (self, &request->from, request->now);
  const FzStunMessage *m = request->message;
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzWriter w;

  if (allocation == NULL) {
    send_error (self, request, FZ_STUN_ERROR_ALLOCATION_MISMATCH);
    return;
  }
  if (!fz_stun_has (m, FZ_STUN_HAS_CHANNEL | FZ_STUN_HAS_XOR_PEER) || m->channel < 0x4000 ||
      m->channel > 0x4fff || !bind_channel (allocation, m->channel, &m->xor_peer, request->now)) {
    send_error (self, request, ERROR_BAD_REQUEST);
    return;
  }
  begin_answer (request, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  send_answer (self, request, &w, true);
}

static void
answer_authenticated (FzSimRelay *self, Request *request)
{
  uint16_t error;

  identify (self, request);
  error = check_credentials (self, request);
  if (error != 0) {
    send_error (self, request, error);
    return;
  }
  if (request->message->type == FZ_STUN_ALLOCATE_REQUEST)
    answer_allocate (self, request);
  else if (request->message->type == FZ_STUN_REFRESH_REQUEST)
    answer_refresh (self, request);
  else
    answer_channel_bind (self, request);
}

static void
handle_stun (FzSimRelay *self, Request *request)
{
  switch (request->message->type) {
  case FZ_STUN_BINDING_REQUEST:
    answer_binding (self, request);
    return;
  case FZ_STUN_ALLOCATE_REQUEST:
    self->counters.n_allocates++;
    break;
  case FZ_STUN_REFRESH_REQUEST:
    self->counters.n_refreshes++;
    break;
  case FZ_STUN_CHANNEL_BIND_REQUEST:
    self->counters.n_channel_binds++;
    break;
  default:
    return;
  }
  if (self->style != FZ_SIM_RELAY_STUN)
    answer_authenticated (self, request);
}

/* -- data -- */

static bool
is_alive (const Channel *channel, FzInstant now)
{
  return fz_instant_since (channel->bound_at, now) < CHANNEL_S * FZ_S;
}

static void
forward_to_peer (FzSimRelay *self, const FzSocketAddress *from, FzSpan data, FzInstant now)
{
  FzReader r = fz_reader (data);
  uint16_t number = fz_reader_u16be (&r);
  uint16_t length = fz_reader_u16be (&r);
  const uint8_t *payload = fz_reader_take (&r, length);
  Allocation *allocation = find_allocation (self, from, now);

  for (guint i = 0; payload != NULL && allocation != NULL && i < allocation->channels->len; i++) {
    const Channel *channel = &g_array_index (allocation->channels, Channel, i);
    FzSocketAddress source = channel->peer.ip.family == FZ_IP_V4 ? self->ipv4 : self->ipv6;

    source.port = allocation->port;
    if (channel->number != number || !is_alive (channel, now))
      continue;
    self->counters.n_relayed++;
    fz_sim_send (self->sim, self->host, &source, &channel->peer, fz_span (payload, length));
  }
}

static void
forward_to_client (FzSimRelay *self,
                   const Allocation *allocation,
                   const FzSocketAddress *from,
                   FzSpan data,
                   FzInstant now)
{
  for (guint i = 0; i < allocation->channels->len; i++) {
    const Channel *channel = &g_array_index (allocation->channels, Channel, i);
    uint8_t buffer[1500];
    FzWriter w = fz_writer (buffer, sizeof buffer);

    if (!fz_socket_address_equal (&channel->peer, from) || !is_alive (channel, now))
      continue;
    fz_writer_u16be (&w, channel->number);
    fz_writer_u16be (&w, (uint16_t) data.length);
    fz_writer_bytes (&w, data.data, data.length);
    g_assert_true (w.ok);
    self->counters.n_relayed++;
    fz_sim_send (self->sim,
                 self->host,
                 &allocation->server,
                 &allocation->client,
                 fz_span (buffer, w.length));
  }
}

static void
handle_datagram (void *context,
                 const FzSocketAddress *local,
                 const FzSocketAddress *from,
                 FzSpan data,
                 FzInstant now)
{
  FzSimRelay *self = context;
  FzStunMessage message;
  Request request = { .message = &message, .local = *local, .from = *from, .now = now };

  if (self->is_silent)
    return;
  if (local->port != self->ipv4.port && local->port != self->ipv6.port) {
    for (guint i = 0; i < self->allocations->len; i++) {
      const Allocation *allocation = g_ptr_array_index (self->allocations, i);

      if (allocation->port == local->port && allocation->expires_at > now)
        forward_to_client (self, allocation, from, data, now);
    }
  } else if (fz_stun_parse (data, &message) == FZ_DROP_NONE) {
    handle_stun (self, &request);
  } else {
    forward_to_peer (self, from, data, now);
  }
}

/* -- life -- */

static FzSocketAddress
add_socket (FzSimRelay *self, const char *ip, uint16_t port)
{
  FzSocketAddress socket = { .port = port };

  if (ip == NULL)
    return (FzSocketAddress){ 0 };
  g_assert_true (fz_ip_parse (ip, &socket.ip));
  fz_sim_add_address (self->sim, self->host, ip);
  return socket;
}

FzSimRelay *
fz_sim_relay_new (FzSim *sim,
                  unsigned parent,
                  FzSimRelayStyle style,
                  const FzSimLink *link,
                  const char *ipv4,
                  const char *ipv6,
                  uint16_t port)
{
  static const FzSimProgram program = { .handle_datagram = handle_datagram };
  FzSimRelay *self = g_new0 (FzSimRelay, 1);

  self->sim = sim;
  self->host = fz_sim_add_host (sim, parent, link);
  self->style = style;
  self->id.bytes[15] = (uint8_t) self->host;
  self->ipv4 = add_socket (self, ipv4, port);
  self->ipv6 = add_socket (self, ipv6, port);
  self->password = g_strdup ("c2VjcmV0");
  self->next_port = FIRST_PORT;
  self->allocations = g_ptr_array_new_with_free_func (free_allocation);
  renew_nonce (self);
  fz_sim_set_program (sim, self->host, &program, self);
  return self;
}

void
fz_sim_relay_free (FzSimRelay *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->allocations);
  g_free (self->password);
  g_free (self);
}

FzRelay
fz_sim_relay_describe (const FzSimRelay *self)
{
  return (FzRelay){
    .id = self->id,
    .ipv4 = self->ipv4,
    .ipv6 = self->ipv6,
    .username = USERNAME,
    .password = self->password,
    .expires_at = UINT64_MAX,
  };
}

unsigned
fz_sim_relay_get_host (const FzSimRelay *self)
{
  return self->host;
}

void
fz_sim_relay_set_silent (FzSimRelay *self, bool is_silent)
{
  self->is_silent = is_silent;
}

void
fz_sim_relay_restart (FzSimRelay *self)
{
  g_ptr_array_set_size (self->allocations, 0);
  renew_nonce (self);
}

void
fz_sim_relay_change_password (FzSimRelay *self)
{
  g_free (self->password);
  self->password = g_strdup ("another");
}

void
fz_sim_relay_refuse_allocate (FzSimRelay *self, uint16_t code)
{
  self->refusal = code;
}

FzSimRelayCounters
fz_sim_relay_get_counters (const FzSimRelay *self)
{
  FzSimRelayCounters counters = self->counters;

  counters.n_allocations = 0;
  for (guint i = 0; i < self->allocations->len; i++) {
    const Allocation *allocation = g_ptr_array_index (self->allocations, i);

    if (allocation->expires_at > fz_sim_now (self->sim))
      counters.n_allocations++;
  }
  return counters;
}
