/* fz-gateway-names.c: see the header */

#include "src/engine/fz-gateway-names.h"

#include "src/engine/fz-dns-pattern.h"
#include "src/engine/fz-limits.h"
#include "src/engine/fz-quoted.h"
#include "src/engine/fz-translations.h"
#include "src/engine/fz-uuid-table.h"
#include "src/proto/fz-checksum.h"
#include "src/proto/fz-dns.h"

#include <string.h>

#define ERROR_TTL           20u        /* tunnel.md §10.3 */
#define EXPIRY_DELAY_MAX_NS (5 * FZ_S) /* between two looks at sessions that run */

/* A name that the host looks up. */
typedef struct {
  uint32_t id;
  FzUuid client_id;
  FzP2pAssignedIps announced;
  FzInstant deadline;
  bool is_given_up; /* nobody waits, but the host has not answered yet */
} Lookup;

struct FzGatewayNames {
  FzRoleContext *context;
  GHashTable *lookups; /* by id */
  size_t n_given_up;   /* of them */
  size_t most;         /* no client waits for more than so many */
  GQueue by_age;       /* of ids: all live equally long */
  uint32_t last_id;
  GQueue answers;        /* of FzDomainAnswer */
  FzInstant next_expiry; /* of sessions */
};

FzGatewayNames *
fz_gateway_names_new (FzRoleContext *context)
{
  FzGatewayNames *self = g_new0 (FzGatewayNames, 1);

  self->context = context;
  self->lookups = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  self->next_expiry = FZ_INSTANT_NEVER;
  return self;
}

void
fz_gateway_names_free (FzGatewayNames *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->lookups);
  g_queue_clear (&self->by_age);
  g_queue_clear_full (&self->answers, g_free);
  g_free (self);
}

/* -- announcements -- */

static const FzResource *
find_resource (const FzGrantee *grantee, const FzP2pAssignedIps *announced)
{
  const FzHeldGrant *grant =
      grantee != NULL ? fz_grants_find_grant (grantee, &announced->resource) : NULL;
  g_autoptr (FzDnsPattern) pattern = NULL;

  if (grant == NULL || grant->resource->kind != FZ_RESOURCE_DNS)
    return NULL;
  pattern = fz_dns_pattern_new (grant->resource->pattern);
  return pattern != NULL && fz_dns_pattern_matches (pattern, announced->domain) ? grant->resource
                                                                                : NULL;
}

static bool
is_same_question (const Lookup *lookup, const FzP2pAssignedIps *announced)
{
  return fz_uuid_equal (&lookup->announced.resource, &announced->resource) &&
         strcmp (lookup->announced.domain, announced->domain) == 0 &&
         lookup->announced.n_ips == announced->n_ips &&
         memcmp (
             lookup->announced.ips, announced->ips, announced->n_ips * sizeof *announced->ips) == 0;
}

/* The same question is being asked: its answer will do. @out_n: how many the client waits for. */
static bool
is_asked (const FzGatewayNames *self,
          const FzUuid *client_id,
          const FzP2pAssignedIps *announced,
          size_t *out_n)
{
  GHashTableIter iter;
  gpointer value;

  *out_n = 0;
  g_hash_table_iter_init (&iter, self->lookups);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    if (((const Lookup *) value)->is_given_up ||
        !fz_uuid_equal (&((const Lookup *) value)->client_id, client_id))
      continue;
    if (is_same_question (value, announced))
      return true;
    ++*out_n;
  }
  return false;
}

static void
look_up (FzGatewayNames *self,
         const FzUuid *client_id,
         const FzP2pAssignedIps *announced,
         FzInstant now)
{
  Lookup *lookup = g_new0 (Lookup, 1);
  FzEvent event = { .kind = FZ_EVENT_RESOLVE_DOMAIN };
  char *domain = g_strdup (announced->domain);

  do
    lookup->id = ++self->last_id;
  while (lookup->id == 0 || g_hash_table_contains (self->lookups, GUINT_TO_POINTER (lookup->id)));
  lookup->client_id = *client_id;
  lookup->announced = *announced;
  lookup->deadline = fz_instant_add (now, FZ_DNS_RESOLVE_S * FZ_S);
  g_hash_table_insert (self->lookups, GUINT_TO_POINTER (lookup->id), lookup);
  g_queue_push_tail (&self->by_age, GUINT_TO_POINTER (lookup->id));

  event.resolve_domain.id = lookup->id;
  event.resolve_domain.domain = domain;
  fz_event_queue_push (&self->context->events, &event, domain);
}

