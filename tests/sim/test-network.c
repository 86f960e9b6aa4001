/* test-network.c: the simulated network itself: links and translation as fz-sim.h says */

#include "tests/sim/fz-sim.h"
#include "tests/unit/base/addresses.h"

#include <string.h>

#define DELAY_NS (10 * FZ_MS)

static const FzSimLink plain = { .delay_ns = DELAY_NS };

/* A host that writes down what comes. */
typedef struct {
  unsigned host;
  unsigned n;
  FzSocketAddress local;
  FzSocketAddress from;
  FzInstant at;
  uint8_t order[512]; /* first bytes */
} Recorder;

static void
record (void *context,
        const FzSocketAddress *local,
        const FzSocketAddress *from,
        FzSpan data,
        FzInstant now)
{
  Recorder *self = context;

  self->local = *local;
  self->from = *from;
  self->at = now;
  self->order[self->n++ % sizeof self->order] = data.data[0];
}

static const FzSimProgram recorder_program = { .handle_datagram = record };

static void
recorder_init (Recorder *self, FzSim *sim, unsigned parent, const FzSimLink *link, const char *ip)
{
  *self = (Recorder){ .host = fz_sim_add_host (sim, parent, link) };
  fz_sim_add_address (sim, self->host, ip);
  fz_sim_set_program (sim, self->host, &recorder_program, self);
}

static void
send_byte (FzSim *sim, unsigned host, const char *from, const char *to, uint8_t byte)
{
  FzSocketAddress source = test_address (from);
  FzSocketAddress target = test_address (to);

  fz_sim_send (sim, host, &source, &target, fz_span (&byte, 1));
}

static void
assert_address (const FzSocketAddress *actual, const char *expected)
{
  char text[FZ_SOCKET_ADDRESS_TEXT_MAX];

  g_assert_cmpstr (fz_socket_address_format (actual, text), ==, expected);
}

static void
test_direct (void)
{
  g_autoptr (FzSim) sim = fz_sim_new (1);
  FzInstant start = fz_sim_now (sim);
  Recorder a;
  Recorder b;

  recorder_init (&a, sim, FZ_SIM_INTERNET, &plain, "192.0.2.1");
  recorder_init (&b, sim, FZ_SIM_INTERNET, &plain, "2001:db8::2");
  fz_sim_add_address (sim, b.host, "192.0.2.2");
  send_byte (sim, a.host, "192.0.2.1:1", "192.0.2.2:2", 0);
  send_byte (sim, a.host, "192.0.2.9:1", "192.0.2.2:2", 0); /* not its address */
  send_byte (sim, a.host, "192.0.2.1:1", "192.0.2.3:2", 0); /* nobody there */
  fz_sim_run_for (sim, FZ_S);
  g_assert_cmpuint (b.n, ==, 1);
  g_assert_cmpuint (b.at - start, ==, 2 * DELAY_NS);
  assert_address (&b.from, "192.0.2.1:1");
  assert_address (&b.local, "192.0.2.2:2");
  g_assert_cmpuint (fz_sim_get_counters (sim)->n_unrouted, ==, 2);
  g_assert_cmpuint (fz_sim_now (sim) - start, ==, FZ_S);
}

static void
test_loss_and_order (void)
{
  FzSimLink lossy = {
    .delay_ns = DELAY_NS,
    .jitter_ns = DELAY_NS,
    .loss_permille = 300,
    .duplicate_permille = 100,
  };
  g_autoptr (FzSim) sim = fz_sim_new (fz_sim_seed (7));
  Recorder a;
  Recorder b;

  recorder_init (&a, sim, FZ_SIM_INTERNET, &lossy, "192.0.2.1");
  recorder_init (&b, sim, FZ_SIM_INTERNET, &(FzSimLink){ 0 }, "192.0.2.2");
  for (unsigned i = 0; i < 250; i++)
    send_byte (sim, a.host, "192.0.2.1:1", "192.0.2.2:2", (uint8_t) i);
  fz_sim_run_for (sim, FZ_S);
  g_assert_cmpuint (b.n, >, 150);
  g_assert_cmpuint (b.n, <, 230);
  for (unsigned i = 1; i < b.n; i++)
    g_assert_cmpuint (b.order[i - 1], <=, b.order[i]);
}

