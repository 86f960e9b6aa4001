/* test-client.c: the client's decisions, by commands and packets made by hand (tunnel.md §12.1). */

#include "engine-bed.h"
#include "src/dataplane/fz-lane.h"
#include "src/dataplane/fz-verdict.h"
#include "src/engine/fz-cookie.h"
#include "src/engine/fz-limits.h"
#include "src/engine/fz-packet-buffer.h"
#include "src/proto/fz-icmp.h"

#include <string.h>

#define ME        "100.64.0.1"
#define RANGES_V4 " 100.64.0.0/11 100.96.0.0/11 100.100.111.0/24"
#define RANGES_V6                                                                                  \
  " fd00:2021:1111::/107 fd00:2021:1111:8000::/107 fd00:2021:1111:8000:100:100:111:0/120"

static const FzFilter dns_only[] = { { FZ_FILTER_UDP, 53, 53 } };

/* One resource 0x11 of 10.0.0.0/8, a relay that has answered, the portal connected. */
static void
setup (EngineBed *bed)
{
  FzResource resource = bed_cidr (0x11, "10.0.0.0/8");
  FzRelay relay = bed_relay ();
  FzCommand connected = { .kind = FZ_COMMAND_PORTAL_CONNECTED };
  FzCommand init = bed_client_init (&resource, 1, &relay);

  bed_init (bed, FZ_ROLE_CLIENT);
  bed_command (bed, &connected);
  bed_command (bed, &init);
  bed_expect (bed, "interface " ME " 10.0.0.0/8" RANGES_V4 RANGES_V6);
  bed_expect (bed, "resources");
  bed_expect (bed, NULL);
  bed_answer_relay (bed);
}

static void
upsert (EngineBed *bed, const FzResource *resource)
{
  FzCommand command = { .kind = FZ_COMMAND_UPSERT_RESOURCE, .resource = *resource };

  bed_command (bed, &command);
}

static void
fail_authorization (EngineBed *bed, uint8_t resource, FzFailureReason reason)
{
  FzCommand command = { .kind = FZ_COMMAND_AUTHORIZATION_FAILED };

  command.authorization_failed.resource_id = bed_uuid (resource);
  command.authorization_failed.reason = reason;
  bed_command (bed, &command);
}

static void
grant (EngineBed *bed, uint8_t resource, uint8_t gateway)
{
  FzCommand command = bed_created (resource, gateway);

  bed_command (bed, &command);
}

static FzResourceStatus
status_of_first (EngineBed *bed)
{
  const FzResourceView *view;

  g_assert_cmpuint (fz_engine_get_resources (bed->engine, &view), >=, 1);
  return view[0].status;
}

/* -- interface and resources -- */

static void
test_interface (void)
{
  g_auto (EngineBed) bed;
  FzResource more[] = { bed_cidr (0x11, "10.0.0.0/8"),
                        bed_cidr (0x12, "9.0.0.0/8"),
                        bed_cidr (0x13, "fc00::/7"),
                        bed_cidr (0x14, "10.0.0.0/8") };
  FzCommand init = bed_client_init (more, 4, NULL);
  FzCommand config = { .kind = FZ_COMMAND_CONFIG_CHANGED };
  FzCommand remove = { .kind = FZ_COMMAND_REMOVE_RESOURCE };

  setup (&bed);
  bed_command (&bed, &init); /* again on the same channel; sorted, each network once */
  bed_expect (&bed, "interface " ME " 9.0.0.0/8 10.0.0.0/8" RANGES_V4 " fc00::/7" RANGES_V6);
  bed_expect (&bed, "resources");
  bed_command (&bed, &init); /* nothing new: nothing said */
  bed_expect (&bed, NULL);

  remove.remove_resource = bed_uuid (0x14); /* its network is still 0x11's */
  bed_command (&bed, &remove);
  bed_expect (&bed, "resources");
  bed_expect (&bed, NULL);
  bed_refuse (&bed, &remove, FZ_ENGINE_ERROR_UNKNOWN_ID);

  init.client_init.n_resources = 1;
  bed_command (&bed, &init);
  bed_expect (&bed, "interface " ME " 10.0.0.0/8" RANGES_V4 RANGES_V6);
  bed_expect (&bed, "resources");

  config.config_changed = bed_interface (1);
  bed_command (&bed, &config);
  bed_expect (&bed, NULL);
  config.config_changed = bed_interface (9);
  bed_command (&bed, &config);
  bed_expect (&bed, "interface 100.64.0.9 10.0.0.0/8" RANGES_V4 RANGES_V6);
  config.config_changed.ipv4.family = FZ_IP_NONE;
  bed_refuse (&bed, &config, FZ_ENGINE_ERROR_INVALID);
}

