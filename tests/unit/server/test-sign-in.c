/* test-sign-in.c
 *
 * The sign-in pages as a browser without script sees them, byte for byte over
 * HTTP: the way from the client's link to the token and the websocket, and the
 * passwords it goes by.
 */

#include "src/server/fz-flow.h"
#include "src/server/fz-json.h"
#include "src/server/fz-server-error.h"
#include "tests/unit/server/browser.h"

#include <string.h>

static void
test_gui_client (void)
{
  Portal *portal = browser_portal_new ();
  g_auto (Browser) browser = { .portal = portal };
  g_autoptr (JsonObject) init = NULL;
  g_autofree char *fragment = NULL;
  g_autofree char *token = NULL;
  g_autofree char *link = NULL;

  {
    g_auto (Page) page = browser_get (&browser, "/?" LINK);

    page_assert_location (&page, 302, PAGE "?" LINK);
  }
  {
    g_auto (Page) page = browser_get (&browser, "/acme?" LINK "&utm_source=x");

    page_assert_location (&page, 302, PAGE "?" LINK);
  }
  {
    g_autofree char *by_id = g_strdup_printf ("/%s/sign_in?" LINK, portal->account_id);
    g_auto (Page) page = browser_get (&browser, by_id);

    page_assert_location (&page, 302, PAGE "?" LINK);
  }
  {
    g_auto (Page) page = browser_get (&browser, PAGE "?" LINK);

    g_assert_cmpuint (page.status, ==, 200);
    page_assert_has (&page, "Sign in to Acme &amp; Co");
    page_assert_has (&page, "; Path=/; HttpOnly; SameSite=Lax\r\n");
    page_assert_has (&page, "Cache-Control: no-store\r\n");
    page_assert_has (&page, "Content-Security-Policy: default-src 'none'; style-src 'self'; ");
    page_assert_has (&page, "X-Frame-Options: DENY\r\n");
    page_assert_has (&page, "X-Content-Type-Options: nosniff\r\n");
    page_assert_has (&page, "Referrer-Policy: same-origin\r\n");
  }
  {
    g_auto (Page) page = browser_post (&browser, "Sam@ACME.test ", PASSWORD);

    page_assert_location (&page, 303, PAGE "/success");
    page_assert_has (&page, "; Path=/acme/sign_in; Max-Age=120; HttpOnly; SameSite=Strict\r\n");
    g_assert_null (strstr (page.text, ".fzc_"));
  }
  {
    g_auto (Page) page = browser_get (&browser, PAGE "/success");

    g_assert_cmpuint (page.status, ==, 200);
    page_assert_has (&page, "Hello Sam &lt;Poe&gt;.");
    page_assert_has (&page,
                     "http-equiv=\"refresh\" content=\"0; url=/acme/sign_in/client_redirect\"");
    page_assert_has (&page, "href=\"" FZ_FLOW_SCHEME "://handle_client_sign_in_callback?");
  }
  {
    g_auto (Page) page = browser_get (&browser, PAGE "/client_redirect");

    g_assert_cmpuint (page.status, ==, 302);
    link = browser_cut (page.text, "Location: ", "\r\n");
  }
  g_assert_true (g_str_has_prefix (link,
                                   FZ_FLOW_SCHEME
                                   "://handle_client_sign_in_callback?account_name=Acme+%26+Co"
                                   "&account_slug=acme&actor_name=Sam+%3CPoe%3E&fragment=.fzc_"));
  g_assert_true (
      g_str_has_suffix (link, "&identity_provider_identifier=sam%40acme.test&state=" STATE));

  /* what the client makes of it lets it in, without the nonce nothing does */
  fragment = browser_cut (link, "fragment=", "&");
  {
    PeerSpec spec = { "/client/v2/websocket",        fragment, "c", KEY_1,
                      "Debian/12 gui-client/1.5.16", NULL };
    Peer *peer = peer_connect (portal, "client", &spec);

    g_assert_cmpuint (peer->status, ==, 401);
    peer_free (peer);
  }
  token = g_strconcat (NONCE, fragment, NULL);
  g_free (portal->client_token);
  portal->client_token = g_steal_pointer (&token);
  {
    Peer *client = client_new (portal, &init);
    g_autoptr (JsonNode) tokens = portal_try (portal, NULL, "token list", NULL);
    JsonObject *last = browser_find_sign_in (json_node_get_array (tokens));
    g_autoptr (JsonObject) payload = NULL;

    /* whoever lists tokens sees where it came from; revoking it ends the client at once */
    g_assert_cmpstr (fz_json_text (last, "name"), ==, "sign-in of gui-client from 127.0.0.1");
    g_assert_cmpstr (fz_json_text (last, "actor"), ==, "Sam <Poe>");
    portal_change (portal, "token revoke", "which", fz_json_text (last, "id"), NULL);
    payload = peer_expect (client, "disconnect");
    g_assert_cmpstr (fz_json_text (payload, "reason"), ==, "token_expired");
    peer_expect_closed (client);
    peer_free (client);
  }
  {
    g_auto (Page) page =
        browser_get (&browser, PAGE "/client_redirect"); /* a dead token is not handed out */

    page_assert_location (&page, 302, PAGE "/client_auth_error");
  }
  portal_free (portal);
}

