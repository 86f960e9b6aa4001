/* fz-client-domains.c
 *
 * A packet's way to a proxy address: the name it stands for, the resource that
 * admits the packet, that resource's gateway, and whether the gateway knows what
 * the address means (tunnel.md §§3.3, 5.3, 7.2). Lanes send by themselves to the
 * names that gateways know; everything else in the proxy ranges comes here.
 */

#include "src/engine/fz-address-plan.h"
#include "src/engine/fz-client-dns.h"
#include "src/proto/fz-p2p-control.h"

#include <string.h>

/* -- resources -- */

void
fz_client_dns_note_resource (FzClient *self, const FzUuid *id, const FzResource *resource)
{
  fz_dns_cache_clear (self->dns->cache);
  if (resource == NULL || resource->kind != FZ_RESOURCE_DNS) {
    fz_dns_stub_remove_resource (self->dns->stub, id);
  } else if (!fz_dns_stub_add_resource (self->dns->stub, resource)) {
    fz_log (&self->context->log,
            FZ_LOG_WARNING,
            "bad-pattern",
            "the address of a DNS resource is no pattern; no name will match it",
            FZ_KV_UUID ("resource", id));
  }
}

static void
note_open (FzClient *self)
{
  if (fz_dns_nat_poll_changed (self->dns->nat))
    fz_client_note_routes (self);
}

void
fz_client_dns_forget_gateway (FzClient *self, const FzUuid *gateway_id)
{
  fz_dns_nat_remove_gateway (self->dns->nat, gateway_id);
  note_open (self);
}

void
fz_client_dns_forget_resource (FzClient *self, const FzUuid *resource_id)
{
  fz_dns_nat_remove_resource (self->dns->nat, resource_id);
  note_open (self);
}

/* §3.2: of the resources that a name belongs to, the first that admits; else the first that does
 * not. They come most specific first. */
static FzPolicyAnswer
choose_resource (FzClient *self,
                 const FzDnsDomain *domain,
                 const FzFlow *flow,
                 const FzResource **out)
{
  FzPolicyAnswer answer = FZ_POLICY_NO_ENTRY;
  size_t n;
  const FzDnsMatch *matches = fz_dns_stub_get_matches (self->dns->stub, domain, &n);

  for (size_t i = 0; i < n; i++) {
    const FzResource *resource = fz_resources_find (self->resources, &matches[i].resource_id);

    if (resource == NULL ||
        !fz_dns_match_has_family (&matches[i], (FzIpFamily) flow->destination.family))
      continue;
    if (fz_filters_admit (resource->filters, resource->n_filters, fz_flow_key_outbound (flow))) {
      *out = resource;
      return FZ_POLICY_ADMITTED;
    }
    if (answer == FZ_POLICY_NO_ENTRY)
      *out = resource;
    answer = FZ_POLICY_DENIED;
  }
  return answer;
}

const FzResource *
fz_client_dns_find_resource (FzClient *self, const FzFlow *flow)
{
  const FzDnsDomain *domain = fz_dns_stub_find_by_ip (self->dns->stub, &flow->destination);
  const FzResource *resource = NULL;

  if (domain == NULL || choose_resource (self, domain, flow, &resource) != FZ_POLICY_ADMITTED)
    return NULL;
  return resource;
}

/* -- what gateways are told -- */

/* Without a session nothing is sent: fz_client_dns_handle_session will. */
static void
announce (FzClient *self, const FzDnsNatKey *key, FzInstant now)
{
  FzConnection *connection = fz_node_find (self->context->node, &key->gateway_id);
  FzP2pAssignedIps event = { .resource = key->resource_id, .n_ips = key->domain->n_ips };
  uint8_t packet[FZ_P2P_PACKET_MAX];
  size_t length;

  if (connection == NULL)
    return;
  g_strlcpy (event.domain, key->domain->name, sizeof event.domain);
  memcpy (event.ips, key->domain->ips, event.n_ips * sizeof *event.ips);
  length = fz_p2p_write_assigned_ips (&event, packet);
  if (length > 0)
    fz_node_send (self->context->node, connection, fz_span (packet, length), FZ_ECN_NOT_ECT, now);
}

/* What a gateway may send from is known before it is told. */
static void
set_up (FzClient *self, const FzDnsNatKey *key, FzInstant now)
{
  const FzClientGateway *gateway = fz_client_gateways_find (self->gateways, &key->gateway_id);
  bool is_new = !fz_dns_nat_has (self->dns->nat, key);

  if (!fz_dns_nat_set_up (self->dns->nat, key, now))
    return;
  if (is_new && gateway != NULL)
    fz_client_set_sources (self, gateway);
  announce (self, key, now);
}