static void
test_rename_is_no_change (void)
{
  g_auto (EngineBed) bed;
  FzSite site = { { { 0x51 } }, "another name" };
  FzResource resource = bed_cidr (0x11, "10.0.0.0/8");

  setup (&bed);
  bed_send (&bed, ME, "10.0.0.1", 80);
  bed_expect (&bed, "request 11");
  grant (&bed, 0x11, 0x9a);
  g_assert_cmpuint (bed_n_peers (&bed), ==, 1);
  bed_forget (&bed);

  resource.name = "another name";
  resource.sites = &site;
  upsert (&bed, &resource);
  bed_expect (&bed, "resources");
  bed_expect (&bed, NULL);
  g_assert_cmpuint (bed_n_peers (&bed), ==, 1); /* flows go on */

  resource.filters = dns_only;
  resource.n_filters = 1;
  upsert (&bed, &resource); /* a material change cuts them */
  bed_expect (&bed, "resources");
  g_assert_cmpuint (bed_n_peers (&bed), ==, 0);
  bed_forget (&bed);
  bed_send (&bed, ME, "10.0.0.1", 53);
  bed_expect (&bed, "request 11 9a"); /* the gateway is remembered */
}

/* -- packets -- */

static void
test_checks (void)
{
  g_auto (EngineBed) bed;

  setup (&bed);
  bed_send (&bed, "192.168.1.5", "10.0.0.1", 80);
  g_assert_cmpuint (bed_drops (&bed, FZ_DROP_NOT_TUNNEL_SOURCE), ==, 1);
  bed_send (&bed, ME, ME, 80);
  g_assert_cmpuint (bed_drops (&bed, FZ_DROP_TO_SELF), ==, 1);
  bed_send (&bed, ME, "224.0.0.1", 80);
  bed_send (&bed, "fd00:2021:1111::1", "ff02::16", 80);
  g_assert_cmpuint (bed_drops (&bed, FZ_DROP_MULTICAST), ==, 2);
  bed_send (&bed, ME, "11.0.0.1", 80);
  bed_send (&bed, ME, "100.64.0.77", 80); /* a tunnel address of nobody we know */
  g_assert_cmpuint (bed_drops (&bed, FZ_DROP_NO_ROUTE), ==, 2);
  bed_send_bytes (&bed, fz_span ("", 0));
  g_assert_cmpuint (bed_drops (&bed, FZ_DROP_TRUNCATED), ==, 1);
  bed_expect (&bed, NULL);
  g_assert_cmpuint (bed.packets->len, ==, 0);
}

static void
switch_internet (EngineBed *bed, bool is_on)
{
  FzCommand command = { .kind = FZ_COMMAND_SET_INTERNET, .set_internet = is_on };

  bed_command (bed, &command);
}

static FzReach
reach_of_first (EngineBed *bed)
{
  const FzResourceView *view;

  g_assert_cmpuint (fz_engine_get_resources (bed->engine, &view), >=, 1);
  return view[0].reach;
}

