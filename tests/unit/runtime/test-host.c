/* test-host.c: whole hosts with real engines, lanes and sockets, on fake devices */

#include "platform/fake/fz-platform-fake.h"
#include "src/base/fz-bytes.h"
#include "src/crypto/fz-crypto.h"
#include "src/dataplane/fz-vnet.h"
#include "src/runtime/fz-host.h"
#include "src/runtime/fz-resume-watch.h"
#include "tests/unit/base/addresses.h"

#include <gio/gio.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_US (60 * G_TIME_SPAN_SECOND)

typedef struct {
  FzPlatform *platform;
  FzClock clock;
  FzHost *host;
  uint8_t private_key[FZ_KEY_SIZE];
  uint8_t public_key[FZ_KEY_SIZE];
  FzIp ipv4;
  FzIp ipv6;
  unsigned events[FZ_EVENT_RESOLVE_DOMAIN + 1];
  char *fatal;      /* the error's text */
  unsigned n_lanes; /* 0: the host's choice */
  unsigned queue;   /* that the next packet is put into */
  bool is_refused;  /* once connected it asks for its addresses anew, and the platform refuses */
} End;

static void
ask_in_vain (End *end)
{
  FzCommand command = { .kind = FZ_COMMAND_CONFIG_CHANGED };

  command.config_changed.ipv4 = test_ip ("10.9.0.77");
  command.config_changed.ipv6 = end->ipv6;
  fz_platform_fake_fail_at (end->platform, 1, FZ_PLATFORM_ERROR_PERMISSION);
  g_assert_true (fz_host_run_command (end->host, &command, NULL));
}

static void
on_event (const FzEvent *event, gpointer user_data)
{
  End *end = user_data;

  end->events[event->kind]++;
  if (event->kind == FZ_EVENT_PEER_CONNECTED && end->is_refused)
    ask_in_vain (end);
  /* the host has done its part before we hear of it */
  if (event->kind == FZ_EVENT_INTERFACE_CHANGED && fz_platform_fake_has_tun (end->platform))
    g_assert_nonnull (fz_platform_fake_get_address (end->platform, FZ_IP_V4));
}

static void
on_fatal (const GError *error, gpointer user_data)
{
  End *end = user_data;

  g_assert_null (end->fatal); /* once */
  end->fatal = g_strdup (error->message);
}

static FzHostConfig
config_of (End *end, FzRole role)
{
  return (FzHostConfig){
    .role = role,
    .platform = end->platform,
    .callbacks = { .on_event = on_event, .on_fatal = on_fatal, .user_data = end },
    .private_key = end->private_key,
    .no_mark = true,
    .n_lanes = end->n_lanes,
    .aqm = &fz_aqm_off, /* a slow machine's queues stand */
    .clock = &end->clock,
  };
}

static void
end_prepare (End *end, unsigned number)
{
  FzLog silent = { 0 };
  FzRng rng;

  g_assert_true (fz_crypto_init ());
  memset (end, 0, sizeof *end);
  rng = fz_crypto_rng ();
  fz_clock_init (&end->clock);
  end->platform = fz_platform_fake_new (&silent);
  fz_rng_fill (&rng, end->private_key, sizeof end->private_key);
  fz_x25519_clamp (end->private_key);
  fz_x25519_public (end->private_key, end->public_key);
  end->ipv4 = test_ip (number == 0 ? "10.9.0.1" : "10.9.0.2");
  end->ipv6 = test_ip (number == 0 ? "fd09::1" : "fd09::2");
}

static void
end_open (End *end, FzRole role)
{
  FzHostConfig config = config_of (end, role);
  GError *error = NULL;

  end->host = fz_host_new (&config, &error);
  g_assert_no_error (error);
  g_assert_nonnull (end->host);
}

static void
end_clear (End *end)
{
  fz_host_free (end->host);
  fz_platform_free (end->platform);
  g_free (end->fatal);
}

static void
run (End *end, const FzCommand *command)
{
  GError *error = NULL;

  g_assert_true (fz_host_run_command (end->host, command, &error));
  g_assert_no_error (error);
}