/* Of the client that waits for most. */
static Lookup *
find_newest_of_most (FzGatewayNames *self)
{
  g_autoptr (GHashTable) counts = g_hash_table_new (fz_uuid_hash, fz_uuid_hash_equal);
  Lookup *found = NULL;

  self->most = 0;
  for (const GList *at = self->by_age.head; at != NULL; at = at->next) {
    Lookup *lookup = g_hash_table_lookup (self->lookups, at->data);
    size_t n;

    if (lookup->is_given_up)
      continue;
    n = GPOINTER_TO_SIZE (g_hash_table_lookup (counts, &lookup->client_id)) + 1;
    g_hash_table_insert (counts, &lookup->client_id, GSIZE_TO_POINTER (n));
    if (n < self->most)
      continue;
    self->most = n;
    found = lookup; /* the one that has made it most, so its client's newest */
  }
  return found;
}

/* A place for a client that has @n_of_client. */
static bool
make_room (FzGatewayNames *self, size_t n_of_client)
{
  Lookup *lookup;

  if (n_of_client >= FZ_LOOKUPS_OF_CLIENT_MAX)
    return false;
  if (g_hash_table_size (self->lookups) - self->n_given_up < FZ_LOOKUPS_MAX)
    return true;
  if (self->n_given_up >= FZ_LOOKUPS_GIVEN_UP_MAX || self->most <= n_of_client + 1)
    return false;
  lookup = find_newest_of_most (self);
  if (self->most <= n_of_client + 1)
    return false;
  lookup->is_given_up = true;
  self->n_given_up++;
  fz_role_drop (self->context, FZ_DROP_QUEUE_FULL);
  return true;
}

/* Each costs its part of a second; so much may be spent ahead. */
static bool
may_announce (FzGrantee *grantee, FzInstant now)
{
  const uint64_t cost_ns = FZ_S / FZ_ANNOUNCEMENTS_PER_S;
  FzInstant from = MAX (grantee->announced_until, now);

  if (from - now > (FZ_ANNOUNCEMENTS_AT_ONCE - 1) * cost_ns)
    return false;
  grantee->announced_until = fz_instant_add (from, cost_ns);
  return true;
}

FzAnnounced
fz_gateway_names_handle_announcement (FzGatewayNames *self,
                                      FzGrantee *grantee,
                                      const FzP2pAssignedIps *announced,
                                      FzInstant now)
{
  FzP2pAssignedIps lower = *announced;
  size_t n_of_client;

  if (grantee != NULL && !may_announce (grantee, now)) {
    fz_role_drop (self->context, FZ_DROP_RATE_LIMITED);
    return FZ_ANNOUNCED_WAIT;
  }
  for (char *at = lower.domain; *at != '\0'; at++)
    *at = g_ascii_tolower (*at);
  if (!fz_dns_is_name (lower.domain) || find_resource (grantee, &lower) == NULL)
    return FZ_ANNOUNCED_INACTIVE;
  if (is_asked (self, &grantee->id, &lower, &n_of_client))
    return FZ_ANNOUNCED_WAIT;
  if (!make_room (self, n_of_client))
    fz_role_drop (self->context, FZ_DROP_QUEUE_FULL);
  else {
    look_up (self, &grantee->id, &lower, now);
    self->most = MAX (self->most, n_of_client + 1);
  }
  return FZ_ANNOUNCED_WAIT;
}

/* -- answers -- */

static void
answer (FzGatewayNames *self, const Lookup *lookup, bool is_active)
{
  FzDomainAnswer *out = g_new0 (FzDomainAnswer, 1);

  out->client_id = lookup->client_id;
  out->status.resource = lookup->announced.resource;
  out->status.is_active = is_active;
  g_strlcpy (out->status.domain, lookup->announced.domain, sizeof out->status.domain);
  g_queue_push_tail (&self->answers, out);
}

/* Everything may have changed while the name was looked up. */
static bool
apply (FzGatewayNames *self, FzGrants *grants, const Lookup *lookup, const FzIp *ips, size_t n_ips)
{
  FzGrantee *grantee = fz_grants_find (grants, &lookup->client_id);

  if (find_resource (grantee, &lookup->announced) == NULL)
    return false;
  if (grantee->translations == NULL)
    grantee->translations = fz_translations_new (self->context->unused_nats);
  fz_translations_set (
      grantee->translations, &lookup->announced, ips, MIN (n_ips, FZ_RESOLVED_IPS_MAX));
  fz_log (&self->context->log,
          FZ_LOG_DEBUG,
          "domain-resolved",
          "a client's name has been looked up",
          FZ_KV_TEXT ("domain", lookup->announced.domain),
          FZ_KV_U64 ("n_addresses", n_ips),
          FZ_KV_UUID ("client", &lookup->client_id));
  return true;
}