/* §2.4: the switch may come first; off closes what hangs on it; tunnel addresses stay peers'. */
static void
test_internet (void)
{
  g_auto (EngineBed) bed;
  FzResource internet = { .kind = FZ_RESOURCE_INTERNET, .id = bed_uuid (0x1e), .name = "Internet" };

  setup (&bed);
  switch_internet (&bed, true);
  bed_expect (&bed, NULL); /* there is none yet */
  upsert (&bed, &internet);
  bed_expect (&bed, "interface " ME " 0.0.0.0/0 10.0.0.0/8" RANGES_V4 " ::/0" RANGES_V6);
  bed_expect (&bed, "resources");
  g_assert_cmpint (reach_of_first (&bed), ==, FZ_REACH_IDLE);

  bed_send (&bed, ME, "100.64.0.77", 80);
  g_assert_cmpuint (bed_drops (&bed, FZ_DROP_NO_ROUTE), ==, 1);
  bed_send (&bed, ME, "10.0.0.1", 80);
  bed_expect (&bed, "request 11"); /* the better entry first */
  bed_send (&bed, ME, "1.1.1.1", 80);
  bed_expect (&bed, "request 1e");
  g_assert_cmpint (reach_of_first (&bed), ==, FZ_REACH_CONNECTING);
  fail_authorization (&bed, 0x1e, FZ_FAILURE_FORBIDDEN);
  bed_expect (&bed, "denied 1e");
  g_assert_cmpint (reach_of_first (&bed), ==, FZ_REACH_DENIED);
  grant (&bed, 0x1e, 0x9a);
  g_assert_cmpint (reach_of_first (&bed), ==, FZ_REACH_CONNECTING); /* no path yet */
  g_assert_cmpuint (bed_n_peers (&bed), ==, 1);
  bed_forget (&bed);

  switch_internet (&bed, false);
  bed_expect (&bed, "interface " ME " 10.0.0.0/8" RANGES_V4 RANGES_V6);
  g_assert_cmpuint (bed_n_peers (&bed), ==, 0);
  g_assert_cmpint (reach_of_first (&bed), ==, FZ_REACH_IDLE);
  bed_forget (&bed);
  bed_send (&bed, ME, "1.1.1.1", 80);
  bed_expect (&bed, NULL);
  g_assert_cmpuint (bed_drops (&bed, FZ_DROP_NO_ROUTE), ==, 2);
  switch_internet (&bed, false); /* as it is already */
  bed_expect (&bed, NULL);
}

static void
test_views (void)
{
  g_auto (EngineBed) bed;
  const FzGatewayView *gateways;
  const FzRelayView *relays;

  setup (&bed);
  g_assert_cmpuint (fz_engine_get_relays (bed.engine, &relays), ==, 1);
  g_assert_true (relays[0].is_answering);
  g_assert_cmpuint (fz_engine_get_gateways (bed.engine, &gateways), ==, 0);
  bed_send (&bed, ME, "10.0.0.1", 80);
  grant (&bed, 0x11, 0x9a);
  g_assert_cmpuint (fz_engine_get_gateways (bed.engine, &gateways), ==, 1);
  g_assert_cmpint (gateways[0].reach, ==, FZ_REACH_CONNECTING);
  g_assert_cmpint (gateways[0].remote.ip.family, ==, FZ_IP_NONE);
  g_assert_cmpuint (gateways[0].last_handshake_us, ==, 0);
  g_assert_cmphex (gateways[0].id.bytes[0], ==, 0x9a);
}

static void
test_filter_refuses (void)
{
  g_auto (EngineBed) bed;
  FzResource resource = bed_cidr (0x12, "9.0.0.0/8");
  FzIpPacket packet;
  const uint8_t *icmp;
  gsize length;

  setup (&bed);
  resource.filters = dns_only;
  resource.n_filters = 1;
  upsert (&bed, &resource);
  bed_forget (&bed);
  bed_send (&bed, ME, "9.0.0.1", 80);
  bed_expect (&bed, NULL); /* P3: no request */
  g_assert_cmpuint (bed.packets->len, ==, 1);
  icmp = g_bytes_get_data (bed.packets->pdata[0], &length);
  g_assert_cmpint (fz_ip_packet_parse (fz_span (icmp, length), &packet), ==, FZ_DROP_NONE);
  g_assert_true (fz_ip_packet_is_icmp_error (&packet));
  g_assert_cmpuint (icmp[20], ==, 3);  /* unreachable … */
  g_assert_cmpuint (icmp[21], ==, 13); /* … administratively prohibited */
  g_assert_cmpuint (icmp[12], ==, 9);
  g_assert_cmpuint (icmp[16], ==, 100);
  bed_send (&bed, ME, "9.0.0.1", 53);
  bed_expect (&bed, "request 12");
}