static void
set_interface (End *end)
{
  FzCommand command = { .kind = FZ_COMMAND_CONFIG_CHANGED };

  command.config_changed.ipv4 = end->ipv4;
  command.config_changed.ipv6 = end->ipv6;
  run (end, &command);
}

static void
add_peer (End *end, const End *other, uint16_t port)
{
  FzCommand command = { .kind = FZ_COMMAND_ADD_BARE_PEER };
  FzIpNetwork allowed[] = { { other->ipv4, 32 }, { other->ipv6, 128 } };

  command.bare_peer.id.bytes[0] = 7;
  memcpy (command.bare_peer.public_key, other->public_key, FZ_KEY_SIZE);
  command.bare_peer.allowed = allowed;
  command.bare_peer.n_allowed = G_N_ELEMENTS (allowed);
  if (port != 0)
    command.bare_peer.endpoint = (FzSocketAddress){ test_ip ("127.0.0.1"), port };
  run (end, &command);
}

/* Two bare hosts that know each other; the first one knows where the second is. */
static void
pair_open_with (End ends[2], unsigned n_lanes)
{
  for (unsigned i = 0; i < 2; i++) {
    end_prepare (&ends[i], i);
    ends[i].n_lanes = n_lanes;
    end_open (&ends[i], FZ_ROLE_BARE);
  }
  add_peer (&ends[0], &ends[1], fz_host_get_port (ends[1].host, FZ_IP_V4));
  add_peer (&ends[1], &ends[0], 0);
  set_interface (&ends[0]);
  set_interface (&ends[1]);
}

static void
pair_open (End ends[2])
{
  pair_open_with (ends, 0);
}

static void
pair_clear (End ends[2])
{
  end_clear (&ends[0]);
  end_clear (&ends[1]);
}

/* -- packets through the devices -- */

static uint16_t
checksum (const uint8_t *bytes, size_t n)
{
  uint32_t sum = 0;

  for (size_t i = 0; i < n; i += 2)
    sum += fz_get_u16be (bytes + i);
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t) ~sum;
}

/* UDP without a checksum, which IPv4 permits and which nobody coalesces. */
static bool
put_packet (const End *from, const End *to, uint32_t number)
{
  uint8_t frame[sizeof (FzVnetHeader) + 64] = { 0 };
  uint8_t *packet = frame + sizeof (FzVnetHeader);

  packet[0] = 0x45;
  packet[3] = 64;
  packet[8] = 64;
  packet[9] = 17;
  memcpy (packet + 12, from->ipv4.bytes, 4);
  memcpy (packet + 16, to->ipv4.bytes, 4);
  fz_put_u16be (packet + 10, checksum (packet, 20));
  fz_put_u16be (packet + 20, 7000);
  fz_put_u16be (packet + 22, 7001);
  fz_put_u16be (packet + 24, 44);
  fz_put_u32be (packet + 28, number);
  return write (fz_platform_fake_get_kernel_fd (from->platform, from->queue), frame, sizeof frame) >
         0;
}

static bool
get_packet_now (const End *to, uint32_t *out)
{
  uint8_t frame[2048];

  for (unsigned i = 0; i < MAX (to->n_lanes, 1); i++) {
    ssize_t n = read (fz_platform_fake_get_kernel_fd (to->platform, i), frame, sizeof frame);

    if (n == (ssize_t) sizeof (FzVnetHeader) + 64) {
      *out = fz_get_u32be (frame + sizeof (FzVnetHeader) + 28);
      return true;
    }
  }
  return false;
}

/* The number of the next packet out of @to's device; false if none comes in time. */
static bool
get_packet (const End *to, uint32_t *out, gint64 patience_us)
{
  gint64 deadline = g_get_monotonic_time () + patience_us;

  do {
    if (get_packet_now (to, out))
      return true;
    while (g_main_context_iteration (NULL, FALSE))
      ;
    g_usleep (200); /* polls */
  } while (g_get_monotonic_time () < deadline);
  return false;
}

