/* test-relays.c
 *
 * Relays as peers see them: registered, given, gone, back in time or too late
 * (portal-protocol.md §§7, 8.8).
 */
#include "src/server/fz-json.h"
#include "tests/unit/server/portal-fixture.h"

#define STAMP "000000000000000000000000000000000000000000000000000000000000002a"

static void
test_relays (void)
{
  Portal *portal = portal_new_populated ();
  Peer *relay;
  Peer *client = client_new (portal, NULL);
  g_autoptr (JsonObject) presence = NULL;
  g_autoptr (JsonObject) gone = NULL;
  g_autoptr (JsonObject) refreshed = NULL;
  JsonArray *connected;
  JsonObject *v4;
  JsonObject *v6;
  g_autofree char *expected_user = NULL;

  relay = relay_new (portal, STAMP);
  presence = peer_expect (client, "relays_presence");
  g_assert_cmpuint (json_array_get_length (fz_json_array (presence, "disconnected_ids")), ==, 0);
  connected = fz_json_array (presence, "connected");
  g_assert_cmpuint (json_array_get_length (connected), ==, 2);
  v4 = json_array_get_object_element (connected, 0);
  v6 = json_array_get_object_element (connected, 1);
  g_assert_cmpstr (fz_json_text (v4, "id"), ==, "9cf49eea-aa45-4d96-bd47-cf2cfeaeb0df");
  g_assert_cmpstr (fz_json_text (v6, "id"), ==, "9cf49eea-aa45-4d96-bd47-cf2cfeaeb0df");
  g_assert_cmpstr (fz_json_text (v4, "type"), ==, "turn");
  g_assert_cmpstr (fz_json_text (v4, "addr"), ==, "198.51.100.7:3478");
  g_assert_cmpstr (fz_json_text (v6, "addr"), ==, "[2001:db8::7]:3478");
  expected_user =
      g_strdup_printf ("%" G_GINT64_FORMAT ":xXzDtV05+ab3cvUI44IeCigIIjUsDQ8NJZ+6Y7dNqaA",
                       json_object_get_int_member (v4, "expires_at"));
  g_assert_cmpstr (fz_json_text (v4, "username"), ==, expected_user);
  g_assert_cmpstr (fz_json_text (v4, "password"), ==, fz_json_text (v6, "password"));

  peer_send (client, "no_relays", "{}");
  refreshed = peer_expect (client, "relays_presence");
  g_assert_cmpuint (json_array_get_length (fz_json_array (refreshed, "connected")), ==, 2);

  peer_free (relay);
  gone = peer_expect (client, "relays_presence");
  g_assert_cmpstr (json_array_get_string_element (fz_json_array (gone, "disconnected_ids"), 0),
                   ==,
                   "9cf49eea-aa45-4d96-bd47-cf2cfeaeb0df");
  g_assert_cmpuint (json_array_get_length (fz_json_array (gone, "connected")), ==, 0);
  peer_free (client);
  portal_free (portal);
}

/* A relay that is back within the debounce time was never away; one with a new secret is new. */
static void
test_relay_debounce (void)
{
  Portal *portal = portal_new ();
  Peer *relay;
  Peer *client;
  g_autoptr (JsonObject) init = NULL;
  g_autoptr (JsonObject) presence = NULL;

  portal->config.presence_debounce_ms = 2000;
  portal_start (portal);
  portal_populate (portal);
  relay = relay_new (portal, STAMP);
  turn_for (2100);
  client = client_new (portal, &init);
  g_assert_cmpuint (json_array_get_length (fz_json_array (init, "relays")), ==, 2);

  peer_leave (relay);
  relay = relay_new (portal, STAMP);
  peer_expect_silence (client, 2500);

  peer_free (relay);
  relay = relay_new (portal, "another secret of a restarted relay");
  presence = peer_expect (client, "relays_presence");
  g_assert_cmpuint (json_array_get_length (fz_json_array (presence, "disconnected_ids")), ==, 1);
  g_assert_cmpuint (json_array_get_length (fz_json_array (presence, "connected")), ==, 2);
  peer_free (relay);
  peer_free (client);
  portal_free (portal);
}

/* Two are enough: a third one is nobody's news, until one of the two goes. */
static void
test_relay_selection (void)
{
  static const char *const secrets[] = { "secret of relay one",
                                         "secret of relay two",
                                         "secret of relay three" };
  Portal *portal = portal_new_populated ();
  Peer *relays[3] = { NULL };
  Peer *client = client_new (portal, NULL);
  g_autoptr (JsonObject) both = NULL;

  for (size_t i = 0; i < 2; i++)
    relays[i] = relay_new (portal, secrets[i]);
  both = peer_expect (client, "relays_presence");
  g_assert_cmpuint (json_array_get_length (fz_json_array (both, "connected")), ==, 4);
  relays[2] = relay_new (portal, secrets[2]);
  peer_expect_silence (client, 200);

  for (size_t i = 0; i < 2; i++)
    peer_free (relays[i]);
  {
    g_autoptr (JsonObject) left = peer_expect (client, "relays_presence");

    g_assert_cmpuint (json_array_get_length (fz_json_array (left, "disconnected_ids")), ==, 2);
    g_assert_cmpuint (json_array_get_length (fz_json_array (left, "connected")), ==, 2);
  }
  peer_free (relays[2]);
  peer_free (client);
  portal_free (portal);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relays/presence", test_relays);
  g_test_add_func ("/relays/debounce", test_relay_debounce);
  g_test_add_func ("/relays/selection", test_relay_selection);
  return g_test_run ();
}