static void
test_refusals_are_bounded (void)
{
  g_auto (EngineBed) bed;
  FzResource resource = bed_cidr (0x12, "9.0.0.0/8");

  setup (&bed);
  resource.filters = dns_only;
  resource.n_filters = 1;
  upsert (&bed, &resource);
  for (unsigned i = 0; i <= FZ_REFUSALS_BURST; i++)
    bed_send (&bed, ME, "9.0.0.1", 80);
  g_assert_cmpuint (bed.packets->len, ==, FZ_REFUSALS_BURST);
  g_assert_cmpuint (bed_drops (&bed, FZ_DROP_RATE_LIMITED), ==, 1);
  bed_run (&bed, 10 * FZ_MS); /* room for ten more */
  for (unsigned i = 0; i < 20; i++)
    bed_send (&bed, ME, "9.0.0.1", 80);
  g_assert_cmpuint (bed.packets->len, ==, FZ_REFUSALS_BURST + 10);
}

/* -- authorizations -- */

static void
test_two_seconds (void)
{
  g_auto (EngineBed) bed;
  FzResource other = bed_cidr (0x12, "9.0.0.0/8");

  setup (&bed);
  upsert (&bed, &other);
  bed_forget (&bed);
  bed_send (&bed, ME, "10.0.0.1", 1);
  bed_expect (&bed, "request 11");
  bed_run (&bed, FZ_S);
  bed_send (&bed, ME, "10.0.0.1", 2);
  bed_expect (&bed, NULL);
  bed_send (&bed, ME, "9.0.0.1", 1); /* P2: independent */
  bed_expect (&bed, "request 12");
  bed_run (&bed, 5 * FZ_S); /* silence means no retry */
  bed_expect (&bed, NULL);
  bed_send (&bed, ME, "10.0.0.1", 3);
  bed_expect (&bed, "request 11");
}

static void
test_answers_that_nobody_wants (void)
{
  g_auto (EngineBed) bed;

  setup (&bed);
  grant (&bed, 0x11, 0x9a); /* not asked */
  grant (&bed, 0x77, 0x9a); /* not known */
  fail_authorization (&bed, 0x77, FZ_FAILURE_OFFLINE);
  g_assert_cmpuint (bed_n_peers (&bed), ==, 0);
  bed_expect (&bed, NULL);
  bed_send (&bed, ME, "10.0.0.1", 1);
  bed_expect (&bed, "request 11");
  grant (&bed, 0x11, 0x9a);
  grant (&bed, 0x11, 0x9b); /* a late duplicate */
  g_assert_cmpuint (bed_n_peers (&bed), ==, 1);
}

static void
test_candidates_follow (void)
{
  g_auto (EngineBed) bed;

  setup (&bed);
  bed_send (&bed, ME, "10.0.0.1", 1);
  bed_forget (&bed);
  grant (&bed, 0x11, 0x9a);
  bed_expect (&bed, "candidates 9a 2"); /* host and reflexive, in one message */
  bed_expect (&bed, NULL);

  /* The same gateway for another resource: one connection, everything is said again. */
  {
    FzResource other = bed_cidr (0x12, "9.0.0.0/8");

    upsert (&bed, &other);
    bed_send (&bed, ME, "9.0.0.1", 1);
    bed_forget (&bed);
    grant (&bed, 0x12, 0x9a);
    bed_expect (&bed, "candidates 9a 2");
    g_assert_cmpuint (bed_n_peers (&bed), ==, 1);
  }
}