static void
assert_carries (const End *from, const End *to, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++) {
    uint32_t number;

    g_assert_true (put_packet (from, to, i));
    g_assert_true (get_packet (to, &number, PATIENCE_US));
    g_assert_cmpuint (number, ==, i);
  }
}

static void
wait_until (bool (*condition) (const End *end), const End *end)
{
  gint64 deadline = g_get_monotonic_time () + PATIENCE_US;

  while (!condition (end)) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    g_main_context_iteration (NULL, FALSE);
    g_usleep (200); /* polls */
  }
}

static uint64_t
metric (const End *end, const char *name)
{
  g_autofree char *text = fz_host_dump_metrics (end->host, FZ_METRICS_TEXT);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autofree char *start = g_strconcat (name, " ", NULL);

  for (char **line = lines; *line != NULL; line++)
    if (g_str_has_prefix (*line, start))
      return g_ascii_strtoull (*line + strlen (start), NULL, 10);
  return 0;
}

/* What GET /metrics says is valid, says zeros too, and agrees with the flat names. */
static void
assert_exposition (const End *end)
{
  g_autofree char *text = fz_host_dump_metrics (end->host, FZ_METRICS_PROMETHEUS);
  g_autofree char *sent = g_strdup_printf ("\nfirezone_lane_packets_total{lane=\"0\","
                                           "direction=\"transmit\"} %" G_GUINT64_FORMAT "\n",
                                           metric (end, "tx_packets"));
  const char *const argv[] = { "/usr/bin/python3", g_getenv ("FZ_EXPOSITION"), NULL };
  g_autoptr (GSubprocess) judge = NULL;
  g_autofree char *complaint = NULL;

  g_assert_nonnull (argv[1]);
  g_assert_nonnull (strstr (text, sent));
  g_assert_nonnull (strstr (text, "reason=\"bad-tag\"} 0\n"));
  g_assert_nonnull (strstr (text, "\nfirezone_sessions 1\n"));
  g_assert_nonnull (strstr (text, "\nfirezone_table_bytes{table=\"peers\"} "));
  g_assert_nonnull (strstr (text, "\nfirezone_table_bytes{table=\"flow-cache\"} "));
  g_assert_nonnull (strstr (text, "\nfirezone_handshake_seconds_count 1\n"));
  judge = g_subprocess_newv (argv,
                             G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                 G_SUBPROCESS_FLAGS_STDERR_PIPE,
                             NULL);
  g_assert_nonnull (judge);
  g_assert_true (g_subprocess_communicate_utf8 (judge, text, NULL, NULL, &complaint, NULL));
  g_assert_cmpstr (complaint, ==, "");
}

static uint64_t
count_handshakes (const End ends[2])
{
  return metric (&ends[0], "engine_handshakes_completed") +
         metric (&ends[1], "engine_handshakes_completed");
}

/* Either side may start one: by the age of the keys, or because what it sent stayed unanswered. */
static void
wait_for_handshake (const End ends[2], uint64_t before)
{
  gint64 deadline = g_get_monotonic_time () + PATIENCE_US;

  while (count_handshakes (ends) <= before) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    g_main_context_iteration (NULL, FALSE);
    g_usleep (200); /* polls */
  }
}

/* -- traffic -- */

static void
test_traffic (void)
{
  End ends[2];

  pair_open (ends);
  assert_carries (&ends[0], &ends[1], 50); /* the first one waits for the handshake */
  assert_carries (&ends[1], &ends[0], 50);
  g_assert_cmpuint (metric (&ends[0], "engine_handshakes_completed"), ==, 1);
  g_assert_cmpuint (metric (&ends[0], "tx_packets"), >=, 49); /* all but the first by the lane */
  assert_exposition (&ends[0]);
  g_assert_cmpuint (metric (&ends[0], "engine_peers_established"), ==, 1);
  g_assert_cmpuint (metric (&ends[0], "engine_sessions"), ==, 1);
  g_assert_cmpuint (metric (&ends[0], "engine_nat_sessions"), ==, 0);
  g_assert_cmpuint (ends[0].events[FZ_EVENT_INTERFACE_CHANGED], >=, 1);
  g_assert_true (fz_platform_fake_has_route (ends[0].platform, "10.9.0.2/32"));
  g_assert_false (fz_platform_fake_has_rules (ends[0].platform));
  pair_clear (ends);
}