void
fz_client_dns_renew (FzClient *self, const FzDnsDomain *domain, FzInstant now)
{
  size_t n;
  const FzDnsMatch *matches = fz_dns_stub_get_matches (self->dns->stub, domain, &n);

  for (size_t i = 0; i < n; i++) {
    const FzClientGateway *gateway =
        fz_client_gateways_find_for (self->gateways, &matches[i].resource_id);
    FzDnsNatKey key = { .resource_id = matches[i].resource_id, .domain = domain };

    if (gateway == NULL)
      continue;
    key.gateway_id = gateway->id;
    fz_dns_nat_recreate (self->dns->nat, &key);
    set_up (self, &key, now);
  }
  note_open (self);
}

void
fz_client_dns_repeat (FzClient *self, FzInstant now)
{
  FzDnsNatKey key;

  while (fz_dns_nat_poll_repeat (self->dns->nat, now, &key))
    announce (self, &key, now);
}

typedef struct {
  FzClient *client;
  FzInstant now;
} Visit;

static void
announce_pending (const FzDnsNatKey *key, void *context)
{
  const Visit *visit = context;

  if (fz_dns_nat_is_pending (visit->client->dns->nat, key))
    announce (visit->client, key, visit->now);
}

void
fz_client_dns_handle_session (FzClient *self, const FzUuid *gateway_id, FzInstant now)
{
  Visit visit = { self, now };

  fz_dns_nat_foreach (self->dns->nat, gateway_id, announce_pending, &visit);
}

void
fz_client_dns_handle_status (FzClient *self,
                             const FzUuid *gateway_id,
                             FzSpan payload,
                             FzInstant now)
{
  FzP2pDomainStatus status;
  FzDnsNatKey key = { .gateway_id = *gateway_id };
  g_autoptr (FzPacketBuffer) packets = NULL;

  if (fz_p2p_parse_domain_status (payload, &status) != FZ_DROP_NONE) {
    fz_role_drop (self->context, FZ_DROP_BAD_HEADER);
    return;
  }
  key.resource_id = status.resource;
  key.domain = fz_dns_stub_find (self->dns->stub, status.domain);
  if (key.domain == NULL || !fz_dns_nat_has (self->dns->nat, &key))
    return;
  fz_log (&self->context->log,
          FZ_LOG_DEBUG,
          "domain-status",
          status.is_active ? "a gateway is ready for a name" : "a gateway does not know a name",
          FZ_KV_TEXT ("domain", key.domain->name),
          FZ_KV_UUID ("gateway", gateway_id));
  packets = fz_dns_nat_handle_status (self->dns->nat, &key, status.is_active);
  note_open (self);
  fz_client_replay (self, packets, now);
}

/* -- packets -- */

static void
send_to_domain (FzClient *self,
                FzClientGateway *gateway,
                const FzResource *resource,
                const FzDnsDomain *domain,
                const FzIpPacket *packet,
                FzInstant now)
{
  FzDnsNatKey key = { gateway->id, resource->id, domain };
  FzDnsNatFate fate;
  bool must_announce;

  if (!fz_dns_nat_has (self->dns->nat, &key))
    set_up (self, &key, now);
  fate = fz_dns_nat_handle_packet (
      self->dns->nat, &key, fz_span (packet->data, packet->length), now, &must_announce);
  if (must_announce)
    announce (self, &key, now);
  if (fate == FZ_DNS_NAT_KEPT)
    self->context->packets_buffered++;
  else
    fz_client_send_or_keep (self, gateway, packet, now);
}

static void
handle_proxy (FzClient *self, const FzIpPacket *packet, const FzFlow *flow, FzInstant now)
{
  const FzDnsDomain *domain = fz_dns_stub_find_by_ip (self->dns->stub, &flow->destination);
  const FzResource *resource = NULL;
  FzClientGateway *gateway;

  switch (domain != NULL ? choose_resource (self, domain, flow, &resource) : FZ_POLICY_NO_ENTRY) {
  case FZ_POLICY_NO_ENTRY:
    fz_role_drop (self->context, FZ_DROP_NO_ROUTE);
    return;
  case FZ_POLICY_DENIED:
    fz_client_refuse (self, packet, now);
    return;
  case FZ_POLICY_ADMITTED:
    break;
  }
  gateway = fz_client_gateways_find_for (self->gateways, &resource->id);
  if (gateway != NULL)
    send_to_domain (self, gateway, resource, domain, packet, now);
  else
    fz_client_want_authorization (self, &resource->id, fz_span (packet->data, packet->length), now);
}

