/* fz-client-dns.c
 *
 * A question's way (tunnel.md §§4.3, 4.4): the sentinel that was asked says whom
 * we ask in turn; the first of these that knows answers:
 *
 *   cache ─► names of resources ─┬─► in the resource's site: its gateway's resolver
 *                                └─► a resolver, through the tunnel if a resource covers it, else
 *                                    past the tunnel by the host
 *
 * Answers of our own concern nobody else; what is asked elsewhere is only what
 * belongs to no resource.
 */

#include "src/engine/fz-client-dns.h"

#include "src/engine/fz-dns-message.h"
#include "src/engine/fz-limits.h"
#include "src/proto/fz-tcp.h"
#include "src/proto/fz-udp.h"

#include <string.h>

FzClientDns *
fz_client_dns_new (FzRng rng, uint64_t *given_up)
{
  FzClientDns *self = g_new0 (FzClientDns, 1);

  self->stub = fz_dns_stub_new ();
  self->nat = fz_dns_nat_new (given_up);
  self->sentinels = fz_dns_sentinels_new ();
  self->cache = fz_dns_cache_new ();
  self->forward = fz_dns_forward_new (rng);
  return self;
}

void
fz_client_dns_free (FzClientDns *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->nat, fz_dns_nat_free); /* it points into the stub */
  g_clear_pointer (&self->stub, fz_dns_stub_free);
  g_clear_pointer (&self->sentinels, fz_dns_sentinels_free);
  g_clear_pointer (&self->cache, fz_dns_cache_free);
  g_clear_pointer (&self->forward, fz_dns_forward_free);
  g_free (self);
}

/* -- whom we ask -- */

static void
note_sentinels (FzClient *self, bool has_changed)
{
  const FzSentinel *sentinels;
  size_t n = fz_dns_sentinels_get (self->dns->sentinels, &sentinels);

  if (n == 0 && self->context->interface != NULL && !self->dns->is_emptiness_told) {
    self->dns->is_emptiness_told = true;
    fz_log_plain (&self->context->log,
                  FZ_LOG_INFO,
                  "no-resolvers",
                  "neither the portal nor the system names a DNS server: names of resources will "
                  "not be found");
  }
  if (!has_changed)
    return;
  self->dns->is_emptiness_told = n == 0;
  self->dns->sentinels_serial++;
  fz_dns_cache_clear (self->dns->cache);
  self->context->is_interface_changed = true;
  fz_client_note_routes (self); /* the lanes know whose answers we want to see */
}

void
fz_client_dns_set_interface (FzClient *self, const FzInterface *interface)
{
  note_sentinels (self, fz_dns_sentinels_set_interface (self->dns->sentinels, interface));
}

void
fz_client_dns_set_resolvers (FzClient *self, const FzIp *ips, size_t n_ips)
{
  note_sentinels (self, fz_dns_sentinels_set_system (self->dns->sentinels, ips, n_ips));
}

size_t
fz_client_dns_get_sentinels (const FzClient *self, const FzSentinel **out, uint64_t *out_serial)
{
  *out_serial = self->dns->sentinels_serial;
  return fz_dns_sentinels_get (self->dns->sentinels, out);
}

void
fz_client_dns_add_resolvers (const FzClient *self, GArray *ips)
{
  const FzSentinel *sentinels;
  size_t n = fz_dns_sentinels_get (self->dns->sentinels, &sentinels);

  if (!fz_dns_sentinels_are_custom (self->dns->sentinels))
    return;
  for (size_t i = 0; i < n; i++)
    if (sentinels[i].upstream.family != FZ_IP_NONE)
      g_array_append_val (ips, sentinels[i].upstream);
}

/* §4.10: only servers that the portal names, and whether a resource covers them is all that
 * counts; its filters are asked when the packet goes. */
static bool
is_inside (FzClient *self, const FzSentinel *sentinel)
{
  FzProtocolKey key = { FZ_PROTOCOL_UDP, FZ_DNS_PORT };

  return sentinel->upstream.family != FZ_IP_NONE &&
         fz_dns_sentinels_are_custom (self->dns->sentinels) &&
         fz_policy_lookup (fz_client_get_policy (self), &sentinel->upstream, key, NULL) !=
             FZ_POLICY_NO_ENTRY;
}