static void
test_reorder (void)
{
  FzSimLink link = { .delay_ns = DELAY_NS, .reorder_permille = 200 };
  g_autoptr (FzSim) sim = fz_sim_new (fz_sim_seed (7));
  unsigned n_overtaken = 0;
  Recorder a;
  Recorder b;

  recorder_init (&a, sim, FZ_SIM_INTERNET, &link, "192.0.2.1");
  recorder_init (&b, sim, FZ_SIM_INTERNET, &(FzSimLink){ 0 }, "192.0.2.2");
  for (unsigned i = 0; i < 200; i++)
    send_byte (sim, a.host, "192.0.2.1:1", "192.0.2.2:2", (uint8_t) i);
  fz_sim_run_for (sim, FZ_S);
  g_assert_cmpuint (b.n, ==, 200);
  for (unsigned i = 1; i < b.n; i++)
    n_overtaken += b.order[i - 1] > b.order[i];
  g_assert_cmpuint (n_overtaken, >, 0);
}

static void
test_block (void)
{
  g_autoptr (FzSim) sim = fz_sim_new (1);
  Recorder a;
  Recorder b;

  recorder_init (&a, sim, FZ_SIM_INTERNET, &plain, "192.0.2.1");
  recorder_init (&b, sim, FZ_SIM_INTERNET, &plain, "192.0.2.2");
  fz_sim_block (sim, "192.0.2.1", NULL);
  send_byte (sim, a.host, "192.0.2.1:1", "192.0.2.2:2", 0);
  send_byte (sim, b.host, "192.0.2.2:2", "192.0.2.1:1", 0);
  fz_sim_run_for (sim, FZ_S);
  g_assert_cmpuint (b.n, ==, 0);
  g_assert_cmpuint (a.n, ==, 1);
  fz_sim_unblock (sim);
  send_byte (sim, a.host, "192.0.2.1:1", "192.0.2.2:2", 0);
  fz_sim_run_for (sim, FZ_S);
  g_assert_cmpuint (b.n, ==, 1);
}

/* The table of testbeds.md §13. */
static const struct {
  FzSimNat nat;
  const char *name;
  bool is_endpoint_independent;
  bool other_address;
  bool other_port;
} nats[] = {
  { FZ_SIM_NAT_FULL_CONE, "full cone", true, true, true },
  { FZ_SIM_NAT_ADDRESS_RESTRICTED, "address restricted", true, false, true },
  { FZ_SIM_NAT_PORT_RESTRICTED, "port restricted", true, false, false },
  { FZ_SIM_NAT_SYMMETRIC, "symmetric", false, false, false },
};

static void
answer (FzSim *sim, const Recorder *server, const char *from, const FzSocketAddress *to)
{
  FzSocketAddress source = test_address (from);

  fz_sim_send (sim, server->host, &source, to, fz_span ("x", 1));
  fz_sim_run_for (sim, FZ_S);
}

static void
test_nats (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (nats); i++) {
    g_autoptr (FzSim) sim = fz_sim_new (fz_sim_seed (3));
    unsigned router = fz_sim_add_router (sim, FZ_SIM_INTERNET, nats[i].nat, &plain);
    FzSocketAddress first;
    Recorder inside;
    Recorder outside;

    g_test_message ("%s", nats[i].name);
    fz_sim_add_address (sim, router, "203.0.113.1");
    recorder_init (&inside, sim, router, &plain, "10.77.1.2");
    recorder_init (&outside, sim, FZ_SIM_INTERNET, &plain, "203.0.113.2");
    fz_sim_add_address (sim, outside.host, "203.0.113.3");

    send_byte (sim, inside.host, "10.77.1.2:4000", "203.0.113.2:1", 0);
    fz_sim_run_for (sim, FZ_S);
    first = outside.from;
    g_assert_true (first.port == 4000 || nats[i].nat == FZ_SIM_NAT_SYMMETRIC);
    answer (sim, &outside, "203.0.113.2:1", &first);
    g_assert_cmpuint (inside.n, ==, 1);
    answer (sim, &outside, "203.0.113.2:2", &first);
    g_assert_cmpuint (inside.n, ==, 1u + nats[i].other_port);
    inside.n = 0;
    answer (sim, &outside, "203.0.113.3:1", &first);
    g_assert_cmpuint (inside.n, ==, nats[i].other_address);

    send_byte (sim, inside.host, "10.77.1.2:4000", "203.0.113.3:1", 0);
    fz_sim_run_for (sim, FZ_S);
    g_assert_true (fz_socket_address_equal (&outside.from, &first) ==
                   nats[i].is_endpoint_independent);
  }
}