static void
test_headless_client (void)
{
  Portal *portal = browser_portal_new ();
  g_auto (Browser) browser = { .portal = portal };
  g_autofree char *fragment = NULL;
  g_autoptr (JsonObject) init = NULL;

  {
    g_auto (Page) page = browser_get (&browser, PAGE "?as=headless-client");

    g_assert_cmpuint (page.status, ==, 200);
  }
  {
    g_auto (Page) page =
        browser_post_link (&browser, "as=headless-client", "sam@acme.test", PASSWORD);

    page_assert_location (&page, 303, PAGE "/success");
  }
  {
    g_auto (Page) page = browser_get (&browser, PAGE "/success");

    g_assert_cmpuint (page.status, ==, 200);
    g_assert_null (strstr (page.text, "http-equiv=\"refresh\""));
    page_assert_has (&page, "It is valid until <strong>");
    page_assert_has (&page, " UTC</strong>");
    fragment = browser_cut (page.text, "autofocus>", "<");
  }
  {
    g_auto (Page) page =
        browser_get (&browser, PAGE "/client_redirect"); /* there is no app to open */

    page_assert_location (&page, 302, PAGE "/client_auth_error");
  }
  g_assert_true (g_str_has_prefix (fragment, ".fzc_"));
  g_free (portal->client_token);
  portal->client_token = g_steal_pointer (&fragment);
  peer_free (client_new (portal, &init));
  portal_free (portal);
}

static void
test_lifetime (void)
{
  static const struct {
    const char *text;
    int64_t seconds; /* 0: refused */
  } rows[] = {
    { "1h", 3600 }, { "90d", 7776000 }, { "59m", 0 },
    { "91d", 0 },   { "never", 0 },     { "2d", 172800 },
  };
  Portal *portal = browser_portal_new ();
  g_auto (Browser) browser = { .portal = portal };
  g_autoptr (GError) error = NULL;
  int64_t expires_at = 0;

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (JsonNode) node =
        portal_try (portal, &error, "account update", "sign-in-lifetime", rows[i].text, NULL);

    g_assert_cmpint (node != NULL, ==, rows[i].seconds != 0);
    if (node == NULL)
      g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID);
    else
      g_assert_cmpint (
          json_object_get_int_member (json_node_get_object (node), "sign_in_lifetime_s"),
          ==,
          rows[i].seconds);
    g_clear_error (&error);
  }
  browser_open_form (&browser);
  {
    g_auto (Page) page = browser_post (&browser, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 303);
  }
  g_assert_true (fz_database_number (fz_store_database (portal->store),
                                     "SELECT expires_at FROM token WHERE made_by = 'sign_in'",
                                     FZ_NO_ARGS,
                                     0,
                                     &expires_at,
                                     NULL));
  g_assert_cmpint (expires_at, >, fz_store_now () + 172800 - 60);
  g_assert_cmpint (expires_at, <=, fz_store_now () + 172800);

  /* long expired ones go */
  g_assert_true (fz_store_purge (portal->store, expires_at + 80000, NULL));
  g_assert_cmpuint (browser_count_sign_ins (portal), ==, 1);
  g_assert_true (fz_store_purge (portal->store, expires_at + 86401, NULL));
  g_assert_cmpuint (browser_count_sign_ins (portal), ==, 0);
  portal_free (portal);
}

