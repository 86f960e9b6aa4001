/* fz-sim-portal.c: see the header */

#include "tests/sim/fz-sim-portal.h"

#include "src/crypto/fz-crypto.h"
#include "tests/sim/fz-sim-names.h"

#include <stdio.h>
#include <string.h>

#define UNIX_AT_ZERO UINT64_C (1767225600)

typedef struct {
  FzSimNode *node;
  bool is_gateway;
  bool is_connected;
  bool is_muted; /* its candidates go nowhere */
  FzUuid id;
  FzIp ipv4;
  FzIp ipv6;
} Node;

typedef struct {
  FzUuid id;
  char name[16];
  FzIpNetwork network;
  const char *pattern; /* NULL: a network */
  FzIpStack ip_stack;
  const FzFilter *filters;
  size_t n_filters;
  bool is_allowed[FZ_SIM_PORTAL_NODES_MAX]; /* by client */
} Resource;

typedef struct {
  unsigned client;
  unsigned gateway;
  unsigned resource;
  uint64_t expires_at; /* unix seconds; UINT64_MAX: never */
} Grant;

typedef struct {
  FzInstant at;
  unsigned to;
  FzCommandKind kind;
  unsigned other; /* node */
  unsigned resource;
  FzFailureReason reason;
  char **candidates;
  uint32_t id;   /* of a lookup or a query */
  char *domain;  /* of a lookup */
  GBytes *query; /* of a query */
} Message;

struct FzSimPortal {
  FzSim *sim;
  uint64_t delay_ns;
  uint64_t lifetime_s;
  unsigned n_copies;
  bool are_relays_listed;
  Node nodes[FZ_SIM_PORTAL_NODES_MAX];
  unsigned n_nodes;
  Resource resources[FZ_SIM_PORTAL_RESOURCES_MAX];
  unsigned n_resources;
  FzRelay relays[FZ_SIM_PORTAL_RELAYS_MAX];
  unsigned n_relays;
  FzSimNames names;
  FzIp upstream;   /* FZ_IP_NONE: none */
  GArray *grants;  /* of Grant */
  GQueue messages; /* of Message, in the order of delivery */
  FzSimPortalCounters counters;
};

static const FzSite site = { { { 0x51 } }, "site" };

static uint64_t
unix_now (const FzSimPortal *self)
{
  return UNIX_AT_ZERO + fz_sim_now (self->sim) / FZ_S;
}

/* -- messages -- */

static void
free_message (void *data)
{
  Message *message = data;

  g_strfreev (message->candidates);
  g_free (message->domain);
  g_clear_pointer (&message->query, g_bytes_unref);
  g_free (message);
}

static Message *
post (FzSimPortal *self, unsigned to, FzCommandKind kind)
{
  Message *message = g_new0 (Message, 1);

  message->at = fz_sim_now (self->sim) + self->delay_ns;
  message->to = to;
  message->kind = kind;
  g_queue_push_tail (&self->messages, message);
  return message;
}

/* -- values -- */

static FzResource
describe (const Resource *resource)
{
  return (FzResource){
    .kind = resource->pattern != NULL ? FZ_RESOURCE_DNS : FZ_RESOURCE_CIDR,
    .pattern = resource->pattern,
    .ip_stack = resource->ip_stack,
    .id = resource->id,
    .name = resource->name,
    .network = resource->network,
    .filters = resource->filters,
    .n_filters = resource->n_filters,
    .sites = &site,
    .n_sites = 1,
  };
}

typedef struct {
  uint8_t preshared_key[FZ_KEY_SIZE];
  char texts[4][23]; /* client ufrag, client password, gateway ufrag, gateway password */
} Secrets;