bool
fz_gateway_names_handle_resolved (FzGatewayNames *self,
                                  FzGrants *grants,
                                  uint32_t id,
                                  const FzIp *ips,
                                  size_t n_ips,
                                  bool is_failed)
{
  const Lookup *lookup = g_hash_table_lookup (self->lookups, GUINT_TO_POINTER (id));

  if (lookup == NULL)
    return false;
  if (lookup->is_given_up)
    self->n_given_up--;
  else
    answer (self, lookup, !is_failed && apply (self, grants, lookup, ips, n_ips));
  g_queue_remove (&self->by_age, GUINT_TO_POINTER (id));
  g_hash_table_remove (self->lookups, GUINT_TO_POINTER (id));
  return true;
}

bool
fz_gateway_names_poll_answer (FzGatewayNames *self, FzDomainAnswer *out)
{
  g_autofree FzDomainAnswer *next = g_queue_pop_head (&self->answers);

  if (next == NULL)
    return false;
  *out = *next;
  return true;
}

/* -- packets -- */

/* Direct flows of a client, for fz_nat_add. */
typedef struct {
  const FzFlowMarks *marks;
  const FzIp *client;
} DirectFlows;

static bool
is_taken (const void *context, const FzNatKey *outside)
{
  const DirectFlows *flows = context;

  return fz_flow_marks_has (flows->marks, flows->client, outside);
}

/* @client: its address */
static FzNatSession *
make_session (FzGatewayNames *self,
              FzGrantee *grantee,
              const FzIp *client,
              const FzNatKey *inside,
              FzInstant now,
              FzDrop *out_reason)
{
  bool is_proxied = fz_nat_is_proxy_ip (&inside->ip);
  const FzIp *target =
      is_proxied ? fz_translations_find_target (grantee->translations, &inside->ip) : &inside->ip;
  DirectFlows flows = { self->context->direct_flows, client };
  FzNat *nat = fz_translations_get_nat (grantee->translations);
  FzNatSession *session;

  *out_reason = FZ_DROP_NO_ROUTE;
  if (target == NULL)
    return NULL;
  fz_flow_marks_age (self->context->direct_flows, now);
  session = fz_nat_add (
      nat, self->context->reclaim, inside, target, is_proxied ? is_taken : NULL, &flows);
  *out_reason = session != NULL ? FZ_DROP_NONE : FZ_DROP_QUEUE_FULL;
  return session;
}

FzDrop
fz_gateway_names_translate (FzGatewayNames *self,
                            FzGrantee *grantee,
                            uint8_t *packet,
                            const FzIpPacket *parsed,
                            FzInstant now)
{
  FzFlow flow = fz_flow_from_packet (parsed);
  FzNatKey inside = { flow.destination, flow.source_port, flow.protocol };
  bool is_direct = !fz_nat_is_proxy_ip (&flow.destination);
  FzDrop reason = FZ_DROP_NONE;
  FzNatSession *session;

  if (!fz_nat_has_key (flow.protocol))
    return FZ_DROP_UNKNOWN_PROTOCOL;
  if (grantee->translations == NULL)
    return is_direct ? FZ_DROP_NONE : FZ_DROP_NO_ROUTE;
  session = fz_nat_find_inside (fz_translations_get_nat (grantee->translations), &inside);
  if (session == NULL)
    session = make_session (self, grantee, &flow.source, &inside, now, &reason);
  if (session == NULL)
    return is_direct ? FZ_DROP_NONE : reason;
  fz_nat_translate_out (session, packet, parsed, now);
  if (self->next_expiry > fz_instant_add (now, EXPIRY_DELAY_MAX_NS)) /* there were no sessions */
    self->next_expiry = fz_instant_add (now, FZ_S);
  return FZ_DROP_NONE;
}