/* -- accounts -- */

static void
test_which_account (void)
{
  Portal *portal = portal_new ();
  g_auto (Browser) browser = { .portal = portal };

  portal_start (portal);
  {
    g_auto (Page) page = browser_get (&browser, "/?" LINK);

    g_assert_cmpuint (page.status, ==, 503);
    page_assert_has (&page, "firezone-portal init");
  }
  portal_change (portal, "account add", "name", "acme", NULL);
  portal_change (portal, "account add", "name", "other", NULL);
  {
    g_auto (Page) page = browser_get (&browser, "/?" LINK);

    g_assert_cmpuint (page.status, ==, 200);
    page_assert_has (&page, "<form action=\"/\" method=\"get\">");
    page_assert_has (&page, "name=\"nonce\" value=\"" NONCE "\"");
    g_assert_null (strstr (page.text, "acme")); /* it does not tell who is here */
  }
  {
    g_auto (Page) page = browser_get (&browser, "/?account=+acme+&" LINK);

    page_assert_location (&page, 302, PAGE "?" LINK);
  }
  {
    g_auto (Page) page = browser_get (&browser, "/?account=%3Cscript%3E&" LINK);

    g_assert_cmpuint (page.status, ==, 404);
    page_assert_has (&page, "value=\"&lt;script&gt;\"");
    g_assert_null (strstr (page.text, "<script"));
  }
  portal_free (portal);
}

/* Only the account's own short name is ever put into a redirect. */
static void
test_no_open_redirect (void)
{
  static const char *const targets[] = {
    "//evil.test/?" LINK,
    "/%2f%2fevil.test?" LINK,
    "/\\evil.test?" LINK,
    "/?account=%2F%2Fevil.test&" LINK,
    "/?account=https%3A%2F%2Fevil.test&" LINK,
    "/acme/sign_in//evil.test?" LINK,
    "/acme//evil.test",
    "/acme/sign_in/../../evil?" LINK,
    "http://evil.test/?" LINK,
  };
  Portal *portal = browser_portal_new ();
  g_auto (Browser) browser = { .portal = portal };

  for (size_t i = 0; i < G_N_ELEMENTS (targets); i++) {
    g_auto (Page) page = browser_get (&browser, targets[i]);
    g_autofree char *location = browser_cut (page.text, "Location: ", "\r\n");

    g_test_message ("%s", targets[i]);
    g_assert_true (location == NULL || g_str_has_prefix (location, "/acme/sign_in"));
  }
  {
    g_auto (Page) page = browser_get (&browser, PAGE "?" LINK "&redirect_to=%2F%2Fevil.test");

    page_assert_has (&page, "name=\"redirect_to\" value=\"//evil.test\"");
  }
  {
    g_auto (Page) page = browser_post_link (
        &browser, LINK "&redirect_to=%2F%2Fevil.test", "sam@acme.test", PASSWORD);

    page_assert_location (&page, 303, PAGE "/success"); /* carried along, never followed */
  }
  portal_free (portal);
}

static void
test_broken_links (void)
{
  static const struct {
    const char *target;
    unsigned status;
  } rows[] = {
    { PAGE "?as=gui-client", 400 },
    { PAGE "?as=gui-client&state=a&nonce=b&nonce=c", 400 },
    { PAGE "?as=gui-client&state=%0d%0aX:&nonce=b", 400 },
    { PAGE "?as=root", 400 },
    { "/nobody/sign_in?" LINK, 404 },
    { "/nobody?" LINK, 404 },
    { PAGE "/nothing", 404 },
    { PAGE "/success", 302 },
    { PAGE "/client_redirect", 302 },
    { PAGE "/client_auth_error", 400 },
    { "/assets/style.css", 200 },
    { "/assets/mark.svg", 200 },
    { "/assets/../etc/passwd", 404 },
    { "/favicon.ico", 404 },
    { PAGE, 200 }, /* who came by themselves is told where to start */
  };
  Portal *portal = browser_portal_new ();
  g_auto (Browser) browser = { .portal = portal };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (Page) page = browser_get (&browser, rows[i].target);

    g_test_message ("%s", rows[i].target);
    g_assert_cmpuint (page.status, ==, rows[i].status);
  }
  g_assert_null (browser.token);
  portal_free (portal);
}