/* Stable for as long as both public keys are (portal-protocol.md §8.6). */
static Secrets
derive (const FzSimPortal *self, const Node *client, const Node *gateway)
{
  static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
  FzSpan parts[] = {
    { client->id.bytes, 16 },
    { fz_engine_get_public_key (fz_sim_node_get_engine (client->node)), FZ_KEY_SIZE },
    { gateway->id.bytes, 16 },
    { fz_engine_get_public_key (fz_sim_node_get_engine (gateway->node)), FZ_KEY_SIZE },
  };
  uint8_t more[2][FZ_SHA256_SIZE];
  Secrets secrets = { 0 };

  fz_sha256 (parts, G_N_ELEMENTS (parts), secrets.preshared_key);
  for (uint8_t i = 0; i < 2; i++) {
    FzSpan salted[] = { { secrets.preshared_key, FZ_KEY_SIZE }, { &i, 1 } };

    fz_sha256 (salted, 2, more[i]);
    for (int j = 0; j < 4; j++)
      secrets.texts[2 * i][j] = alphabet[more[i][j] & 31];
    for (int j = 0; j < 22; j++)
      secrets.texts[2 * i + 1][j] = alphabet[more[i][j + 4] & 31];
  }
  return secrets;
}

static FzInterface
interface_of (const FzSimPortal *self, const Node *node)
{
  return (FzInterface){
    .ipv4 = node->ipv4,
    .ipv6 = node->ipv6,
    .upstream_do53 = &self->upstream,
    .n_upstream_do53 = self->upstream.family != FZ_IP_NONE,
  };
}

/* -- names -- */

static void
deliver_resolved (FzSimPortal *self, const Message *message, const Node *node)
{
  FzIp ips[FZ_SIM_IPS_MAX];
  int n = fz_sim_names_find (&self->names, message->domain, ips);
  FzCommand command = {
    .kind = FZ_COMMAND_DOMAIN_RESOLVED,
    .domain_resolved = { message->id, ips, (size_t) MAX (n, 0), n < 0 },
  };

  fz_sim_node_command (node->node, &command);
}

size_t
fz_sim_portal_answer (const FzSimPortal *self, FzSpan query, uint8_t out[512])
{
  return fz_sim_names_answer (&self->names, query, out);
}

/* Names that nobody can speak about are not answered at all. */
static void
deliver_answer (FzSimPortal *self, const Message *message, const Node *node)
{
  uint8_t out[512];
  FzCommand command = { .kind = FZ_COMMAND_DNS_ANSWER };
  gsize length;
  const void *query = g_bytes_get_data (message->query, &length);

  command.dns_answer.id = message->id;
  command.dns_answer.message = out;
  command.dns_answer.length = fz_sim_portal_answer (self, fz_span (query, length), out);
  if (command.dns_answer.length > 0)
    fz_sim_node_command (node->node, &command);
}

/* -- delivery -- */

static void
deliver_client_init (FzSimPortal *self, const Node *node, unsigned index)
{
  FzResource resources[FZ_SIM_PORTAL_RESOURCES_MAX];
  FzCommand command = { .kind = FZ_COMMAND_CLIENT_INIT };

  command.client_init.interface = interface_of (self, node);
  for (unsigned i = 0; i < self->n_resources; i++)
    if (self->resources[i].is_allowed[index])
      resources[command.client_init.n_resources++] = describe (&self->resources[i]);
  command.client_init.resources = resources;
  command.client_init.relays = self->relays;
  command.client_init.n_relays = self->are_relays_listed ? self->n_relays : 0;
  fz_sim_node_command (node->node, &command);
}

static void
deliver_gateway_init (FzSimPortal *self, const Node *node, unsigned index)
{
  g_autoptr (GArray) grants = g_array_new (FALSE, FALSE, sizeof (FzGrant));
  FzCommand command = { .kind = FZ_COMMAND_GATEWAY_INIT };

  for (guint i = 0; i < self->grants->len; i++) {
    const Grant *grant = &g_array_index (self->grants, Grant, i);
    FzGrant listed = { self->nodes[grant->client].id,
                       self->resources[grant->resource].id,
                       grant->expires_at };

    if (grant->gateway == index)
      g_array_append_val (grants, listed);
  }
  command.gateway_init.interface = interface_of (self, node);
  command.gateway_init.relays = self->relays;
  command.gateway_init.n_relays = self->are_relays_listed ? self->n_relays : 0;
  command.gateway_init.grants = (const FzGrant *) grants->data;
  command.gateway_init.n_grants = grants->len;
  command.gateway_init.unix_now = unix_now (self);
  fz_sim_node_command (node->node, &command);
}