/* -- answers -- */

static void
reply (FzClient *self, const FzDnsAsker *asker, FzSpan message)
{
  uint8_t packet[FZ_UDP_PACKET_MAX], cut[FZ_UDP_PAYLOAD_MAX];
  FzUdpDatagram datagram = {
    .source = { asker->sentinel, FZ_DNS_PORT },
    .destination = asker->client,
    .payload = message,
  };
  size_t length;

  if (message.length > sizeof cut)
    datagram.payload = fz_span (cut, fz_dns_message_cut (message, cut, sizeof cut));
  if (datagram.payload.length == 0)
    return;
  length = fz_udp_write (&datagram, packet);
  if (length > 0)
    fz_role_deliver (self->context, fz_span (packet, length));
}

static void
reply_own (FzClient *self,
           const FzDnsAsker *asker,
           FzSpan message,
           const FzDnsQuery *query,
           const FzDnsAnswer *answer)
{
  uint8_t out[FZ_UDP_PAYLOAD_MAX];
  size_t length = fz_dns_write_answer (message, query, answer, out, sizeof out);

  if (length > 0)
    reply (self, asker, fz_span (out, length));
}

static void
reply_failure (FzClient *self, const FzDnsAsker *asker, FzSpan message)
{
  uint8_t out[FZ_UDP_PAYLOAD_MAX];
  size_t length = fz_dns_message_write_failure (message, out, sizeof out);

  if (length > 0)
    reply (self, asker, fz_span (out, length));
}

static FzSpan
message_of (const FzDnsQuestion *question)
{
  gsize length;
  const void *data = g_bytes_get_data (question->message, &length);

  return fz_span (data, length);
}

/* -- asking others -- */

/* A packet of ours goes the way of all packets: it may have to wait for an authorization. */
static void
ask_inside (FzClient *self,
            const FzDnsAsker *asker,
            const FzSocketAddress *server,
            FzSpan message,
            FzInstant now)
{
  const FzInterface *interface = self->context->interface;
  uint8_t packet[FZ_UDP_PACKET_MAX];
  FzUdpDatagram datagram = { .destination = *server };
  const FzDnsQuestion *question = fz_dns_forward_ask_inside (
      self->dns->forward, asker, server, message, now, &datagram.payload);
  size_t length;

  if (question == NULL) {
    fz_role_drop (self->context, FZ_DROP_QUEUE_FULL);
    reply_failure (self, asker, message);
    return;
  }
  datagram.source.ip = server->ip.family == FZ_IP_V4 ? interface->ipv4 : interface->ipv6;
  datagram.source.port = question->port;
  length = fz_udp_write (&datagram, packet);
  if (length > 0)
    fz_client_handle_packet (self, fz_span (packet, length), now);
}

/* The event's message and URL share one piece of memory, which goes with it. */
static void
ask_outside (FzClient *self,
             const FzDnsAsker *asker,
             const FzSentinel *sentinel,
             FzSpan message,
             FzInstant now)
{
  FzEvent event = { .kind = FZ_EVENT_DNS_QUERY };
  size_t url_size = sentinel->doh_url != NULL ? strlen (sentinel->doh_url) + 1 : 0;
  const FzDnsQuestion *question;
  FzSpan out;
  uint8_t *owned;

  question = fz_dns_forward_ask_outside (self->dns->forward, asker, message, now, &out);
  if (question == NULL) { /* without a word, as when it times out */
    fz_role_drop (self->context, FZ_DROP_QUEUE_FULL);
    return;
  }
  owned = g_malloc (out.length + url_size);
  memcpy (owned, out.data, out.length);
  if (url_size > 0) {
    memcpy (owned + out.length, sentinel->doh_url, url_size);
    event.dns_query.doh_url = (const char *) owned + out.length;
  } else {
    event.dns_query.server = (FzSocketAddress){ sentinel->upstream, FZ_DNS_PORT };
  }
  event.dns_query.id = question->id;
  event.dns_query.is_tcp = asker->is_tcp;
  event.dns_query.message = owned;
  event.dns_query.length = out.length;
  fz_event_queue_push (&self->context->events, &event, owned);
}