static void
test_portal_away (void)
{
  g_auto (EngineBed) bed;
  FzCommand away = { .kind = FZ_COMMAND_PORTAL_DISCONNECTED };
  FzCommand back = { .kind = FZ_COMMAND_PORTAL_CONNECTED };

  setup (&bed);
  bed_send (&bed, ME, "10.0.0.1", 1);
  bed_forget (&bed);
  bed_command (&bed, &away);
  bed_command (&bed, &away);
  grant (&bed, 0x11, 0x9a);
  bed_expect (&bed, NULL);
  bed_command (&bed, &back);
  bed_expect (&bed, "candidates 9a 2");

  bed_run (&bed, 11 * FZ_S); /* no candidate of the peer within 10 s: failed … */
  g_assert_cmpuint (bed_n_peers (&bed), ==, 0);
  bed_expect (&bed, NULL);
  bed_send (&bed, ME, "10.0.0.1", 2); /* … so the next packet asks again, preferring 9a */
  bed_expect (&bed, "request 11 9a");
}

/* What was asked while the portal was away never came to it: it is asked when the portal is back,
 * not by the next packet after two seconds; and what waited leaves then. */
static void
test_asked_while_portal_away (void)
{
  g_auto (EngineBed) bed;
  FzResource resource = bed_cidr (0x11, "10.0.0.0/8");
  FzRelay relay = bed_relay ();
  FzCommand away = { .kind = FZ_COMMAND_PORTAL_DISCONNECTED };
  FzCommand back = { .kind = FZ_COMMAND_PORTAL_CONNECTED };
  FzCommand init = bed_client_init (&resource, 1, &relay);
  FzEngineCounters counters;

  setup (&bed);
  bed_command (&bed, &away);
  bed_send (&bed, ME, "10.0.0.1", 1);
  bed_expect (&bed, "request 11");
  bed_command (&bed, &back);
  bed_expect (&bed, NULL); /* not before it has said what there is */
  bed_command (&bed, &init);
  bed_expect (&bed, "request 11");
  for (uint16_t i = 2; i <= FZ_PACKET_BUFFER_PACKETS + 3; i++)
    bed_send (&bed, ME, "10.0.0.1", i);
  bed_expect (&bed, NULL); /* and not twice */
  fz_engine_get_counters (bed.engine, &counters);
  g_assert_cmpuint (counters.drops[FZ_DROP_QUEUE_FULL], ==, 3); /* more wait than may */
  grant (&bed, 0x11, 0x9a);
  bed_forget (&bed);
  bed_command (&bed, &init); /* answered: nothing more to ask */
  bed_expect (&bed, NULL);
}

static void
test_held_candidates_die_with_their_connection (void)
{
  g_auto (EngineBed) bed;
  FzCommand away = { .kind = FZ_COMMAND_PORTAL_DISCONNECTED };
  FzCommand back = { .kind = FZ_COMMAND_PORTAL_CONNECTED };

  setup (&bed);
  bed_send (&bed, ME, "10.0.0.1", 1);
  bed_forget (&bed);
  bed_command (&bed, &away);
  grant (&bed, 0x11, 0x9a);
  bed_run (&bed, 11 * FZ_S);
  bed_command (&bed, &back);
  bed_expect (&bed, NULL);
}

static void
test_no_relays (void)
{
  g_auto (EngineBed) bed;
  FzResource resource = bed_cidr (0x11, "10.0.0.0/8");
  FzCommand init = bed_client_init (&resource, 1, NULL);

  bed_init (&bed, FZ_ROLE_CLIENT);
  bed_command (&bed, &init);
  bed_send (&bed, ME, "10.0.0.1", 1);
  bed_forget (&bed);
  grant (&bed, 0x11, 0x9a);
  bed_expect (&bed, "no-relays");
  g_assert_cmpuint (bed_n_peers (&bed), ==, 0);
  bed_send (&bed, ME, "10.0.0.1", 2); /* the question was used up: at once a new one */
  bed_expect (&bed, "request 11");
}