static void
deliver_create (FzSimPortal *self, const Message *message, const Node *gateway)
{
  const Node *client = &self->nodes[message->other];
  Secrets secrets = derive (self, client, gateway);
  FzCommand command = { .kind = FZ_COMMAND_CREATE_AUTHORIZATION };
  char ref[32];

  g_snprintf (ref, sizeof ref, "%u:%u", message->other, message->resource);
  command.create_authorization.ref = ref;
  command.create_authorization.resource = describe (&self->resources[message->resource]);
  command.create_authorization.client_id = client->id;
  memcpy (command.create_authorization.client_public_key,
          fz_engine_get_public_key (fz_sim_node_get_engine (client->node)),
          FZ_KEY_SIZE);
  memcpy (command.create_authorization.preshared_key, secrets.preshared_key, FZ_KEY_SIZE);
  command.create_authorization.client_ipv4 = client->ipv4;
  command.create_authorization.client_ipv6 = client->ipv6;
  command.create_authorization.client_ice =
      (FzIceCredentials){ secrets.texts[0], secrets.texts[1] };
  command.create_authorization.gateway_ice =
      (FzIceCredentials){ secrets.texts[2], secrets.texts[3] };
  command.create_authorization.unix_now = unix_now (self);
  command.create_authorization.expires_at =
      self->lifetime_s > 0 ? unix_now (self) + self->lifetime_s : UINT64_MAX;
  fz_sim_node_command (gateway->node, &command);
}

static void
deliver_created (FzSimPortal *self, const Message *message, const Node *client)
{
  const Node *gateway = &self->nodes[message->other];
  Secrets secrets = derive (self, client, gateway);
  FzCommand command = { .kind = FZ_COMMAND_AUTHORIZATION_CREATED };

  command.authorization_created.resource_id = self->resources[message->resource].id;
  command.authorization_created.gateway_id = gateway->id;
  command.authorization_created.site_id = site.id;
  memcpy (command.authorization_created.gateway_public_key,
          fz_engine_get_public_key (fz_sim_node_get_engine (gateway->node)),
          FZ_KEY_SIZE);
  command.authorization_created.gateway_ipv4 = gateway->ipv4;
  command.authorization_created.gateway_ipv6 = gateway->ipv6;
  memcpy (command.authorization_created.preshared_key, secrets.preshared_key, FZ_KEY_SIZE);
  command.authorization_created.client_ice =
      (FzIceCredentials){ secrets.texts[0], secrets.texts[1] };
  command.authorization_created.gateway_ice =
      (FzIceCredentials){ secrets.texts[2], secrets.texts[3] };
  fz_sim_node_command (client->node, &command);
}