/* A burst before there is a session comes out whole and in order, and nothing passes it. */
static void
test_burst_before_session (void)
{
  End ends[2];
  uint32_t number;

  pair_open (ends);
  for (uint32_t i = 0; i < 100; i++)
    g_assert_true (put_packet (&ends[0], &ends[1], i));
  for (uint32_t i = 0; i < 100; i++) {
    g_assert_true (get_packet (&ends[1], &number, PATIENCE_US));
    g_assert_cmpuint (number, ==, i);
  }
  pair_clear (ends);
}

static void
test_rekey (void)
{
  End ends[2];

  pair_open (ends);
  assert_carries (&ends[0], &ends[1], 3);
  for (uint32_t i = 1; i <= 3; i++) {
    uint64_t before = count_handshakes (ends);

    fz_clock_skip (&ends[0].clock, 121 * FZ_S);
    fz_clock_skip (&ends[1].clock, 121 * FZ_S);
    assert_carries (&ends[0], &ends[1], 20);
    assert_carries (&ends[1], &ends[0], 20);
    wait_for_handshake (ends, before);
    assert_carries (&ends[0], &ends[1], 20);
  }
  pair_clear (ends);
}

static void
test_ports (void)
{
  End ends[2];

  pair_open (ends);
  g_assert_cmpuint (
      fz_host_get_port (ends[0].host, FZ_IP_V4), !=, fz_host_get_port (ends[1].host, FZ_IP_V4));
  pair_clear (ends);
}

/* -- the device -- */

static bool
is_reopened (const End *end)
{
  return fz_platform_fake_has_tun (end->platform) && fz_platform_fake_is_up (end->platform);
}

static void
test_device_deleted (void)
{
  End ends[2];

  pair_open (ends);
  assert_carries (&ends[0], &ends[1], 3);
  for (unsigned i = 0; i < 3; i++) {
    fz_platform_fake_delete_tun (ends[0].platform);
    wait_until (is_reopened, &ends[0]);
    g_assert_true (
        fz_ip_equal (fz_platform_fake_get_address (ends[0].platform, FZ_IP_V4), &ends[0].ipv4));
    g_assert_true (fz_platform_fake_has_route (ends[0].platform, "fd09::2/128"));
    assert_carries (&ends[0], &ends[1], 10);
    assert_carries (&ends[1], &ends[0], 10);
  }
  g_assert_cmpuint (metric (&ends[0], "tun_reopened"), ==, 3);
  g_assert_null (ends[0].fatal);
  pair_clear (ends);
}

static void
test_device_comes_back_late (void)
{
  End ends[2];

  pair_open (ends);
  assert_carries (&ends[0], &ends[1], 3);
  fz_platform_fake_fail_at (ends[0].platform, 1, FZ_PLATFORM_ERROR_BUSY);
  fz_platform_fake_delete_tun (ends[0].platform);
  wait_until (is_reopened, &ends[0]); /* at the second try */
  assert_carries (&ends[0], &ends[1], 10);
  g_assert_null (ends[0].fatal);
  pair_clear (ends);
}

static bool
has_failed (const End *end)
{
  fz_platform_fake_fail_at (end->platform, 1, FZ_PLATFORM_ERROR_PERMISSION);
  return end->fatal != NULL;
}

static void
test_device_lost_for_good (void)
{
  End ends[2];

  pair_open (ends);
  assert_carries (&ends[0], &ends[1], 3);
  fz_platform_fake_fail_at (ends[0].platform, 1, FZ_PLATFORM_ERROR_PERMISSION);
  fz_platform_fake_delete_tun (ends[0].platform);
  wait_until (has_failed, &ends[0]);
  fz_platform_fake_fail_at (ends[0].platform, 0, FZ_PLATFORM_ERROR_FAILED);
  pair_clear (ends);
}

/* What fails for good while the lanes are down, because of something that they had handed over, is
 * not made good by starting them again. */