static void
test_nat_ports (void)
{
  g_autoptr (FzSim) sim = fz_sim_new (1);
  unsigned router = fz_sim_add_router (sim, FZ_SIM_INTERNET, FZ_SIM_NAT_PORT_RESTRICTED, &plain);
  Recorder a;
  Recorder b;
  Recorder outside;

  fz_sim_add_address (sim, router, "203.0.113.1");
  recorder_init (&a, sim, router, &plain, "10.0.0.2");
  recorder_init (&b, sim, router, &plain, "10.0.0.3");
  recorder_init (&outside, sim, FZ_SIM_INTERNET, &plain, "203.0.113.2");
  send_byte (sim, a.host, "10.0.0.2:4000", "203.0.113.2:1", 0);
  fz_sim_run_for (sim, FZ_S);
  send_byte (sim, b.host, "10.0.0.3:4000", "203.0.113.2:1", 0);
  fz_sim_run_for (sim, FZ_S);
  assert_address (&outside.from, "203.0.113.1:4001"); /* taken: the next one */

  /* Inside they see each other directly; from outside nothing enters unasked, and a mapping ends.
   */
  send_byte (sim, a.host, "10.0.0.2:4000", "10.0.0.3:4000", 0);
  fz_sim_run_for (sim, FZ_S);
  assert_address (&b.from, "10.0.0.2:4000");
  send_byte (sim, outside.host, "203.0.113.2:1", "203.0.113.1:5000", 0);
  fz_sim_run_for (sim, FZ_SIM_MAPPING_NS);
  send_byte (sim, outside.host, "203.0.113.2:1", "203.0.113.1:4000", 0);
  fz_sim_run_for (sim, FZ_S);
  g_assert_cmpuint (a.n, ==, 0);
  g_assert_cmpuint (fz_sim_get_counters (sim)->n_filtered, ==, 2);
}

static void
test_two_routers (void)
{
  g_autoptr (FzSim) sim = fz_sim_new (1);
  unsigned outer = fz_sim_add_router (sim, FZ_SIM_INTERNET, FZ_SIM_NAT_PORT_RESTRICTED, &plain);
  unsigned inner = fz_sim_add_router (sim, outer, FZ_SIM_NAT_PORT_RESTRICTED, &plain);
  Recorder a;
  Recorder outside;

  fz_sim_add_address (sim, outer, "203.0.113.1");
  fz_sim_add_address (sim, inner, "100.64.0.5");
  recorder_init (&a, sim, inner, &plain, "10.0.0.2");
  fz_sim_add_address (sim, a.host, "2001:db8:a::2"); /* passes both untranslated */
  recorder_init (&outside, sim, FZ_SIM_INTERNET, &plain, "203.0.113.2");
  fz_sim_add_address (sim, outside.host, "2001:db8:b::2");
  send_byte (sim, a.host, "10.0.0.2:4000", "203.0.113.2:1", 0);
  fz_sim_run_for (sim, FZ_S);
  assert_address (&outside.from, "203.0.113.1:4000");
  answer (sim, &outside, "203.0.113.2:1", &outside.from);
  g_assert_cmpuint (a.n, ==, 1);
  send_byte (sim, outside.host, "[2001:db8:b::2]:1", "[2001:db8:a::2]:7", 0);
  fz_sim_run_for (sim, FZ_S);
  assert_address (&a.local, "[2001:db8:a::2]:7");
}

static uint64_t
fingerprint_of_run (uint64_t seed)
{
  FzSimLink link = { .delay_ns = DELAY_NS, .jitter_ns = DELAY_NS, .loss_permille = 200 };
  g_autoptr (FzSim) sim = fz_sim_new (seed);
  Recorder a;
  Recorder b;

  recorder_init (&a, sim, FZ_SIM_INTERNET, &link, "192.0.2.1");
  recorder_init (&b, sim, FZ_SIM_INTERNET, &link, "192.0.2.2");
  for (unsigned i = 0; i < 100; i++)
    send_byte (sim, a.host, "192.0.2.1:1", "192.0.2.2:2", 0);
  fz_sim_run_for (sim, FZ_S);
  return b.at * 1000 + b.n;
}

static void
test_repeatable (void)
{
  g_assert_cmpuint (fingerprint_of_run (5), ==, fingerprint_of_run (5));
  g_assert_cmpuint (fingerprint_of_run (5), !=, fingerprint_of_run (6));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/network/direct", test_direct);
  g_test_add_func ("/network/loss-and-order", test_loss_and_order);
  g_test_add_func ("/network/reorder", test_reorder);
  g_test_add_func ("/network/block", test_block);
  g_test_add_func ("/network/nat/kinds", test_nats);
  g_test_add_func ("/network/nat/ports", test_nat_ports);
  g_test_add_func ("/network/nat/two-routers", test_two_routers);
  g_test_add_func ("/network/repeatable", test_repeatable);
  return g_test_run ();
}