static void
ask_resolver (FzClient *self,
              const FzDnsAsker *asker,
              const FzSentinel *sentinel,
              FzSpan message,
              FzInstant now)
{
  FzSocketAddress server = { sentinel->upstream, FZ_DNS_PORT };

  if (is_inside (self, sentinel))
    ask_inside (self, asker, &server, message, now);
  else
    ask_outside (self, asker, sentinel, message, now);
}

/* §4.6: the gateway's own resolver. Without a gateway the question itself waits, as the packet that
 * it came in. */
static void
ask_site (FzClient *self,
          const FzDnsAsker *asker,
          const FzUuid *resource_id,
          const FzIpPacket *packet,
          FzSpan message,
          FzInstant now)
{
  const FzClientGateway *gateway = fz_client_gateways_find_for (self->gateways, resource_id);
  FzSocketAddress server = { .port = FZ_SITE_DNS_PORT };

  if (gateway == NULL) {
    fz_client_want_authorization (self, resource_id, fz_span (packet->data, packet->length), now);
    return;
  }
  server.ip = asker->sentinel.family == FZ_IP_V4 ? gateway->ipv4 : gateway->ipv6;
  ask_inside (self, asker, &server, message, now);
}

/* -- questions -- */

/* Each such question is counted, and told once. */
static void
note_exhausted (FzClient *self)
{
  fz_role_drop (self->context, FZ_DROP_QUEUE_FULL);
  if (self->dns->is_exhaustion_told)
    return;
  self->dns->is_exhaustion_told = true;
  fz_log (
      &self->context->log,
      FZ_LOG_WARNING,
      "names-exhausted",
      "as many names of resources were asked for as can have addresses: new ones fail until this"
      " program is started again",
      FZ_KV_U64 ("names", fz_dns_stub_get_n_domains (self->dns->stub)));
}

static void
handle_query (FzClient *self,
              const FzDnsAsker *asker,
              const FzSentinel *sentinel,
              const FzIpPacket *packet,
              FzSpan message,
              FzInstant now)
{
  FzDnsStubResult result;
  FzDnsQuery query;
  FzDrop reason = fz_dns_parse_query (message, &query);
  FzSpan kept;

  if (reason != FZ_DROP_NONE) {
    fz_role_drop (self->context, reason);
    return;
  }
  if (fz_dns_cache_get (self->dns->cache, message, &query, now, &kept)) {
    reply (self, asker, kept);
    return;
  }
  fz_dns_stub_handle (self->dns->stub, &query, &result);
  switch (result.kind) {
  case FZ_DNS_STUB_ANSWER:
    reply_own (self, asker, message, &query, &result.answer);
    if (result.is_exhausted)
      note_exhausted (self);
    if (result.domain != NULL)
      fz_client_dns_renew (self, result.domain, now);
    return;
  case FZ_DNS_STUB_SITE:
    ask_site (self, asker, &result.resource_id, packet, message, now);
    return;
  case FZ_DNS_STUB_RECURSE:
    ask_resolver (self, asker, sentinel, message, now);
    return;
  }
}

/* TCP is not spoken here. Told so, a resolver goes on at once with what it has, or with the next
 * server, instead of waiting for a handshake. */
static void
refuse_tcp (FzClient *self, const FzIpPacket *packet)
{
  uint8_t reset[FZ_TCP_RESET_MAX];
  size_t length = fz_tcp_write_reset (packet, reset);

  if (length > 0)
    fz_role_deliver (self->context, fz_span (reset, length));
}