static void
test_failure_while_replacing (void)
{
  End ends[2];
  unsigned n_calls;

  pair_open (ends);
  ends[1].is_refused = true;
  g_assert_true (put_packet (&ends[0], &ends[1], 1));
  while (ends[0].events[FZ_EVENT_PEER_CONNECTED] == 0)
    g_main_context_iteration (NULL, TRUE);
  while (metric (&ends[1], "rx_to_engine") < 2) /* the peer's initiation; its use of the keys */
    g_usleep (200);                             /* polls */
  g_assert_cmpuint (ends[1].events[FZ_EVENT_PEER_CONNECTED], ==, 0);

  n_calls = fz_platform_fake_count_all (ends[1].platform);
  fz_host_reset_network (ends[1].host);
  g_assert_cmpuint (ends[1].events[FZ_EVENT_PEER_CONNECTED], ==, 1);
  g_assert_cmpuint (fz_platform_fake_count_all (ends[1].platform), ==, n_calls + 1);
  while (ends[1].fatal == NULL)
    g_main_context_iteration (NULL, TRUE);
  fz_host_reset_network (ends[1].host);
  g_assert_cmpuint (fz_platform_fake_count_all (ends[1].platform), ==, n_calls + 1);
  pair_clear (ends);
}

static void
test_interface_refused (void)
{
  End end;

  end_prepare (&end, 0);
  end_open (&end, FZ_ROLE_BARE);
  fz_platform_fake_fail_at (end.platform, 1, FZ_PLATFORM_ERROR_PERMISSION);
  set_interface (&end);
  g_assert_cmpuint (end.events[FZ_EVENT_INTERFACE_CHANGED], ==, 0); /* not set: not told */
  wait_until (has_failed, &end);
  fz_platform_fake_fail_at (end.platform, 0, FZ_PLATFORM_ERROR_FAILED);
  end_clear (&end);
}

/* Whatever fails at the start, it is said and everything is given back. */
static void
test_start_fails (void)
{
  for (unsigned n = 1; n <= 4; n++) { /* rights, clean-up, device, watch */
    g_autoptr (GError) error = NULL;
    FzHostConfig config;
    End end;

    end_prepare (&end, 0);
    config = config_of (&end, FZ_ROLE_GATEWAY);
    fz_platform_fake_fail_at (end.platform, n, FZ_PLATFORM_ERROR_PERMISSION);
    end.host = fz_host_new (&config, &error);
    g_assert_null (end.host);
    g_assert_error (error, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_PERMISSION);
    g_assert_false (fz_platform_fake_has_tun (end.platform));
    end_clear (&end);
  }
}

static void
test_unknown_cipher (void)
{
  g_autoptr (GError) error = NULL;
  FzHostConfig config;
  End end;

  end_prepare (&end, 0);
  config = config_of (&end, FZ_ROLE_BARE);
  config.aead_backend = "rot13";
  g_assert_null (fz_host_new (&config, &error));
  g_assert_error (error, FZ_HOST_ERROR, FZ_HOST_ERROR_CRYPTO);
  end_clear (&end);
}

/* -- the other roles -- */

static void
test_client_roams (void)
{
  End end;
  FzCommand init = { .kind = FZ_COMMAND_CLIENT_INIT };

  end_prepare (&end, 0);
  end_open (&end, FZ_ROLE_CLIENT);
  init.client_init.interface.ipv4 = test_ip ("100.64.0.5");
  init.client_init.interface.ipv6 = test_ip ("fd00:2021:1111::5");
  run (&end, &init);
  g_assert_cmpuint (end.events[FZ_EVENT_INTERFACE_CHANGED], ==, 1);
  g_assert_true (fz_platform_fake_has_rules (end.platform));

  g_assert_true (fz_platform_fake_change_network (end.platform, FZ_NETWORK_CHANGE_ROUTE));
  g_assert_cmpuint (end.events[FZ_EVENT_PUBLIC_KEY_CHANGED], ==, 1);
  g_assert_cmpuint (fz_host_get_port (end.host, FZ_IP_V4), !=, 0);
  fz_host_reset_network (end.host); /* SIGHUP */
  g_assert_cmpuint (end.events[FZ_EVENT_PUBLIC_KEY_CHANGED], ==, 2);
  g_assert_true (fz_host_stop (end.host));
  g_assert_false (fz_platform_fake_has_tun (end.platform));
  end_clear (&end);
}