/* -- passwords -- */

static void
test_password_commands (void)
{
  static const char *const refused[] = {
    "short", "Sam <Poe>", "sam@acme.TEST", "aaaaaaaaaaaaaaaa", "with a \t tab in it", "\xff\xff",
  };
  Portal *portal = browser_portal_new ();
  g_auto (Browser) browser = { .portal = portal };
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) made = NULL;
  g_autoptr (JsonObject) actor = NULL;

  for (size_t i = 0; i < G_N_ELEMENTS (refused); i++) {
    g_assert_null (portal_try (
        portal, &error, "actor password set", "which", "Sam <Poe>", "password", refused[i], NULL));
    g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID);
    g_clear_error (&error);
  }
  portal_change (portal, "actor add", "name", "robot", "type", "service_account", NULL);
  portal_change (portal, "actor add", "name", "eve", NULL);
  g_assert_null (
      portal_try (portal, &error, "actor password set", "which", "robot", "generate", NULL));
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (
      portal_try (portal, &error, "actor password set", "which", "eve", "generate", NULL));
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID); /* no address to sign in with */
  g_clear_error (&error);

  browser_open_form (&browser);
  {
    g_auto (Page) page = browser_post (&browser, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 303);
  }
  g_assert_cmpuint (browser_count_sign_ins (portal), ==, 1);
  made = portal_do (portal, "actor password set", "which", "Sam <Poe>", "generate", NULL);
  g_assert_cmpuint (strlen (fz_json_text (made, "generated_password")), ==, 23);
  g_assert_cmpuint (browser_count_sign_ins (portal), ==, 1);
  {
    g_auto (Page) page = browser_post (&browser, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 403);
  }
  {
    g_auto (Page) page =
        browser_post (&browser, "sam@acme.test", fz_json_text (made, "generated_password"));

    g_assert_cmpuint (page.status, ==, 303);
  }
  portal_change (portal, "actor password remove", "which", "Sam <Poe>", "sign-out", NULL);
  g_assert_cmpuint (browser_count_sign_ins (portal), ==, 0);
  actor = portal_do (portal, "actor show", "which", "Sam <Poe>", NULL);
  g_assert_false (fz_json_bool (actor, "password", true));
  portal_free (portal);
}

/* The hash of the fixture's command costs more than the portal of the fixture asks for. */
static void
test_rehash (void)
{
  Portal *portal = browser_portal_new ();
  g_auto (Browser) browser = { .portal = portal };
  g_autoptr (FzCredential) before = NULL;
  g_autoptr (FzCredential) between = NULL;
  g_autoptr (FzCredential) after = NULL;

  before = fz_store_credential_load (portal->store, portal->actor_id, NULL);
  browser_open_form (&browser);
  {
    g_auto (Page) page = browser_post (&browser, "sam@acme.test", "wrong");

    g_assert_cmpuint (page.status, ==, 403);
  }
  between = fz_store_credential_load (portal->store, portal->actor_id, NULL);
  g_assert_cmpstr (before->password_hash, ==, between->password_hash);
  {
    g_auto (Page) page = browser_post (&browser, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 303);
  }
  after = fz_store_credential_load (portal->store, portal->actor_id, NULL);
  g_assert_cmpstr (before->password_hash, !=, after->password_hash);
  g_assert_nonnull (strstr (after->password_hash, "m=8,t=1,"));
  {
    g_auto (Page) page = browser_post (&browser, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 303);
  }
  portal_free (portal);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sign-in/gui-client", test_gui_client);
  g_test_add_func ("/sign-in/headless-client", test_headless_client);
  g_test_add_func ("/sign-in/lifetime", test_lifetime);
  g_test_add_func ("/sign-in/which-account", test_which_account);
  g_test_add_func ("/sign-in/no-open-redirect", test_no_open_redirect);
  g_test_add_func ("/sign-in/broken-links", test_broken_links);
  g_test_add_func ("/sign-in/password/commands", test_password_commands);
  g_test_add_func ("/sign-in/password/rehash", test_rehash);
  return g_test_run ();
}