static void
test_failures (void)
{
  g_auto (EngineBed) bed;

  setup (&bed);
  bed_send (&bed, ME, "10.0.0.1", 1);
  bed_expect (&bed, "request 11");
  fail_authorization (&bed, 0x11, FZ_FAILURE_FORBIDDEN);
  bed_expect (&bed, "denied 11");
  fail_authorization (&bed, 0x11, FZ_FAILURE_FORBIDDEN);
  bed_expect (&bed, NULL);            /* once */
  bed_send (&bed, ME, "10.0.0.1", 2); /* the question stays: not within 2 s */
  bed_expect (&bed, NULL);

  fail_authorization (&bed, 0x11, FZ_FAILURE_VERSION_MISMATCH);
  bed_expect (&bed, "version-mismatch 11");
  fail_authorization (&bed, 0x11, FZ_FAILURE_VERSION_MISMATCH);
  bed_expect (&bed, NULL); /* once */

  fail_authorization (&bed, 0x11, FZ_FAILURE_OFFLINE);
  bed_expect (&bed, "resources");
  bed_expect (&bed, "offline 11");
  g_assert_cmpint (status_of_first (&bed), ==, FZ_RESOURCE_STATUS_OFFLINE);
  bed_send (&bed, ME, "10.0.0.1", 3); /* this one ended the question */
  bed_expect (&bed, "request 11");
  fail_authorization (&bed, 0x11, FZ_FAILURE_OFFLINE);
  bed_expect (&bed, NULL);

  g_assert_cmpuint (fz_engine_next_timeout (bed.engine), !=, FZ_INSTANT_NEVER);
  bed_run (&bed, 299 * FZ_S);
  g_assert_cmpint (status_of_first (&bed), ==, FZ_RESOURCE_STATUS_OFFLINE);
  bed_run (&bed, 2 * FZ_S);
  g_assert_cmpint (status_of_first (&bed), ==, FZ_RESOURCE_STATUS_UNKNOWN);
  g_assert_true (bed_has (&bed, "resources"));
}

/* It has answered: that it was away since changes nothing, but traffic does. */
static void
test_refused_before_portal_was_away (void)
{
  static const FzFailureReason failures[] = { FZ_FAILURE_FORBIDDEN, FZ_FAILURE_NOT_FOUND };

  for (size_t i = 0; i < G_N_ELEMENTS (failures); i++) {
    g_auto (EngineBed) bed;
    FzResource resource = bed_cidr (0x11, "10.0.0.0/8");
    FzRelay relay = bed_relay ();
    FzCommand init = bed_client_init (&resource, 1, &relay);

    setup (&bed);
    bed_send (&bed, ME, "10.0.0.1", 1);
    bed_expect (&bed, "request 11");
    fail_authorization (&bed, 0x11, failures[i]);
    bed_forget (&bed);
    bed_command (&bed, &init);
    bed_expect (&bed, NULL);

    bed_run (&bed, 3 * FZ_S);
    bed_send (&bed, ME, "10.0.0.1", 2);
    bed_expect (&bed, "request 11");
    bed_command (&bed, &init); /* this one has no answer */
    bed_expect (&bed, "request 11");
  }
}

/* X12, R14, R15 */
static void
test_preference (void)
{
  g_auto (EngineBed) bed;
  FzResource other = bed_cidr (0x12, "9.0.0.0/8");
  FzCommand changed = { .kind = FZ_COMMAND_NETWORK_CHANGED };

  setup (&bed);
  upsert (&bed, &other);
  bed_forget (&bed);
  bed_send (&bed, ME, "10.0.0.1", 1);
  bed_expect (&bed, "request 11");
  grant (&bed, 0x11, 0x9c);
  bed_forget (&bed);
  bed_send (&bed, ME, "9.0.0.1", 1);
  bed_expect (&bed, "request 12 9c"); /* connected, or about to be */
  grant (&bed, 0x12, 0x9a);
  bed_forget (&bed);

  bed_command (&bed, &changed);
  bed_expect (&bed, "public-key");
  g_assert_cmpuint (bed_n_peers (&bed), ==, 0);
  bed_send (&bed, ME, "10.0.0.1", 2);
  bed_expect (&bed, "request 11 9c 9a");
  bed_send (&bed, ME, "9.0.0.1", 2);
  bed_expect (&bed, "request 12 9a 9c");
}