static void
deliver (FzSimPortal *self, const Message *message)
{
  const Node *node = &self->nodes[message->to];
  FzCommand command = { .kind = message->kind };

  /* these two cases are about other members than the rest */
  switch ((int) message->kind) {
  case FZ_COMMAND_CLIENT_INIT:
    deliver_client_init (self, node, message->to);
    return;
  case FZ_COMMAND_GATEWAY_INIT:
    deliver_gateway_init (self, node, message->to);
    return;
  case FZ_COMMAND_CREATE_AUTHORIZATION:
    deliver_create (self, message, node);
    return;
  case FZ_COMMAND_AUTHORIZATION_CREATED:
    deliver_created (self, message, node);
    return;
  case FZ_COMMAND_DOMAIN_RESOLVED:
    deliver_resolved (self, message, node);
    return;
  case FZ_COMMAND_DNS_ANSWER:
    deliver_answer (self, message, node);
    return;
  case FZ_COMMAND_AUTHORIZATION_FAILED:
    command.authorization_failed.resource_id = self->resources[message->resource].id;
    command.authorization_failed.reason = message->reason;
    break;
  case FZ_COMMAND_ADD_CANDIDATES:
  case FZ_COMMAND_INVALIDATE_CANDIDATES:
    command.candidates.peer_id = self->nodes[message->other].id;
    command.candidates.candidates = (const char *const *) message->candidates;
    command.candidates.n_candidates = g_strv_length (message->candidates);
    break;
  case FZ_COMMAND_UPSERT_RESOURCE:
  case FZ_COMMAND_UPDATE_RESOURCE:
    command.resource = describe (&self->resources[message->resource]);
    break;
  case FZ_COMMAND_REMOVE_RESOURCE:
    command.remove_resource = self->resources[message->resource].id;
    break;
  case FZ_COMMAND_REJECT_ACCESS:
    command.reject_access.client_id = self->nodes[message->other].id;
    command.reject_access.resource_id = self->resources[message->resource].id;
    break;
  case FZ_COMMAND_RELAYS_PRESENCE:
    command.relays_presence.connected = self->relays;
    command.relays_presence.n_connected = self->are_relays_listed ? self->n_relays : 0;
    break;
  case FZ_COMMAND_PORTAL_CONNECTED:
  case FZ_COMMAND_PORTAL_DISCONNECTED:
    break;
  default:
    g_assert_not_reached ();
  }
  fz_sim_node_command (node->node, &command);
}

static void
handle_timeout (void *context, FzInstant now)
{
  FzSimPortal *self = context;
  Message *message;

  while ((message = g_queue_peek_head (&self->messages)) != NULL && message->at <= now) {
    g_queue_pop_head (&self->messages);
    for (unsigned i = 0; i < self->n_copies; i++)
      if (self->nodes[message->to].is_connected ||
          message->kind == FZ_COMMAND_PORTAL_DISCONNECTED ||
          message->kind == FZ_COMMAND_DOMAIN_RESOLVED || message->kind == FZ_COMMAND_DNS_ANSWER)
        deliver (self, message);
    free_message (message);
  }
}

static FzInstant
next_timeout (void *context)
{
  FzSimPortal *self = context;
  const Message *message = g_queue_peek_head (&self->messages);

  return message != NULL ? message->at : FZ_INSTANT_NEVER;
}

static void
handle_datagram (void *context,
                 const FzSocketAddress *local,
                 const FzSocketAddress *from,
                 FzSpan data,
                 FzInstant now)
{
  g_assert_not_reached (); /* it has no address */
}

static const FzSimProgram program = { handle_datagram, handle_timeout, next_timeout };

FzSimPortal *
fz_sim_portal_new (FzSim *sim, uint64_t delay_ns)
{
  FzSimPortal *self = g_new0 (FzSimPortal, 1);
  FzSimLink link = { 0 };
  unsigned host = fz_sim_add_host (sim, FZ_SIM_INTERNET, &link);

  self->sim = sim;
  self->delay_ns = delay_ns;
  self->n_copies = 1;
  self->are_relays_listed = true;
  self->grants = g_array_new (FALSE, FALSE, sizeof (Grant));
  g_queue_init (&self->messages);
  fz_sim_set_program (sim, host, &program, self);
  return self;
}

void
fz_sim_portal_free (FzSimPortal *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->grants);
  g_queue_clear_full (&self->messages, free_message);
  g_free (self);
}

const FzSimPortalCounters *
fz_sim_portal_get_counters (const FzSimPortal *self)
{
  return &self->counters;
}

/* -- events of nodes -- */

static unsigned
find_node (const FzSimPortal *self, const FzUuid *id)
{
  for (unsigned i = 0; i < self->n_nodes; i++)
    if (fz_uuid_equal (&self->nodes[i].id, id))
      return i;
  g_assert_not_reached ();
}

static unsigned
find_resource (const FzSimPortal *self, const FzUuid *id)
{
  for (unsigned i = 0; i < self->n_resources; i++)
    if (fz_uuid_equal (&self->resources[i].id, id))
      return i;
  g_assert_not_reached ();
}

