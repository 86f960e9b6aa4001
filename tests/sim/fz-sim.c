/* fz-sim.c: see fz-sim.h */

#include "tests/sim/fz-sim.h"

#include "tests/unit/base/addresses.h"

#include <stdlib.h>
#include <string.h>

#define MTU_BYTES      1500u
#define FIRST_NAT_PORT 20000u
#define TURNS_MAX      100000u /* at one instant: a program that never sleeps is a bug */

typedef struct {
  FzSocketAddress inner;
  FzSocketAddress outer;
  FzSocketAddress peer; /* symmetric: the only one it is for */
  GArray *contacted;    /* of FzSocketAddress: who was sent to */
  FzInstant used_at;
} Mapping;

typedef struct {
  unsigned parent;
  bool is_router;
  FzSimNat nat;
  FzSimLink link;
  FzInstant last_up; /* latest due time handed out, each way: order is kept */
  FzInstant last_down;
  GArray *addresses;   /* of FzIp */
  GPtrArray *mappings; /* of Mapping */
  FzSimProgram program;
  void *context;
} Node;

/* A datagram on its way: it comes to a segment (climbing) or to a node (descending) at due. */
typedef struct {
  FzInstant due;
  uint64_t sequence;
  bool is_climbing;
  unsigned node; /* segment's router (or the internet), or the node it comes to */
  FzSocketAddress from;
  FzSocketAddress to;
  GBytes *data;
} Flight;

typedef struct {
  FzIp from;
  FzIp to;
} Block;

struct FzSim {
  FzInstant now;
  FzSeededRng seeded;
  FzRng rng;
  GPtrArray *nodes;   /* of Node; 0 is the internet */
  GSequence *flights; /* of Flight, by due and sequence */
  uint64_t sequence;
  GArray *blocks; /* of Block */
  FzSimCounters counters;
};

/* -- life -- */

static void
free_mapping (gpointer data)
{
  Mapping *mapping = data;

  g_array_unref (mapping->contacted);
  g_free (mapping);
}

static void
free_node (gpointer data)
{
  Node *node = data;

  g_array_unref (node->addresses);
  g_ptr_array_unref (node->mappings);
  g_free (node);
}

static void
free_flight (gpointer data)
{
  Flight *flight = data;

  g_bytes_unref (flight->data);
  g_free (flight);
}

static Node *
node_at (const FzSim *self, unsigned i)
{
  g_assert (i < self->nodes->len);
  return (Node *) g_ptr_array_index (self->nodes, i);
}

static unsigned
add_node (FzSim *self, unsigned parent, bool is_router, FzSimNat nat, const FzSimLink *link)
{
  Node *node = g_new0 (Node, 1);

  g_assert (self->nodes->len == 0 || node_at (self, parent)->is_router);
  node->parent = parent;
  node->is_router = is_router;
  node->nat = nat;
  node->link = *link;
  node->addresses = g_array_new (FALSE, FALSE, sizeof (FzIp));
  node->mappings = g_ptr_array_new_with_free_func (free_mapping);
  g_ptr_array_add (self->nodes, node);
  return self->nodes->len - 1;
}

FzSim *
fz_sim_new (uint64_t seed)
{
  FzSim *self = g_new0 (FzSim, 1);

  self->now = 1000 * FZ_S; /* anything but the epoch; tests of the epoch set up their own */
  fz_seeded_rng_init (&self->seeded, seed);
  self->rng = fz_seeded_rng (&self->seeded);
  self->nodes = g_ptr_array_new_with_free_func (free_node);
  self->flights = g_sequence_new (free_flight);
  self->blocks = g_array_new (FALSE, FALSE, sizeof (Block));
  add_node (self, 0, true, FZ_SIM_NAT_FULL_CONE, &(FzSimLink){ 0 });
  return self;
}