/* Lanes refuse what has been made for another key: the one that they have is the engine's. */
static void
assert_lanes_key (const EngineBed *bed)
{
  const FzSnapshot *snapshot = atomic_load (&bed->published.current);
  FzCookieKeys keys;

  fz_cookie_keys_init (&keys, fz_engine_get_public_key (bed->engine));
  g_assert_cmpmem (fz_snapshot_get_mac1_key (snapshot), FZ_KEY_SIZE, keys.mac1, sizeof keys.mac1);
}

/* The key of a client that is connected to nobody changes, too. */
static void
test_network_change_alone (void)
{
  g_auto (EngineBed) bed;
  FzCommand changed = { .kind = FZ_COMMAND_NETWORK_CHANGED };
  FzCommand init = bed_client_init (NULL, 0, NULL);

  bed_init (&bed, FZ_ROLE_CLIENT);
  assert_lanes_key (&bed);
  bed_command (&bed, &init);
  bed_forget (&bed);
  for (unsigned i = 0; i < 2; i++) {
    bed_command (&bed, &changed);
    bed_expect (&bed, "public-key");
    assert_lanes_key (&bed);
  }
}

static void
test_network_change (void)
{
  g_auto (EngineBed) bed;
  FzCommand changed = { .kind = FZ_COMMAND_NETWORK_CHANGED };
  FzCommand connected = { .kind = FZ_COMMAND_PORTAL_CONNECTED };
  uint8_t before[FZ_KEY_SIZE];
  unsigned n_transmits;

  setup (&bed);
  memcpy (before, fz_engine_get_public_key (bed.engine), FZ_KEY_SIZE);
  bed_send (&bed, ME, "10.0.0.1", 1);
  grant (&bed, 0x11, 0x9a);
  bed_forget (&bed);
  n_transmits = bed.n_transmits;
  bed_command (&bed, &changed);
  bed_expect (&bed, "public-key");
  g_assert_true (memcmp (before, fz_engine_get_public_key (bed.engine), FZ_KEY_SIZE) != 0);
  assert_lanes_key (&bed);
  g_assert_cmpuint (bed.n_transmits, ==, n_transmits + 1); /* the relay is asked at once */

  bed_answer_relay (&bed);
  bed_send (&bed, ME, "10.0.0.1", 2);
  bed_forget (&bed);
  grant (&bed, 0x11, 0x9a);
  bed_expect (&bed, NULL); /* the link is being made anew */
  bed_command (&bed, &connected);
  bed_expect (&bed, "candidates 9a 2");
}

/* A gateway that changes its mind about who it is: new key, new connection. */
static void
test_gateway_with_new_key (void)
{
  g_auto (EngineBed) bed;
  FzCommand again = bed_created (0x11, 0x9a);
  FzCommand other_key = bed_created (0x11, 0x9b);
  uint32_t before, after;
  const FzPolicyEntry *entry;
  FzIp ip = { FZ_IP_V4, { 100, 64, 0, 0x9a } };
  FzSnapshot *snapshot;

  setup (&bed);
  bed_send (&bed, ME, "10.0.0.1", 1);
  grant (&bed, 0x11, 0x9a);
  bed_run (&bed, 3 * FZ_S);
  fail_authorization (&bed, 0x11, FZ_FAILURE_UNKNOWN);
  snapshot = atomic_load (&bed.published.current);
  g_assert_cmpint (
      fz_policy_lookup (
          fz_snapshot_get_routes (snapshot), &ip, (FzProtocolKey){ FZ_PROTOCOL_UDP, 1 }, &entry),
      ==,
      FZ_POLICY_ADMITTED);
  before = bed_n_peers (&bed);

  {
    FzResource other = bed_cidr (0x12, "9.0.0.0/8");

    upsert (&bed, &other);
  }
  bed_send (&bed, ME, "9.0.0.1", 1);
  bed_forget (&bed);
  again.authorization_created.resource_id = bed_uuid (0x12);
  memcpy (again.authorization_created.gateway_public_key,
          other_key.authorization_created.gateway_public_key,
          FZ_KEY_SIZE);
  bed_command (&bed, &again);
  after = bed_n_peers (&bed);
  g_assert_cmpuint (before, ==, 1);
  g_assert_cmpuint (after, ==, 1);
  bed_forget (&bed);
  bed_send (&bed, ME, "10.0.0.1", 2); /* what the old one was authorized for is asked anew */
  bed_expect (&bed, "request 11 9a");
}