/* One of the client's gateways if it is there, else the first. */
static int
choose_gateway (const FzSimPortal *self, const FzEvent *event)
{
  for (size_t i = 0; i < event->request_authorization.n_connected; i++) {
    unsigned at = find_node (self, &event->request_authorization.connected_gateway_ids[i]);

    if (self->nodes[at].is_connected)
      return (int) at;
  }
  for (unsigned i = 0; i < self->n_nodes; i++)
    if (self->nodes[i].is_gateway && self->nodes[i].is_connected)
      return (int) i;
  return -1;
}

static void
handle_request (FzSimPortal *self, unsigned client, const FzEvent *event)
{
  unsigned resource = find_resource (self, &event->request_authorization.resource_id);
  int gateway = choose_gateway (self, event);
  Message *message;

  self->counters.n_requests++;
  if (!self->resources[resource].is_allowed[client] || gateway < 0) {
    self->counters.n_refused++;
    message = post (self, client, FZ_COMMAND_AUTHORIZATION_FAILED);
    message->reason = gateway < 0 ? FZ_FAILURE_OFFLINE : FZ_FAILURE_NOT_FOUND;
  } else {
    message = post (self, (unsigned) gateway, FZ_COMMAND_CREATE_AUTHORIZATION);
    message->other = client;
  }
  message->resource = resource;
}

static void
note_grant (FzSimPortal *self, unsigned client, unsigned gateway, unsigned resource)
{
  Grant grant = { client, gateway, resource, UINT64_MAX };

  if (self->lifetime_s > 0)
    grant.expires_at = unix_now (self) + self->lifetime_s;
  for (guint i = self->grants->len; i-- > 0;) {
    const Grant *old = &g_array_index (self->grants, Grant, i);

    if (old->client == client && old->resource == resource)
      g_array_remove_index (self->grants, i);
  }
  g_array_append_val (self->grants, grant);
}

static void
handle_accepted (FzSimPortal *self, unsigned gateway, const char *ref)
{
  unsigned client, resource;
  Message *message;

  g_assert_cmpint (sscanf (ref, "%u:%u", &client, &resource), ==, 2);
  if (!self->resources[resource].is_allowed[client])
    return;
  self->counters.n_granted++;
  note_grant (self, client, gateway, resource);
  message = post (self, client, FZ_COMMAND_AUTHORIZATION_CREATED);
  message->other = gateway;
  message->resource = resource;
}

static void
forward_candidates (FzSimPortal *self, unsigned from, const FzEvent *event, FzCommandKind kind)
{
  Message *message;

  if (self->nodes[from].is_muted)
    return;
  message = post (self, find_node (self, &event->candidates.peer_id), kind);
  message->other = from;
  message->candidates = g_new0 (char *, event->candidates.n_candidates + 1);
  for (size_t i = 0; i < event->candidates.n_candidates; i++)
    message->candidates[i] = g_strdup (event->candidates.candidates[i]);
  self->counters.n_candidates += event->candidates.n_candidates;
}

/* What a host answers, with or without portal. */
static bool
handle_host_event (FzSimPortal *self, unsigned index, const FzEvent *event)
{
  Message *message;

  if (event->kind == FZ_EVENT_RESOLVE_DOMAIN) {
    self->counters.n_lookups++;
    message = post (self, index, FZ_COMMAND_DOMAIN_RESOLVED);
    message->id = event->resolve_domain.id;
    message->domain = g_strdup (event->resolve_domain.domain);
    return true;
  }
  if (event->kind == FZ_EVENT_DNS_QUERY) {
    self->counters.n_queries++;
    message = post (self, index, FZ_COMMAND_DNS_ANSWER);
    message->id = event->dns_query.id;
    message->query = g_bytes_new (event->dns_query.message, event->dns_query.length);
    return true;
  }
  return false;
}