void
fz_sim_free (FzSim *self)
{
  if (self == NULL)
    return;
  g_sequence_free (self->flights);
  g_ptr_array_unref (self->nodes);
  g_array_unref (self->blocks);
  g_free (self);
}

uint64_t
fz_sim_seed (uint64_t fallback)
{
  const char *text = g_getenv ("FZ_SEED");
  uint64_t seed = text != NULL ? g_ascii_strtoull (text, NULL, 0) : fallback;

  g_test_message ("seed: FZ_SEED=%" G_GUINT64_FORMAT, seed);
  return seed;
}

FzInstant
fz_sim_now (const FzSim *self)
{
  return self->now;
}

FzRng
fz_sim_rng (FzSim *self)
{
  return self->rng;
}

const FzSimCounters *
fz_sim_get_counters (const FzSim *self)
{
  return &self->counters;
}

/* -- world -- */

unsigned
fz_sim_add_router (FzSim *self, unsigned parent, FzSimNat nat, const FzSimLink *link)
{
  return add_node (self, parent, true, nat, link);
}

unsigned
fz_sim_add_host (FzSim *self, unsigned parent, const FzSimLink *link)
{
  return add_node (self, parent, false, FZ_SIM_NAT_FULL_CONE, link);
}

void
fz_sim_set_program (FzSim *self, unsigned host, const FzSimProgram *program, void *context)
{
  node_at (self, host)->program = *program;
  node_at (self, host)->context = context;
}

void
fz_sim_set_link (FzSim *self, unsigned node, const FzSimLink *link)
{
  node_at (self, node)->link = *link;
}

static int
find_address (const Node *node, const FzIp *ip)
{
  for (guint i = 0; i < node->addresses->len; i++)
    if (fz_ip_equal (&g_array_index (node->addresses, FzIp, i), ip))
      return (int) i;
  return -1;
}

void
fz_sim_add_address (FzSim *self, unsigned node, const char *ip)
{
  FzIp value = test_ip (ip);

  if (find_address (node_at (self, node), &value) < 0)
    g_array_append_val (node_at (self, node)->addresses, value);
}

void
fz_sim_remove_address (FzSim *self, unsigned node, const char *ip)
{
  FzIp value = test_ip (ip);
  int i = find_address (node_at (self, node), &value);

  if (i >= 0)
    g_array_remove_index (node_at (self, node)->addresses, (guint) i);
}

void
fz_sim_forget_mappings (FzSim *self, unsigned router)
{
  g_ptr_array_set_size (node_at (self, router)->mappings, 0);
}

void
fz_sim_block (FzSim *self, const char *from, const char *to)
{
  Block block = { test_ip (from), test_ip (to) };

  g_array_append_val (self->blocks, block);
}

void
fz_sim_unblock (FzSim *self)
{
  g_array_set_size (self->blocks, 0);
}

static bool
is_blocked (const FzSim *self, const FzIp *from, const FzIp *to)
{
  for (guint i = 0; i < self->blocks->len; i++) {
    const Block *block = &g_array_index (self->blocks, Block, i);

    if ((block->from.family == FZ_IP_NONE || fz_ip_equal (&block->from, from)) &&
        (block->to.family == FZ_IP_NONE || fz_ip_equal (&block->to, to)))
      return true;
  }
  return false;
}

/* -- links -- */