void
fz_client_dns_handle_sentinel (FzClient *self, const FzIpPacket *packet, FzInstant now)
{
  FzUdpDatagram datagram;
  const FzSentinel *sentinel;
  FzDnsAsker asker;

  if (packet->protocol == FZ_IP_PROTOCOL_TCP && !packet->is_fragment) {
    refuse_tcp (self, packet);
    return;
  }
  if (!fz_udp_parse (packet, &datagram) || datagram.destination.port != FZ_DNS_PORT) {
    fz_role_drop (self->context, FZ_DROP_UNKNOWN_PROTOCOL);
    return;
  }
  sentinel = fz_dns_sentinels_find (self->dns->sentinels, &datagram.destination.ip);
  if (sentinel == NULL) {
    fz_role_drop (self->context, FZ_DROP_NO_ROUTE);
    return;
  }
  asker = (FzDnsAsker){ .client = datagram.source,
                        .sentinel = sentinel->ip,
                        .as_of = fz_dns_cache_get_n_clears (self->dns->cache) };
  handle_query (self, &asker, sentinel, packet, datagram.payload, now);
}

/* -- what comes back -- */

static void
handle_reply (FzClient *self,
              FzDnsReplyKind kind,
              const FzDnsQuestion *question,
              FzSpan message,
              FzInstant now)
{
  FzDnsQuery query;

  switch (kind) {
  case FZ_DNS_REPLY_NOT_OURS:
  case FZ_DNS_REPLY_IGNORED:
    return;
  case FZ_DNS_REPLY_FAILED:
    reply_failure (self, &question->asker, message_of (question));
    return;
  case FZ_DNS_REPLY_ANSWERED:
    if (fz_dns_parse_query (message_of (question), &query) == FZ_DROP_NONE)
      fz_dns_cache_put (self->dns->cache, &query, message, question->asker.as_of, now);
    reply (self, &question->asker, message);
    return;
  }
}

void
fz_client_dns_handle_answer (FzClient *self, uint32_t id, FzSpan message, FzInstant now)
{
  const FzDnsQuestion *question = NULL;
  FzSpan answer = { 0 };
  FzDnsReplyKind kind =
      fz_dns_forward_handle_outside (self->dns->forward, id, message, &question, &answer);

  handle_reply (self, kind, question, answer, now);
}

bool
fz_client_dns_handle_inner (FzClient *self, const FzIpPacket *packet, FzInstant now)
{
  const FzDnsQuestion *question = NULL;
  FzUdpDatagram datagram;
  FzSpan answer = { 0 };
  FzDnsReplyKind kind;

  if (!fz_udp_parse (packet, &datagram))
    return false;
  kind = fz_dns_forward_handle_inside (self->dns->forward,
                                       &datagram.source,
                                       datagram.destination.port,
                                       datagram.payload,
                                       &question,
                                       &answer);
  handle_reply (self, kind, question, answer, now);
  return kind != FZ_DNS_REPLY_NOT_OURS;
}

bool
fz_client_dns_handle_icmp_error (FzClient *self, const FzFlow *quoted, FzInstant now)
{
  FzSocketAddress server = { quoted->destination, quoted->destination_port };
  const FzDnsQuestion *question = NULL;
  FzDnsReplyKind kind;

  if (quoted->protocol != FZ_PROTOCOL_UDP)
    return false;
  kind =
      fz_dns_forward_handle_refusal (self->dns->forward, &server, quoted->source_port, &question);
  handle_reply (self, kind, question, (FzSpan){ 0 }, now);
  return kind != FZ_DNS_REPLY_NOT_OURS;
}

/* Past the tunnel an application hears nothing and asks again (Q13); inside, it is told. */
static void
end_questions (FzClient *self, FzInstant now)
{
  const FzDnsQuestion *question;

  while (fz_dns_forward_poll_timeout (self->dns->forward, now, &question))
    if (question->is_inside || question->asker.is_tcp)
      reply_failure (self, &question->asker, message_of (question));
}

void
fz_client_dns_handle_timeout (FzClient *self, FzInstant now)
{
  end_questions (self, now);
  fz_client_dns_repeat (self, now);
}

FzInstant
fz_client_dns_next_timeout (const FzClient *self)
{
  return fz_instant_min (fz_dns_forward_next_timeout (self->dns->forward),
                         fz_dns_nat_next_timeout (self->dns->nat));
}
