/* test-messages-sent.c: every message of ours, byte for byte as recorded */

#include "src/portal/fz-phoenix-frame.h"
#include "tests/unit/portal/message-bed.h"
#include "tests/unit/portal/portal-test.h"

static FzUuid
id_of (const char *text)
{
  FzUuid id;

  g_assert_true (fz_uuid_parse (text, &id));
  return id;
}

static void
check_written (FzRole role, const FzEvent *event, const char *line, uint64_t ref)
{
  const char *name = NULL;
  g_autofree char *payload = fz_message_write (role, event, &name);
  g_autofree char *frame = NULL;

  g_assert_nonnull (payload);
  frame =
      fz_phoenix_frame_write (role == FZ_ROLE_GATEWAY ? "gateway" : "client", name, payload, ref);
  g_assert_cmpstr (frame, ==, line);
}

static void
test_client_sends (void)
{
  g_autofree char *text = portal_test_read ("client-sent.jsonl");
  g_auto (GStrv) lines = g_strsplit (text, "\n", 0);
  FzUuid gateways[] = { id_of (GATEWAY_1), id_of ("11111111-2222-4333-8444-555555555503") };
  const char *const added[] = {
    "candidate:4fe8a2c17f3d9b06 1 udp 2130706431 192.0.2.5 52625 typ host ufrag cgcj",
    "candidate:1 1 udp 1686109951 203.0.113.7 40000 typ srflx raddr 0.0.0.0 rport 0 ufrag cgcj",
  };
  const char *const removed[] = {
    "candidate:1 1 udp 50331391 198.51.100.7 50000 typ relay raddr 0.0.0.0 rport 0",
  };
  FzEvent request = { .kind = FZ_EVENT_REQUEST_AUTHORIZATION,
                      .request_authorization = { .resource_id = id_of (RESOURCE_DNS) } };
  FzEvent candidates = { .kind = FZ_EVENT_NEW_CANDIDATES, .candidates = { gateways[0], added, 2 } };
  const FzEvent no_relays = { .kind = FZ_EVENT_NO_RELAYS };
  g_autofree char *join = fz_phoenix_frame_write ("client", "phx_join", "null", 0);
  g_autofree char *hello =
      fz_phoenix_frame_write ("client", FZ_MESSAGES_HELLO_EVENT, FZ_MESSAGES_HELLO_PAYLOAD, 1);
  g_autofree char *heartbeat = fz_phoenix_frame_write ("phoenix", "heartbeat", "{}", 7);

  g_assert_cmpstr (join, ==, lines[0]);
  g_assert_cmpstr (hello, ==, lines[1]);
  check_written (FZ_ROLE_CLIENT, &request, lines[2], 2);
  request.request_authorization.connected_gateway_ids = gateways;
  request.request_authorization.n_connected = 2;
  check_written (FZ_ROLE_CLIENT, &request, lines[3], 3);
  check_written (FZ_ROLE_CLIENT, &candidates, lines[4], 4);
  candidates = (FzEvent){ .kind = FZ_EVENT_INVALIDATED_CANDIDATES,
                          .candidates = { gateways[0], removed, 1 } };
  check_written (FZ_ROLE_CLIENT, &candidates, lines[5], 5);
  check_written (FZ_ROLE_CLIENT, &no_relays, lines[6], 6);
  g_assert_cmpstr (heartbeat, ==, lines[7]);
}

static void
test_gateway_sends (void)
{
  g_autofree char *text = portal_test_read ("gateway-sent.jsonl");
  g_auto (GStrv) lines = g_strsplit (text, "\n", 0);
  const char *const added[] = {
    "candidate:4fe8a2c17f3d9b06 1 udp 2130706431 192.0.2.5 52625 typ host ufrag bvch",
  };
  const char *const removed[] = {
    "candidate:1 1 udp 50331391 198.51.100.7 50000 typ relay raddr 0.0.0.0 rport 0",
  };
  const FzEvent accepted = { .kind = FZ_EVENT_AUTHORIZATION_ACCEPTED,
                             .authorization_ref = "r-7f3a \"quoted\" ümlaut" };
  const FzEvent new_ones = { .kind = FZ_EVENT_NEW_CANDIDATES,
                             .candidates = { id_of (CLIENT_1), added, 1 } };
  const FzEvent old_ones = { .kind = FZ_EVENT_INVALIDATED_CANDIDATES,
                             .candidates = { id_of (CLIENT_1), removed, 1 } };
  const FzEvent no_relays = { .kind = FZ_EVENT_NO_RELAYS };

  check_written (FZ_ROLE_GATEWAY, &accepted, lines[2], 2);
  check_written (FZ_ROLE_GATEWAY, &new_ones, lines[3], 3);
  check_written (FZ_ROLE_GATEWAY, &old_ones, lines[4], 4);
  check_written (FZ_ROLE_GATEWAY, &no_relays, lines[5], 5);
}

static void
test_not_for_the_portal (void)
{
  static const struct {
    FzRole role;
    FzEventKind kind;
  } rows[] = {
    { FZ_ROLE_CLIENT, FZ_EVENT_INTERFACE_CHANGED },
    { FZ_ROLE_CLIENT, FZ_EVENT_RESOURCES_CHANGED },
    { FZ_ROLE_CLIENT, FZ_EVENT_PEER_CONNECTED },
    { FZ_ROLE_CLIENT, FZ_EVENT_AUTHORIZATION_ACCEPTED },
    { FZ_ROLE_GATEWAY, FZ_EVENT_REQUEST_AUTHORIZATION },
    { FZ_ROLE_GATEWAY, FZ_EVENT_PUBLIC_KEY_CHANGED },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    const FzEvent event = { .kind = rows[i].kind };
    const char *name = NULL;

    g_assert_null (fz_message_write (rows[i].role, &event, &name));
    g_assert_null (name);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/messages/sent/client", test_client_sends);
  g_test_add_func ("/messages/sent/gateway", test_gateway_sends);
  g_test_add_func ("/messages/sent/not-for-the-portal", test_not_for_the_portal);
  return g_test_run ();
}