static int
compare_flights (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const Flight *x = a;
  const Flight *y = b;

  if (x->due != y->due)
    return x->due < y->due ? -1 : 1;
  return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static bool
dice (FzSim *self, unsigned permille)
{
  return permille > 0 && fz_rng_below (&self->rng, 1000) < permille;
}

static void
schedule (FzSim *self, const Flight *flight, FzInstant due)
{
  Flight *copy = g_memdup2 (flight, sizeof *flight);

  copy->due = due;
  copy->sequence = self->sequence++;
  copy->data = g_bytes_ref (flight->data);
  g_sequence_insert_sorted (self->flights, copy, compare_flights, NULL);
}

/* Sends @flight over the link of @link_node, up or down. */
static void
cross_link (FzSim *self, unsigned link_node, const Flight *flight)
{
  Node *node = node_at (self, link_node);
  FzInstant *last = flight->is_climbing ? &node->last_up : &node->last_down;
  FzInstant due = self->now + node->link.delay_ns;

  if (dice (self, node->link.loss_permille)) {
    self->counters.n_lost++;
    return;
  }
  if (node->link.jitter_ns > 0)
    due += fz_rng_below (&self->rng, node->link.jitter_ns + 1);
  if (dice (self, node->link.reorder_permille)) {
    due = self->now;
  } else {
    due = MAX (due, *last);
    *last = due;
  }
  schedule (self, flight, due);
  if (dice (self, node->link.duplicate_permille))
    schedule (self, flight, due);
}

/* -- translation -- */

static const FzIp *
outer_ip (const Node *router, uint8_t family)
{
  for (guint i = 0; i < router->addresses->len; i++) {
    const FzIp *ip = &g_array_index (router->addresses, FzIp, i);

    if (ip->family == family)
      return ip;
  }
  return NULL;
}

static bool
is_alive (const FzSim *self, const Mapping *mapping)
{
  return fz_instant_since (mapping->used_at, self->now) < FZ_SIM_MAPPING_NS;
}

static Mapping *
find_mapping_by_outer (const FzSim *self, const Node *router, const FzSocketAddress *outer)
{
  for (guint i = 0; i < router->mappings->len; i++) {
    Mapping *mapping = g_ptr_array_index (router->mappings, i);

    if (is_alive (self, mapping) && fz_socket_address_equal (&mapping->outer, outer))
      return mapping;
  }
  return NULL;
}

static Mapping *
find_mapping_by_inner (const FzSim *self,
                       const Node *router,
                       const FzSocketAddress *inner,
                       const FzSocketAddress *peer)
{
  for (guint i = 0; i < router->mappings->len; i++) {
    Mapping *mapping = g_ptr_array_index (router->mappings, i);

    if (is_alive (self, mapping) && fz_socket_address_equal (&mapping->inner, inner) &&
        (router->nat != FZ_SIM_NAT_SYMMETRIC || fz_socket_address_equal (&mapping->peer, peer)))
      return mapping;
  }
  return NULL;
}

/* The inner port if nobody has it outside, else the next free one; symmetric: any. */
static FzSocketAddress
pick_outer (FzSim *self, const Node *router, const FzIp *ip, uint16_t wish)
{
  FzSocketAddress outer = { .ip = *ip, .port = wish };

  if (router->nat == FZ_SIM_NAT_SYMMETRIC)
    outer.port = (uint16_t) (FIRST_NAT_PORT + fz_rng_below (&self->rng, 40000));
  while (find_mapping_by_outer (self, router, &outer) != NULL)
    outer.port = (uint16_t) (outer.port == UINT16_MAX ? FIRST_NAT_PORT : outer.port + 1u);
  return outer;
}

static Mapping *
add_mapping (FzSim *self,
             Node *router,
             const FzIp *ip,
             const FzSocketAddress *inner,
             const FzSocketAddress *peer)
{
  Mapping *mapping = g_new0 (Mapping, 1);

  mapping->inner = *inner;
  mapping->outer = pick_outer (self, router, ip, inner->port);
  mapping->peer = *peer;
  mapping->contacted = g_array_new (FALSE, FALSE, sizeof (FzSocketAddress));
  mapping->used_at = self->now;
  g_ptr_array_add (router->mappings, mapping);
  return mapping;
}

static bool
was_contacted (const Mapping *mapping, const FzSocketAddress *from, bool any_port)
{
  for (guint i = 0; i < mapping->contacted->len; i++) {
    const FzSocketAddress *peer = &g_array_index (mapping->contacted, FzSocketAddress, i);

    if (any_port ? fz_ip_equal (&peer->ip, &from->ip) : fz_socket_address_equal (peer, from))
      return true;
  }
  return false;
}

static void
translate_out (FzSim *self, Node *router, Flight *flight)
{
  const FzIp *ip = outer_ip (router, flight->from.ip.family);
  Mapping *mapping;

  if (ip == NULL)
    return;
  mapping = find_mapping_by_inner (self, router, &flight->from, &flight->to);
  if (mapping == NULL)
    mapping = add_mapping (self, router, ip, &flight->from, &flight->to);
  mapping->used_at = self->now;
  if (!was_contacted (mapping, &flight->to, false))
    g_array_append_val (mapping->contacted, flight->to);
  flight->from = mapping->outer;
}

static bool
may_enter (const Node *router, const Mapping *mapping, const FzSocketAddress *from)
{
  switch (router->nat) {
  case FZ_SIM_NAT_FULL_CONE:
    return true;
  case FZ_SIM_NAT_ADDRESS_RESTRICTED:
    return was_contacted (mapping, from, true);
  case FZ_SIM_NAT_PORT_RESTRICTED:
  case FZ_SIM_NAT_SYMMETRIC:
    return was_contacted (mapping, from, false);
  }
  return false;
}

/* False if the router keeps it out. */
static bool
translate_in (FzSim *self, Node *router, Flight *flight)
{
  const Mapping *mapping;

  if (find_address (router, &flight->to.ip) < 0)
    return true; /* only passing through */
  mapping = find_mapping_by_outer (self, router, &flight->to);
  if (mapping == NULL || !may_enter (router, mapping, &flight->from))
    return false;
  flight->to = mapping->inner;
  return true;
}

/* -- routing -- */

/* Whether @ip is at @node, or below it without translation. */
static bool
has_below (const FzSim *self, unsigned node, const FzIp *ip)
{
  if (find_address (node_at (self, node), ip) >= 0)
    return true;
  if (!node_at (self, node)->is_router || outer_ip (node_at (self, node), ip->family) != NULL)
    return false;
  for (guint i = 1; i < self->nodes->len; i++)
    if (node_at (self, i)->parent == node && i != node && has_below (self, i, ip))
      return true;
  return false;
}

static int
find_child (const FzSim *self, unsigned segment, const FzIp *ip)
{
  for (guint i = 1; i < self->nodes->len; i++)
    if (node_at (self, i)->parent == segment && has_below (self, i, ip))
      return (int) i;
  return -1;
}

/* A datagram is in the segment below @segment's router: down to a child, or further up. */
static void
pass_segment (FzSim *self, unsigned segment, Flight *flight)
{
  int child = find_child (self, segment, &flight->to.ip);

  if (child >= 0) {
    flight->is_climbing = false;
    flight->node = (unsigned) child;
    cross_link (self, (unsigned) child, flight);
    return;
  }
  if (segment == FZ_SIM_INTERNET) {
    self->counters.n_unrouted++;
    return;
  }
  translate_out (self, node_at (self, segment), flight);
  flight->is_climbing = true;
  flight->node = node_at (self, segment)->parent;
  cross_link (self, segment, flight);
}

static void
reach_node (FzSim *self, Flight *flight)
{
  Node *node = node_at (self, flight->node);
  gsize n;
  const uint8_t *bytes = g_bytes_get_data (flight->data, &n);

  if (is_blocked (self, &flight->from.ip, &flight->to.ip)) {
    self->counters.n_lost++;
    return;
  }
  if (node->is_router) {
    if (translate_in (self, node, flight))
      pass_segment (self, flight->node, flight);
    else
      self->counters.n_filtered++;
    return;
  }
  self->counters.n_arrived++;
  if (node->program.handle_datagram != NULL)
    node->program.handle_datagram (
        node->context, &flight->to, &flight->from, fz_span (bytes, n), self->now);
}

void
fz_sim_send (
    FzSim *self, unsigned host, const FzSocketAddress *from, const FzSocketAddress *to, FzSpan data)
{
  Flight flight = {
    .is_climbing = true,
    .node = node_at (self, host)->parent,
    .from = *from,
    .to = *to,
  };

  self->counters.n_sent++;
  if (find_address (node_at (self, host), &from->ip) < 0 || data.length > MTU_BYTES ||
      from->ip.family != to->ip.family) {
    self->counters.n_unrouted++;
    return;
  }
  flight.data = g_bytes_new (data.data, data.length);
  cross_link (self, host, &flight);
  g_bytes_unref (flight.data);
}

void
fz_sim_send_any (FzSim *self, unsigned host, uint16_t port, const FzSocketAddress *to, FzSpan data)
{
  const GArray *addresses = node_at (self, host)->addresses;
  FzSocketAddress from = { .ip.family = to->ip.family, .port = port };

  for (guint i = 0; i < addresses->len; i++)
    if (g_array_index (addresses, FzIp, i).family == to->ip.family)
      from.ip = g_array_index (addresses, FzIp, i);
  fz_sim_send (self, host, &from, to, data);
}

/* -- run -- */

static FzInstant
next_arrival (const FzSim *self)
{
  GSequenceIter *first = g_sequence_get_begin_iter (self->flights);

  return g_sequence_iter_is_end (first) ? FZ_INSTANT_NEVER
                                        : ((const Flight *) g_sequence_get (first))->due;
}

static FzInstant
next_deadline (const FzSim *self)
{
  FzInstant next = FZ_INSTANT_NEVER;

  for (guint i = 0; i < self->nodes->len; i++) {
    const Node *node = node_at (self, i);

    if (node->program.next_timeout != NULL)
      next = fz_instant_min (next, node->program.next_timeout (node->context));
  }
  return next;
}

static void
move_first_flight (FzSim *self)
{
  GSequenceIter *first = g_sequence_get_begin_iter (self->flights);
  Flight flight = *(const Flight *) g_sequence_get (first);

  g_bytes_ref (flight.data);
  g_sequence_remove (first);
  if (flight.is_climbing)
    pass_segment (self, flight.node, &flight);
  else
    reach_node (self, &flight);
  g_bytes_unref (flight.data);
}

static void
run_timeouts (FzSim *self)
{
  for (guint i = 0; i < self->nodes->len; i++) {
    Node *node = node_at (self, i);

    if (node->program.handle_timeout != NULL &&
        node->program.next_timeout (node->context) <= self->now)
      node->program.handle_timeout (node->context, self->now);
  }
}

/* One turn at the next instant something is due; false if that is after @until. */
static bool
step (FzSim *self, FzInstant until)
{
  FzInstant arrival = next_arrival (self);
  FzInstant next = fz_instant_min (arrival, next_deadline (self));

  if (next > until)
    return false;
  self->now = MAX (self->now, next);
  if (arrival <= self->now)
    move_first_flight (self);
  else
    run_timeouts (self);
  return true;
}

void
fz_sim_run_until (FzSim *self, FzInstant until)
{
  FzInstant at = self->now;
  unsigned n_turns = 0;

  while (step (self, until)) {
    n_turns = at == self->now ? n_turns + 1 : 0;
    at = self->now;
    g_assert_cmpuint (n_turns, <, TURNS_MAX);
  }
  self->now = MAX (self->now, until);
}

void
fz_sim_run_for (FzSim *self, uint64_t duration_ns)
{
  fz_sim_run_until (self, fz_instant_add (self->now, duration_ns));
}

bool
fz_sim_run_while_not (FzSim *self,
                      bool (*is_done) (void *context),
                      void *context,
                      uint64_t limit_ns)
{
  FzInstant until = fz_instant_add (self->now, limit_ns);

  while (!is_done (context))
    if (!step (self, until)) {
      self->now = MAX (self->now, until);
      return is_done (context);
    }
  return true;
}
