/* test-sign-out.c: who may end which token by asking for it, and what ends with it */

#include "portal-fixture.h"
#include "src/server/fz-sign-out.h"

#include <string.h>

/* A token as the sign-in page makes them. */
static char *
sign_in (Portal *portal)
{
  g_autoptr (GError) error = NULL;
  FzTokenSpec spec = {
    .kind = FZ_TOKEN_CLIENT,
    .account_id = portal->account_id,
    .actor_id = portal->actor_id,
    .nonce = "",
    .expires_at = fz_store_now () + 3600,
    .is_sign_in = true,
  };
  char *text = NULL;
  g_autofree char *id = fz_store_token_add (portal->store, &spec, &text, &error);

  g_assert_no_error (error);
  g_assert_nonnull (id);
  return text;
}

static unsigned
ask (Portal *portal, const char *method, const char *authorization)
{
  g_autofree char *request = g_strdup_printf ("%s " FZ_SIGN_OUT_PATH " HTTP/1.1\r\nHost: x\r\n"
                                              "Connection: close\r\n%s%s%s\r\n",
                                              method,
                                              authorization != NULL ? "X-Authorization: " : "",
                                              authorization != NULL ? authorization : "",
                                              authorization != NULL ? "\r\n" : "");
  g_autofree char *answer = raw_request (portal, request);

  g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 "));
  return (unsigned) g_ascii_strtoull (answer + strlen ("HTTP/1.1 "), NULL, 10);
}

static unsigned
end (Portal *portal, const char *token)
{
  g_autofree char *authorization = g_strconcat ("Bearer ", token, NULL);

  return ask (portal, "DELETE", authorization);
}

static void
test_ends_with_its_connection (void)
{
  Portal *portal = portal_new ();
  g_autofree char *token = NULL;
  Peer *client;

  portal_start (portal);
  portal_populate (portal);
  token = sign_in (portal);
  g_free (portal->client_token);
  portal->client_token = g_strdup (token);
  client = client_new (portal, NULL);
  g_assert_cmpuint (end (portal, token), ==, 204);
  peer_skip (client, "disconnect");
  peer_expect_closed (client);
  peer_free (client);
  g_assert_cmpuint (end (portal, token), ==, 401); /* it is gone */
  portal_free (portal);
}

static void
test_refusals (void)
{
  Portal *portal = portal_new ();
  g_autofree char *token = NULL;
  g_autofree char *broken = NULL;
  g_autofree char *basic = NULL;

  portal_start (portal);
  portal_populate (portal);
  token = sign_in (portal);
  broken = g_strdup (token);
  broken[strlen (broken) - 2] = broken[strlen (broken) - 2] == 'A' ? 'B' : 'A';
  basic = g_strconcat ("Basic ", token, NULL);

  g_assert_cmpuint (ask (portal, "DELETE", NULL), ==, 401);
  g_assert_cmpuint (ask (portal, "DELETE", basic), ==, 401);
  g_assert_cmpuint (end (portal, broken), ==, 401);
  g_assert_cmpuint (end (portal, portal->gateway_token), ==, 401);
  g_assert_cmpuint (end (portal, portal->client_token), ==, 403); /* the administrator's */
  g_assert_cmpuint (ask (portal, "PUT", NULL), ==, 405);
  g_assert_cmpuint (end (portal, token), ==, 204); /* none of that has ended it */
  portal_free (portal);
}

static void
test_not_too_often (void)
{
  Portal *portal = portal_new ();

  portal->connect_interval_us = G_TIME_SPAN_MINUTE;
  portal_start (portal);
  portal_populate (portal);
  g_assert_cmpuint (end (portal, "guess"), ==, 401);
  g_assert_cmpuint (end (portal, "another"), ==, 429);
  portal_free (portal);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sign-out/ends-with-its-connection", test_ends_with_its_connection);
  g_test_add_func ("/sign-out/refusals", test_refusals);
  g_test_add_func ("/sign-out/not-too-often", test_not_too_often);
  return g_test_run ();
}