static bool
is_proxy (const FzIp *ip)
{
  return fz_ip_network_contains (fz_address_plan_get (FZ_RANGE_PROXY_V4), ip) ||
         fz_ip_network_contains (fz_address_plan_get (FZ_RANGE_PROXY_V6), ip);
}

bool
fz_client_dns_handle_packet (FzClient *self,
                             const FzIpPacket *packet,
                             const FzFlow *flow,
                             FzInstant now)
{
  if (!is_proxy (&flow->destination))
    return false;
  if (fz_dns_is_sentinel (&flow->destination))
    fz_client_dns_handle_sentinel (self, packet, now);
  else
    handle_proxy (self, packet, flow, now);
  return true;
}

/* -- what lanes know -- */

typedef struct {
  FzClient *client;
  GArray *entries;  /* of FzPolicyEntry */
  GHashTable *done; /* set of FzDnsDomain */
} Collection;

static void
append_ips (GArray *entries, const FzDnsDomain *domain, FzPolicyEntry entry, FzIpStack stack)
{
  FzDnsMatch match = { .ip_stack = stack };

  for (size_t i = 0; i < domain->n_ips; i++) {
    const FzIp *ip = &domain->ips[i];

    entry.network = (FzIpNetwork){ *ip, (uint8_t) (8 * fz_ip_size (ip)) };
    if (fz_dns_match_has_family (&match, (FzIpFamily) ip->family))
      g_array_append_val (entries, entry);
  }
}

/* Of one resource of the domain: to its gateway if nothing has to wait, else to the engine. */
static void
append_match (const Collection *c,
              const FzDnsDomain *domain,
              const FzDnsMatch *match,
              uint32_t rank)
{
  const FzResource *resource = fz_resources_find (c->client->resources, &match->resource_id);
  const FzClientGateway *gateway =
      fz_client_gateways_find_for (c->client->gateways, &match->resource_id);
  FzDnsNatKey key = { .resource_id = match->resource_id, .domain = domain };
  FzPolicyEntry entry = { .resource = match->resource_id, .rank = rank };

  if (resource == NULL)
    return;
  entry.filters = resource->filters;
  entry.n_filters = resource->n_filters;
  if (gateway != NULL) {
    key.gateway_id = gateway->id;
    if (fz_dns_nat_is_open (c->client->dns->nat, &key))
      entry.peer = fz_client_get_peer (c->client, gateway);
  }
  append_ips (c->entries, domain, entry, match->ip_stack);
}

/* All resources of a domain that any gateway knows: they compete by filters and rank. */
static void
append_domain (const FzDnsNatKey *key, void *context)
{
  Collection *c = context;
  const FzDnsMatch *matches;
  size_t n;

  if (!fz_dns_nat_is_open (c->client->dns->nat, key) ||
      !g_hash_table_add (c->done, (gpointer) key->domain))
    return;
  matches = fz_dns_stub_get_matches (c->client->dns->stub, key->domain, &n);
  for (size_t i = 0; i < n; i++)
    append_match (c, key->domain, &matches[i], (uint32_t) (n - i));
}

void
fz_client_dns_add_routes (FzClient *self, GArray *entries)
{
  static const FzRange ranges[] = { FZ_RANGE_PROXY_V4, FZ_RANGE_PROXY_V6 };
  g_autoptr (GHashTable) done = g_hash_table_new (NULL, NULL);
  Collection collection = { self, entries, done };
  GHashTableIter iter;
  gpointer value;

  for (size_t i = 0; i < G_N_ELEMENTS (ranges); i++) {
    FzPolicyEntry entry = { .network = *fz_address_plan_get (ranges[i]) };

    g_array_append_val (entries, entry);
  }
  fz_client_gateways_iter_init (self->gateways, &iter);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    fz_dns_nat_foreach (
        self->dns->nat, &((const FzClientGateway *) value)->id, append_domain, &collection);
}

static void
append_source (const FzDnsNatKey *key, void *context)
{
  append_ips (
      context, key->domain, (FzPolicyEntry){ .resource = key->resource_id }, FZ_IP_STACK_DUAL);
}

void
fz_client_dns_add_sources (FzClient *self, const FzClientGateway *gateway, GArray *entries)
{
  fz_dns_nat_foreach (self->dns->nat, &gateway->id, append_source, entries);
}