/* -- lanes -- */

static void
test_routes_of_lanes (void)
{
  g_auto (EngineBed) bed;
  FzIp ip = { FZ_IP_V4, { 10, 0, 0, 1 } };
  const FzPolicyEntry *entry = NULL;
  FzSnapshot *snapshot;

  setup (&bed);
  snapshot = atomic_load (&bed.published.current);
  g_assert_true (fz_snapshot_is_own_ip (snapshot, &(FzIp){ FZ_IP_V4, { 100, 64, 0, 1 } }));
  g_assert_cmpint (
      fz_policy_lookup (
          fz_snapshot_get_routes (snapshot), &ip, (FzProtocolKey){ FZ_PROTOCOL_TCP, 80 }, &entry),
      ==,
      FZ_POLICY_ADMITTED);
  g_assert_null (entry->peer); /* not authorized: ask the engine */

  bed_send (&bed, ME, "10.0.0.1", 1);
  grant (&bed, 0x11, 0x9a);
  snapshot = atomic_load (&bed.published.current);
  g_assert_cmpint (
      fz_policy_lookup (
          fz_snapshot_get_routes (snapshot), &ip, (FzProtocolKey){ FZ_PROTOCOL_TCP, 80 }, &entry),
      ==,
      FZ_POLICY_ADMITTED);
  g_assert_null (entry->peer); /* not established yet: the engine keeps the order */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client/interface", test_interface);
  g_test_add_func ("/client/rename-is-no-change", test_rename_is_no_change);
  g_test_add_func ("/client/packets/checks", test_checks);
  g_test_add_func ("/client/internet", test_internet);
  g_test_add_func ("/client/views", test_views);
  g_test_add_func ("/client/packets/filter-refuses", test_filter_refuses);
  g_test_add_func ("/client/packets/refusals-are-bounded", test_refusals_are_bounded);
  g_test_add_func ("/client/authorization/two-seconds", test_two_seconds);
  g_test_add_func ("/client/authorization/unwanted", test_answers_that_nobody_wants);
  g_test_add_func ("/client/authorization/candidates-follow", test_candidates_follow);
  g_test_add_func ("/client/authorization/no-relays", test_no_relays);
  g_test_add_func ("/client/authorization/failures", test_failures);
  g_test_add_func ("/client/authorization/preference", test_preference);
  g_test_add_func ("/client/portal-away", test_portal_away);
  g_test_add_func ("/client/asked-while-portal-away", test_asked_while_portal_away);
  g_test_add_func ("/client/refused-before-portal-was-away", test_refused_before_portal_was_away);
  g_test_add_func ("/client/held-candidates-die", test_held_candidates_die_with_their_connection);
  g_test_add_func ("/client/network-change", test_network_change);
  g_test_add_func ("/client/network-change-alone", test_network_change_alone);
  g_test_add_func ("/client/gateway-with-new-key", test_gateway_with_new_key);
  g_test_add_func ("/client/routes-of-lanes", test_routes_of_lanes);
  return g_test_run ();
}