void
fz_sim_portal_handle_event (FzSimPortal *self, FzSimNode *node, const FzEvent *event)
{
  unsigned index = 0;

  while (self->nodes[index].node != node)
    index++;
  g_assert (index < self->n_nodes);
  if (handle_host_event (self, index, event))
    return;
  if (event->kind == FZ_EVENT_PUBLIC_KEY_CHANGED) {
    fz_sim_portal_disconnect (self, index);
    fz_sim_portal_connect (self, index);
    return;
  }
  if (!self->nodes[index].is_connected)
    return;
  switch ((int) event->kind) {
  case FZ_EVENT_REQUEST_AUTHORIZATION:
    handle_request (self, index, event);
    return;
  case FZ_EVENT_AUTHORIZATION_ACCEPTED:
    handle_accepted (self, index, event->authorization_ref);
    return;
  case FZ_EVENT_NEW_CANDIDATES:
    forward_candidates (self, index, event, FZ_COMMAND_ADD_CANDIDATES);
    return;
  case FZ_EVENT_INVALIDATED_CANDIDATES:
    forward_candidates (self, index, event, FZ_COMMAND_INVALIDATE_CANDIDATES);
    return;
  case FZ_EVENT_NO_RELAYS:
    self->counters.n_no_relays++;
    post (self, index, FZ_COMMAND_RELAYS_PRESENCE);
    return;
  default:
    return;
  }
}

/* -- configuration -- */

void
fz_sim_portal_add_relay (FzSimPortal *self, const FzRelay *relay)
{
  g_assert (self->n_relays < FZ_SIM_PORTAL_RELAYS_MAX);
  self->relays[self->n_relays++] = *relay;
}

void
fz_sim_portal_set_relays_listed (FzSimPortal *self, bool are_listed)
{
  self->are_relays_listed = are_listed;
}

unsigned
fz_sim_portal_add_node (FzSimPortal *self, FzSimNode *node, bool is_gateway, uint8_t number)
{
  Node *added = &self->nodes[self->n_nodes];
  FzIp ipv6 = { FZ_IP_V6, { 0xfd, 0, 0x20, 0x21, 0x11, 0x11 } };

  g_assert (self->n_nodes < FZ_SIM_PORTAL_NODES_MAX);
  ipv6.bytes[15] = number;
  *added = (Node){
    .node = node,
    .is_gateway = is_gateway,
    .id = { { is_gateway ? 0x9a : 0xc1, 0, number } },
    .ipv4 = { FZ_IP_V4, { 100, 64, 0, number } },
    .ipv6 = ipv6,
  };
  return self->n_nodes++;
}

FzUuid
fz_sim_portal_get_id (const FzSimPortal *self, unsigned index)
{
  return self->nodes[index].id;
}

FzIp
fz_sim_portal_get_ip (const FzSimPortal *self, unsigned index, bool is_v6)
{
  return is_v6 ? self->nodes[index].ipv6 : self->nodes[index].ipv4;
}

void
fz_sim_portal_connect (FzSimPortal *self, unsigned index)
{
  Node *node = &self->nodes[index];

  if (node->is_connected)
    return;
  node->is_connected = true;
  post (self, index, FZ_COMMAND_PORTAL_CONNECTED);
  post (self, index, node->is_gateway ? FZ_COMMAND_GATEWAY_INIT : FZ_COMMAND_CLIENT_INIT);
}

void
fz_sim_portal_disconnect (FzSimPortal *self, unsigned index)
{
  if (!self->nodes[index].is_connected)
    return;
  self->nodes[index].is_connected = false;
  for (GList *l = self->messages.head; l != NULL;) { /* the websocket is gone, with its contents */
    GList *next = l->next;
    Message *message = l->data;

    if (message->to == index) {
      free_message (message);
      g_queue_delete_link (&self->messages, l);
    }
    l = next;
  }
  post (self, index, FZ_COMMAND_PORTAL_DISCONNECTED);
}

bool
fz_sim_portal_is_connected (const FzSimPortal *self, unsigned index)
{
  return self->nodes[index].is_connected;
}