/* The session of the packet that @error quotes, as it went out. */
static FzNatSession *
find_quoted (const FzGrantee *grantee, const FzIpPacket *error)
{
  FzNatKey outside;
  FzFlow quoted;

  if (grantee->translations == NULL || fz_quoted_parse (error, &quoted) != FZ_DROP_NONE ||
      !fz_nat_has_key (quoted.protocol))
    return NULL;
  outside = (FzNatKey){ quoted.destination, quoted.source_port, quoted.protocol };
  return fz_nat_find_outside (fz_translations_get_nat (grantee->translations), &outside);
}

/* The quoted packet as the client had sent it. Its transport checksum stays what it was. */
static void
restore_quoted (uint8_t *quoted, bool is_v4, const FzNatSession *session)
{
  size_t header = is_v4 ? (size_t) (quoted[0] & 15) * 4 : FZ_IPV6_HEADER_SIZE;
  bool is_echo = session->inside.protocol == FZ_PROTOCOL_ICMP_ECHO;

  memcpy (quoted + (is_v4 ? 16 : 24), session->inside.ip.bytes, is_v4 ? 4 : 16);
  if (is_v4)
    fz_checksum_write_ipv4_header (quoted, header);
  fz_put_u16be (quoted + header + (is_echo ? 4 : 0), session->inside.port);
}

static void
finish_error (uint8_t *packet, const FzIpPacket *parsed)
{
  FzIpPacket own = *parsed;
  uint8_t *icmp = packet + parsed->transport_offset;
  size_t length = fz_ip_packet_get_transport_length (parsed);
  uint32_t sum = 0;

  own.data = packet;
  fz_put_u16be (icmp + 2, 0);
  if (parsed->family == FZ_IP_V4)
    fz_checksum_write_ipv4_header (packet, parsed->transport_offset);
  else
    sum = fz_checksum_pseudo (&own, FZ_IP_PROTOCOL_ICMPV6, (uint32_t) length);
  fz_put_u16be (icmp + 2, fz_checksum_finish (sum + fz_checksum_sum (icmp, length)));
}

size_t
fz_gateway_names_translate_error (const FzGrantee *grantee,
                                  const FzIpPacket *error,
                                  FzInstant now,
                                  uint8_t out[FZ_ICMP_ERROR_MAX])
{
  FzNatSession *session = find_quoted (grantee, error);
  bool is_v4 = error->family == FZ_IP_V4;

  if (session == NULL || error->length > FZ_ICMP_ERROR_MAX)
    return 0;
  atomic_store_explicit (&session->received_at, MAX (now, 1), memory_order_relaxed);
  memcpy (out, error->data, error->length);
  if (!session->is_direct) { /* the client knows the routers on a direct flow's way */
    out[is_v4 ? 8 : 7] = ERROR_TTL;
    memcpy (out + (is_v4 ? 12 : 8), session->inside.ip.bytes, is_v4 ? 4 : 16);
  }
  restore_quoted (out + error->transport_offset + FZ_ICMP_HEADER_SIZE, is_v4, session);
  finish_error (out, error);
  return error->length;
}

/* -- time -- */

static void
expire_sessions (FzGatewayNames *self, FzGrants *grants, FzInstant now)
{
  FzInstant next = FZ_INSTANT_NEVER;
  GHashTableIter iter;
  gpointer value;

  if (now < self->next_expiry)
    return;
  fz_grants_iter_init (grants, &iter);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    FzGrantee *grantee = value;

    if (grantee->translations != NULL)
      next = fz_instant_min (next,
                             fz_nat_expire (fz_translations_get_nat (grantee->translations),
                                            self->context->reclaim,
                                            now));
  }
  self->next_expiry = next;
}

void
fz_gateway_names_handle_timeout (FzGatewayNames *self, FzGrants *grants, FzInstant now)
{
  const Lookup *lookup;

  while (!g_queue_is_empty (&self->by_age)) {
    lookup = g_hash_table_lookup (self->lookups, g_queue_peek_head (&self->by_age));
    if (lookup->deadline > now)
      break;
    fz_gateway_names_handle_resolved (self, grants, lookup->id, NULL, 0, true);
  }
  expire_sessions (self, grants, now);
}

FzInstant
fz_gateway_names_next_timeout (const FzGatewayNames *self)
{
  FzInstant next = self->next_expiry;
  GQueue *by_age = (GQueue *) &self->by_age;

  if (!g_queue_is_empty (by_age)) {
    const Lookup *lookup = g_hash_table_lookup (self->lookups, g_queue_peek_head (by_age));

    next = fz_instant_min (next, lookup->deadline);
  }
  return next;
}