static void
wait_turns (End *end, unsigned n_resets)
{
  gint64 patience = g_get_monotonic_time () + PATIENCE_US;

  while (end->events[FZ_EVENT_PUBLIC_KEY_CHANGED] < n_resets && g_get_monotonic_time () < patience)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (end->events[FZ_EVENT_PUBLIC_KEY_CHANGED], ==, n_resets);
}

/* The next thing that happens after a suspend is that paths are made anew; time alone is none. */
static void
test_suspend (void)
{
  FzCommand init = { .kind = FZ_COMMAND_CLIENT_INIT };
  FzRelay relay = { .username = "u", .password = "p", .expires_at = UINT64_MAX };
  End end;

  end_prepare (&end, 0);
  end_open (&end, FZ_ROLE_CLIENT);
  relay.ipv4 = (FzSocketAddress){ test_ip ("127.0.0.1"), 9 }; /* silent: it keeps the timer going */
  init.client_init.interface.ipv4 = end.ipv4;
  init.client_init.interface.ipv6 = end.ipv6;
  init.client_init.relays = &relay;
  init.client_init.n_relays = 1;
  run (&end, &init);
  fz_clock_skip (&end.clock, 2 * FZ_S);
  for (int i = 0; i < 20; i++)
    g_main_context_iteration (NULL, FALSE);
  wait_turns (&end, 0);
  fz_clock_sleep (&end.clock, 300 * FZ_S);
  wait_turns (&end, 1);
  for (int i = 0; i < 20; i++)
    g_main_context_iteration (NULL, FALSE);
  wait_turns (&end, 1);
  g_assert_true (fz_host_stop (end.host));
  end_clear (&end);
}

static void
note_jump (gpointer user_data)
{
  *(unsigned *) user_data += 1;
}

/* Setting the clock to what it says is the same jump to the kernel as coming back from suspend. */
static void
test_resume_watch (void)
{
  unsigned n_jumps = 0;
  FzResumeWatch *watch = fz_resume_watch_new (NULL, note_jump, &n_jumps);
  gint64 patience = g_get_monotonic_time () + PATIENCE_US;
  struct timespec now;

  while (g_main_context_iteration (NULL, FALSE))
    continue;
  g_assert_cmpuint (n_jumps, ==, 0);
  for (unsigned i = 1; i <= 2; i++) {
    clock_gettime (CLOCK_REALTIME, &now);
    if (clock_settime (CLOCK_REALTIME, &now) != 0) {
      g_test_skip ("setting the clock is not allowed here (CAP_SYS_TIME)");
      break;
    }
    while (n_jumps < i && g_get_monotonic_time () < patience)
      g_main_context_iteration (NULL, TRUE);
    g_assert_cmpuint (n_jumps, >=, i);
  }
  fz_resume_watch_free (watch);
}

static void
test_gateway_masquerades (void)
{
  End end;
  FzCommand init = { .kind = FZ_COMMAND_GATEWAY_INIT };
  uint16_t port;

  end_prepare (&end, 0);
  end_open (&end, FZ_ROLE_GATEWAY);
  port = fz_host_get_port (end.host, FZ_IP_V4);
  init.gateway_init.interface.ipv4 = test_ip ("100.64.0.1");
  init.gateway_init.interface.ipv6 = test_ip ("fd00:2021:1111::1");
  init.gateway_init.unix_now = fz_clock_unix_now ();
  run (&end, &init);
  g_assert_true (fz_platform_fake_has_masquerade (end.platform));
  g_assert_true (fz_platform_fake_has_route (end.platform, "100.64.0.0/11"));

  fz_platform_fake_change_network (end.platform, FZ_NETWORK_CHANGE_LINK);
  g_assert_cmpuint (fz_host_get_port (end.host, FZ_IP_V4), ==, port); /* gateways never reset */
  g_assert_cmpuint (end.events[FZ_EVENT_PUBLIC_KEY_CHANGED], ==, 0);

  g_assert_true (fz_host_stop (end.host));
  g_assert_true (fz_host_stop (end.host)); /* idempotent */
  g_assert_false (fz_platform_fake_has_masquerade (end.platform));
  end_clear (&end);
}