unsigned
fz_sim_portal_add_resource (FzSimPortal *self,
                            const char *network,
                            const FzFilter *filters,
                            size_t n_filters)
{
  Resource *resource = &self->resources[self->n_resources];

  g_assert (self->n_resources < FZ_SIM_PORTAL_RESOURCES_MAX);
  *resource = (Resource){
    .id = { { 0x4e, (uint8_t) self->n_resources } },
    .filters = filters,
    .n_filters = n_filters,
  };
  g_snprintf (resource->name, sizeof resource->name, "resource %u", self->n_resources);
  g_assert_true (fz_ip_network_parse (network, &resource->network));
  return self->n_resources++;
}

unsigned
fz_sim_portal_add_dns_resource (FzSimPortal *self,
                                const char *pattern,
                                FzIpStack stack,
                                const FzFilter *filters,
                                size_t n_filters)
{
  unsigned index = fz_sim_portal_add_resource (self, "0.0.0.0/0", filters, n_filters);

  self->resources[index].pattern = pattern;
  self->resources[index].ip_stack = stack;
  return index;
}

void
fz_sim_portal_set_name (FzSimPortal *self, const char *name, const char *ips)
{
  fz_sim_names_set (&self->names, name, ips);
}

void
fz_sim_portal_set_upstream (FzSimPortal *self, const char *ip)
{
  g_assert_true (fz_ip_parse (ip, &self->upstream));
}

FzUuid
fz_sim_portal_get_resource_id (const FzSimPortal *self, unsigned resource)
{
  return self->resources[resource].id;
}

static void
reject_grants (FzSimPortal *self, unsigned client, unsigned resource)
{
  for (guint i = self->grants->len; i-- > 0;) {
    Grant grant = g_array_index (self->grants, Grant, i);
    Message *message;

    if (grant.client != client || grant.resource != resource)
      continue;
    g_array_remove_index (self->grants, i);
    if (!self->nodes[grant.gateway].is_connected)
      continue;
    message = post (self, grant.gateway, FZ_COMMAND_REJECT_ACCESS);
    message->other = client;
    message->resource = resource;
  }
}

void
fz_sim_portal_set_policy (FzSimPortal *self, unsigned client, unsigned resource, bool is_allowed)
{
  if (self->resources[resource].is_allowed[client] == is_allowed)
    return;
  self->resources[resource].is_allowed[client] = is_allowed;
  if (!is_allowed)
    reject_grants (self, client, resource);
  if (self->nodes[client].is_connected)
    post (self, client, is_allowed ? FZ_COMMAND_UPSERT_RESOURCE : FZ_COMMAND_REMOVE_RESOURCE)
        ->resource = resource;
}

bool
fz_sim_portal_has_policy (const FzSimPortal *self, unsigned client, unsigned resource)
{
  return self->resources[resource].is_allowed[client];
}

void
fz_sim_portal_reject_silently (FzSimPortal *self, unsigned client, unsigned resource)
{
  reject_grants (self, client, resource);
}

void
fz_sim_portal_set_filters (FzSimPortal *self,
                           unsigned resource,
                           const FzFilter *filters,
                           size_t n_filters)
{
  self->resources[resource].filters = filters;
  self->resources[resource].n_filters = n_filters;
  for (unsigned i = 0; i < self->n_nodes; i++) {
    if (!self->nodes[i].is_connected)
      continue;
    if (self->nodes[i].is_gateway)
      post (self, i, FZ_COMMAND_UPDATE_RESOURCE)->resource = resource;
    else if (self->resources[resource].is_allowed[i])
      post (self, i, FZ_COMMAND_UPSERT_RESOURCE)->resource = resource;
  }
}

void
fz_sim_portal_set_lifetime (FzSimPortal *self, uint64_t lifetime_s)
{
  self->lifetime_s = lifetime_s;
}

void
fz_sim_portal_set_forwarding (FzSimPortal *self, unsigned index, bool is_forwarding)
{
  self->nodes[index].is_muted = !is_forwarding;
}

void
fz_sim_portal_set_copies (FzSimPortal *self, unsigned n_copies)
{
  self->n_copies = n_copies;
}