/* -- the end -- */

static void
test_stop_under_load (void)
{
  for (unsigned i = 0; i < 20; i++) {
    End ends[2];

    pair_open (ends);
    for (uint32_t j = 0; j < 40 + i * 20; j++) {
      put_packet (&ends[0], &ends[1], j);
      if (j % 8 == 0)
        g_main_context_iteration (NULL, FALSE);
    }
    pair_clear (ends);
  }
}

/* -- several lanes -- */

static void
carry_through_all_queues (End ends[2], uint32_t n)
{
  for (unsigned i = 0; i < 2; i++)
    for (ends[i].queue = 0; ends[i].queue < ends[i].n_lanes; ends[i].queue++)
      assert_carries (&ends[i], &ends[1 - i], n);
}

static void
test_lanes (void)
{
  End ends[2];

  pair_open_with (ends, 3);
  carry_through_all_queues (ends, 10);
  for (unsigned i = 0; i < 2; i++) {
    g_autofree char *ladder = fz_ladder_format (fz_host_get_ladder (ends[i].host));
    uint64_t n_sent = 0;

    g_assert_nonnull (strstr (ladder, "queues=3 "));
    g_assert_nonnull (strstr (ladder, "lanes=3 threads=1 reuseport_cbpf=yes"));
    for (unsigned lane = 0; lane < 3; lane++) {
      g_autofree char *name = g_strdup_printf ("lane%u_tx_packets", lane);
      uint64_t n = metric (&ends[i], name);

      g_assert_cmpuint (n, >=, 8); /* the first ones go by the engine */
      n_sent += n;
    }
    g_assert_cmpuint (metric (&ends[i], "tx_packets"), ==, n_sent);
    g_assert_cmpuint (metric (&ends[i], "rx_foreign"), ==, 0);
  }
  pair_clear (ends);
}

/* Device and sockets are made anew, with all their queues. */
static void
test_lanes_again (void)
{
  End ends[2];

  pair_open_with (ends, 2);
  carry_through_all_queues (ends, 3);
  fz_platform_fake_delete_tun (ends[0].platform);
  wait_until (is_reopened, &ends[0]);
  carry_through_all_queues (ends, 3);
  fz_host_reset_network (ends[0].host);
  carry_through_all_queues (ends, 3);
  g_assert_null (ends[0].fatal);
  pair_clear (ends);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/traffic", test_traffic);
  g_test_add_func ("/host/lanes/traffic", test_lanes);
  g_test_add_func ("/host/lanes/made-again", test_lanes_again);
  g_test_add_func ("/host/burst-before-session", test_burst_before_session);
  g_test_add_func ("/host/rekey", test_rekey);
  g_test_add_func ("/host/ports", test_ports);
  g_test_add_func ("/host/device/failure-while-replacing", test_failure_while_replacing);
  g_test_add_func ("/host/device/deleted", test_device_deleted);
  g_test_add_func ("/host/device/comes-back-late", test_device_comes_back_late);
  g_test_add_func ("/host/device/lost-for-good", test_device_lost_for_good);
  g_test_add_func ("/host/device/interface-refused", test_interface_refused);
  g_test_add_func ("/host/start-fails", test_start_fails);
  g_test_add_func ("/host/unknown-cipher", test_unknown_cipher);
  g_test_add_func ("/host/client-roams", test_client_roams);
  g_test_add_func ("/host/suspend", test_suspend);
  g_test_add_func ("/host/resume-watch", test_resume_watch);
  g_test_add_func ("/host/gateway-masquerades", test_gateway_masquerades);
  g_test_add_func ("/host/stop-under-load", test_stop_under_load);
  return g_test_run ();
}
