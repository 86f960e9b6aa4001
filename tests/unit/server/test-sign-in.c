/* test-sign-in.c
 *
 * The sign-in pages as a browser without script sees them, byte for byte over
 * HTTP: the way from the client's link to the token and the websocket, and every
 * way that must not lead there.
 */
#include "src/server/fz-flow.h"
#include "src/server/fz-json.h"
#include "src/server/fz-server-error.h"
#include "src/server/fz-sign-in.h"
#include "tests/unit/server/portal-fixture.h"

#include <string.h>

#define PASSWORD "correct horse battery"
#define STATE    "state0123456789"
#define NONCE    "nonce0123456789"
#define LINK     "as=gui-client&state=" STATE "&nonce=" NONCE
#define PAGE     "/acme/sign_in"

/* -- a browser -- */

typedef struct {
  Portal *portal;
  char *form_cookie;   /* "name=value", or NULL */
  char *answer_cookie; /* likewise */
  char *token;         /* of the last form seen */
  const char *more;    /* headers of every request, or "" */
} Browser;

typedef struct {
  unsigned status;
  char *text; /* headers and body */
} Page;

static void
page_clear (Page *page)
{
  g_clear_pointer (&page->text, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Page, page_clear)

static void
browser_clear (Browser *browser)
{
  g_free (browser->form_cookie);
  g_free (browser->answer_cookie);
  g_free (browser->token);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Browser, browser_clear)

/* What stands between @before and @after, or NULL. */
static char *
cut (const char *text, const char *before, const char *after)
{
  const char *start = strstr (text, before);
  const char *end;

  if (start == NULL)
    return NULL;
  start += strlen (before);
  end = strstr (start, after);
  return end != NULL ? g_strndup (start, (gsize) (end - start)) : NULL;
}

static void
note_cookie (const char *text, const char *name, char **out)
{
  g_autofree char *before = g_strdup_printf ("Set-Cookie: %s=", name);
  g_autofree char *value = cut (text, before, ";");

  if (value != NULL) {
    g_free (*out);
    *out = g_strdup_printf ("%s=%s", name, value);
  }
}

static Page
exchange (Browser *browser, const char *head, const char *body)
{
  g_autoptr (GString) request = g_string_new (head);
  Page page = { 0 };
  char *token;

  g_string_append (request, "Host: portal.test\r\nConnection: close\r\n");
  g_string_append (request, browser->more != NULL ? browser->more : "");
  if (browser->form_cookie != NULL || browser->answer_cookie != NULL)
    g_string_append_printf (request,
                            "Cookie: %s; %s\r\n",
                            browser->form_cookie != NULL ? browser->form_cookie : "a=b",
                            browser->answer_cookie != NULL ? browser->answer_cookie : "c=d");
  g_string_append_printf (request, "\r\n%s", body != NULL ? body : "");
  page.text = raw_request (browser->portal, request->str);
  g_assert_true (g_str_has_prefix (page.text, "HTTP/1.1 "));
  page.status = (unsigned) atoi (page.text + strlen ("HTTP/1.1 "));

  note_cookie (page.text, "fz_form", &browser->form_cookie);
  note_cookie (page.text, "__Host-fz_form", &browser->form_cookie);
  note_cookie (page.text, "client_auth", &browser->answer_cookie);
  token = cut (page.text, "name=\"form\" value=\"", "\"");
  if (token != NULL) {
    g_free (browser->token);
    browser->token = token;
  }
  return page;
}

static Page
get (Browser *browser, const char *target)
{
  g_autofree char *head = g_strdup_printf ("GET %s HTTP/1.1\r\n", target);

  return exchange (browser, head, NULL);
}

static Page
post_body (Browser *browser, const char *target, const char *body)
{
  g_autofree char *head =
      g_strdup_printf ("POST %s HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                       "Content-Length: %zu\r\n",
                       target,
                       strlen (body));

  return exchange (browser, head, body);
}

static Page
post_link (Browser *browser, const char *link, const char *email, const char *password)
{
  g_autoptr (GString) body = g_string_new (link);

  if (browser->token != NULL)
    fz_form_append (body, "form", browser->token);
  fz_form_append (body, "email", email);
  fz_form_append (body, "password", password);
  return post_body (browser, PAGE, body->str);
}

static Page
post (Browser *browser, const char *email, const char *password)
{
  return post_link (browser, LINK, email, password);
}

static void
assert_location (const Page *page, unsigned status, const char *location)
{
  g_autofree char *given = cut (page->text, "Location: ", "\r\n");

  g_assert_cmpuint (page->status, ==, status);
  g_assert_cmpstr (given, ==, location);
}

static void
assert_has (const Page *page, const char *text)
{
  if (strstr (page->text, text) == NULL)
    g_error ("\"%s\" is not in: %s", text, page->text);
}

/* -- a portal with an account "acme", where "sam" has a password -- */

static Portal *
started (void)
{
  Portal *portal = portal_new ();

  portal_start (portal);
  portal_populate (portal);
  portal_change (portal, "account update", "slug", "acme", "name", "Acme & Co", NULL);
  portal_change (portal, "actor update", "which", "sam", "name", "Sam <Poe>", NULL);
  portal_change (portal, "actor password set", "which", "Sam <Poe>", "password", PASSWORD, NULL);
  return portal;
}

static void
open_form (Browser *browser)
{
  g_auto (Page) page = get (browser, PAGE "?" LINK);

  g_assert_cmpuint (page.status, ==, 200);
  g_assert_nonnull (browser->token);
  g_assert_nonnull (browser->form_cookie);
}

static bool
is_sign_in (JsonObject *token)
{
  return strcmp (fz_json_text (token, "made_by"), "sign_in") == 0;
}

static JsonObject *
find_sign_in (JsonArray *tokens)
{
  for (unsigned i = 0; i < json_array_get_length (tokens); i++)
    if (is_sign_in (json_array_get_object_element (tokens, i)))
      return json_array_get_object_element (tokens, i);
  g_error ("there is no token of a sign-in");
}

static unsigned
n_sign_ins (Portal *portal)
{
  g_autoptr (JsonNode) tokens = portal_try (portal, NULL, "token list", NULL);
  JsonArray *array = json_node_get_array (tokens);
  unsigned n = 0;

  for (unsigned i = 0; i < json_array_get_length (array); i++)
    n += is_sign_in (json_array_get_object_element (array, i));
  return n;
}

/* -- the way in -- */

static void
test_gui_client (void)
{
  Portal *portal = started ();
  g_auto (Browser) browser = { .portal = portal };
  g_autoptr (JsonObject) init = NULL;
  g_autofree char *fragment = NULL;
  g_autofree char *token = NULL;
  g_autofree char *link = NULL;

  {
    g_auto (Page) page = get (&browser, "/?" LINK);

    assert_location (&page, 302, PAGE "?" LINK);
  }
  {
    g_auto (Page) page = get (&browser, "/acme?" LINK "&utm_source=x");

    assert_location (&page, 302, PAGE "?" LINK);
  }
  {
    g_autofree char *by_id = g_strdup_printf ("/%s/sign_in?" LINK, portal->account_id);
    g_auto (Page) page = get (&browser, by_id);

    assert_location (&page, 302, PAGE "?" LINK);
  }
  {
    g_auto (Page) page = get (&browser, PAGE "?" LINK);

    g_assert_cmpuint (page.status, ==, 200);
    assert_has (&page, "Sign in to Acme &amp; Co");
    assert_has (&page, "; Path=/; HttpOnly; SameSite=Lax\r\n");
    assert_has (&page, "Cache-Control: no-store\r\n");
    assert_has (&page, "Content-Security-Policy: default-src 'none'; style-src 'self'; ");
    assert_has (&page, "X-Frame-Options: DENY\r\n");
    assert_has (&page, "X-Content-Type-Options: nosniff\r\n");
    assert_has (&page, "Referrer-Policy: same-origin\r\n");
  }
  {
    g_auto (Page) page = post (&browser, "Sam@ACME.test ", PASSWORD);

    assert_location (&page, 303, PAGE "/success");
    assert_has (&page, "; Path=/acme/sign_in; Max-Age=120; HttpOnly; SameSite=Strict\r\n");
    g_assert_null (strstr (page.text, ".fzc_"));
  }
  {
    g_auto (Page) page = get (&browser, PAGE "/success");

    g_assert_cmpuint (page.status, ==, 200);
    assert_has (&page, "Hello Sam &lt;Poe&gt;.");
    assert_has (&page, "http-equiv=\"refresh\" content=\"0; url=/acme/sign_in/client_redirect\"");
    assert_has (&page, "href=\"" FZ_FLOW_SCHEME "://handle_client_sign_in_callback?");
  }
  {
    g_auto (Page) page = get (&browser, PAGE "/client_redirect");

    g_assert_cmpuint (page.status, ==, 302);
    link = cut (page.text, "Location: ", "\r\n");
  }
  g_assert_true (g_str_has_prefix (link,
                                   FZ_FLOW_SCHEME
                                   "://handle_client_sign_in_callback?account_name=Acme+%26+Co"
                                   "&account_slug=acme&actor_name=Sam+%3CPoe%3E&fragment=.fzc_"));
  g_assert_true (
      g_str_has_suffix (link, "&identity_provider_identifier=sam%40acme.test&state=" STATE));

  /* what the client makes of it lets it in, without the nonce nothing does */
  fragment = cut (link, "fragment=", "&");
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
    JsonObject *last = find_sign_in (json_node_get_array (tokens));
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
        get (&browser, PAGE "/client_redirect"); /* a dead token is not handed out */

    assert_location (&page, 302, PAGE "/client_auth_error");
  }
  portal_free (portal);
}

static void
test_headless_client (void)
{
  Portal *portal = started ();
  g_auto (Browser) browser = { .portal = portal };
  g_autofree char *fragment = NULL;
  g_autoptr (JsonObject) init = NULL;

  {
    g_auto (Page) page = get (&browser, PAGE "?as=headless-client");

    g_assert_cmpuint (page.status, ==, 200);
  }
  {
    g_auto (Page) page = post_link (&browser, "as=headless-client", "sam@acme.test", PASSWORD);

    assert_location (&page, 303, PAGE "/success");
  }
  {
    g_auto (Page) page = get (&browser, PAGE "/success");

    g_assert_cmpuint (page.status, ==, 200);
    g_assert_null (strstr (page.text, "http-equiv=\"refresh\""));
    assert_has (&page, "It is valid until <strong>");
    assert_has (&page, " UTC</strong>");
    fragment = cut (page.text, "autofocus>", "<");
  }
  {
    g_auto (Page) page = get (&browser, PAGE "/client_redirect"); /* there is no app to open */

    assert_location (&page, 302, PAGE "/client_auth_error");
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
  Portal *portal = started ();
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
  open_form (&browser);
  {
    g_auto (Page) page = post (&browser, "sam@acme.test", PASSWORD);

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
  g_assert_cmpuint (n_sign_ins (portal), ==, 1);
  g_assert_true (fz_store_purge (portal->store, expires_at + 86401, NULL));
  g_assert_cmpuint (n_sign_ins (portal), ==, 0);
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
    g_auto (Page) page = get (&browser, "/?" LINK);

    g_assert_cmpuint (page.status, ==, 503);
    assert_has (&page, "firezone-portal init");
  }
  portal_change (portal, "account add", "name", "acme", NULL);
  portal_change (portal, "account add", "name", "other", NULL);
  {
    g_auto (Page) page = get (&browser, "/?" LINK);

    g_assert_cmpuint (page.status, ==, 200);
    assert_has (&page, "<form action=\"/\" method=\"get\">");
    assert_has (&page, "name=\"nonce\" value=\"" NONCE "\"");
    g_assert_null (strstr (page.text, "acme")); /* it does not tell who is here */
  }
  {
    g_auto (Page) page = get (&browser, "/?account=+acme+&" LINK);

    assert_location (&page, 302, PAGE "?" LINK);
  }
  {
    g_auto (Page) page = get (&browser, "/?account=%3Cscript%3E&" LINK);

    g_assert_cmpuint (page.status, ==, 404);
    assert_has (&page, "value=\"&lt;script&gt;\"");
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
  Portal *portal = started ();
  g_auto (Browser) browser = { .portal = portal };

  for (size_t i = 0; i < G_N_ELEMENTS (targets); i++) {
    g_auto (Page) page = get (&browser, targets[i]);
    g_autofree char *location = cut (page.text, "Location: ", "\r\n");

    g_test_message ("%s", targets[i]);
    g_assert_true (location == NULL || g_str_has_prefix (location, "/acme/sign_in"));
  }
  {
    g_auto (Page) page = get (&browser, PAGE "?" LINK "&redirect_to=%2F%2Fevil.test");

    assert_has (&page, "name=\"redirect_to\" value=\"//evil.test\"");
  }
  {
    g_auto (Page) page =
        post_link (&browser, LINK "&redirect_to=%2F%2Fevil.test", "sam@acme.test", PASSWORD);

    assert_location (&page, 303, PAGE "/success"); /* carried along, never followed */
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
  Portal *portal = started ();
  g_auto (Browser) browser = { .portal = portal };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (Page) page = get (&browser, rows[i].target);

    g_test_message ("%s", rows[i].target);
    g_assert_cmpuint (page.status, ==, rows[i].status);
  }
  g_assert_null (browser.token);
  portal_free (portal);
}

/* -- who does not get in -- */

static void
test_wrong_password (void)
{
  static const struct {
    const char *email;
    const char *password;
  } rows[] = {
    { "sam@acme.test", "wrong" },
    { "nobody@acme.test", PASSWORD },
    { "robot@acme.test", PASSWORD }, /* a service account */
    { "eve@acme.test", PASSWORD },   /* has no password yet */
  };
  Portal *portal = started ();
  g_auto (Browser) browser = { .portal = portal };
  g_autofree char *first = NULL;

  portal_change (portal,
                 "actor add",
                 "name",
                 "robot",
                 "type",
                 "service_account",
                 "email",
                 "robot@acme.test",
                 NULL);
  portal_change (portal, "actor add", "name", "eve", "email", "eve@acme.test", NULL);
  open_form (&browser);
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (Page) page = post (&browser, rows[i].email, rows[i].password);
    g_autofree char *problem = cut (page.text, "id=\"problem\">", "<");

    g_test_message ("%s", rows[i].email);
    g_assert_cmpuint (page.status, ==, 403);
    g_assert_nonnull (problem);
    g_assert_null (strstr (page.text, rows[i].password));
    assert_has (&page, rows[i].email);
    if (first == NULL)
      first = g_strdup (problem);
    g_assert_cmpstr (problem, ==, first); /* one answer for all of them */
  }
  g_assert_cmpuint (n_sign_ins (portal), ==, 0);
  portal_free (portal);
}

static void
test_disabled (void)
{
  Portal *portal = started ();
  g_auto (Browser) browser = { .portal = portal };

  open_form (&browser);
  portal_change (portal, "actor update", "which", "Sam <Poe>", "disable", NULL);
  {
    g_auto (Page) page = post (&browser, "sam@acme.test", "wrong");

    assert_has (&page, "do not belong together"); /* a guess does not find out */
  }
  {
    g_auto (Page) page = post (&browser, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 403);
    assert_has (&page, "Your access is switched off");
  }
  portal_change (portal, "actor update", "which", "Sam <Poe>", "enable", NULL);
  portal_change (portal, "account update", "disable", NULL);
  {
    g_auto (Page) page = post (&browser, "sam@acme.test", PASSWORD);

    assert_location (&page, 303, PAGE "/client_account_disabled");
  }
  {
    g_auto (Page) page = get (&browser, PAGE "?" LINK);

    assert_location (&page, 302, PAGE "/client_account_disabled");
  }
  {
    g_auto (Page) page = get (&browser, PAGE "/client_account_disabled");

    g_assert_cmpuint (page.status, ==, 403);
    assert_has (&page, "This account is switched off");
  }
  g_assert_cmpuint (n_sign_ins (portal), ==, 0);
  portal_free (portal);
}

/* Forms of other pages, other browsers, other links, other times. */
static void
test_forged_forms (void)
{
  Portal *portal = started ();
  g_auto (Browser) victim = { .portal = portal };
  g_auto (Browser) attacker = { .portal = portal };

  open_form (&victim);
  open_form (&attacker);
  {
    g_auto (Browser) none = { .portal = portal, .token = g_strdup (victim.token) };
    g_auto (Page) page = post (&none, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 403);
    assert_has (&page, "Allow cookies");
  }
  {
    g_autofree char *own = g_steal_pointer (&victim.token);

    victim.token = g_strdup (attacker.token); /* a form that an attacker has fetched */
    {
      g_auto (Page) page = post (&victim, "sam@acme.test", PASSWORD);

      g_assert_cmpuint (page.status, ==, 403);
    }
    g_free (victim.token);
    victim.token = g_steal_pointer (&own);
  }
  {
    g_auto (Page) page =
        post_link (&victim, "as=gui-client&state=evil&nonce=" NONCE, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 403);
  }
  open_form (&victim);
  victim.more = "Sec-Fetch-Site: cross-site\r\n";
  {
    g_auto (Page) page = post (&victim, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 403);
  }
  victim.more = "Sec-Fetch-Site: same-origin\r\n";
  {
    g_auto (Page) page = post (&victim, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 303);
  }
  g_assert_cmpuint (n_sign_ins (portal), ==, 1);

  /* the answer is the victim's alone, and whole */
  {
    g_auto (Page) page = get (&attacker, PAGE "/success");

    assert_location (&page, 302, PAGE "/client_auth_error");
  }
  victim.answer_cookie[strlen (victim.answer_cookie) - 1] ^= 1;
  {
    g_auto (Page) page = get (&victim, PAGE "/success");

    assert_location (&page, 302, PAGE "/client_auth_error");
  }
  portal_free (portal);
}

/* A cookie that somebody planted is replaced or useless; ours is kept from page to page. */
static void
test_browser_cookie (void)
{
  Portal *portal = started ();
  g_auto (Browser) browser = { .portal = portal, .form_cookie = g_strdup ("fz_form=planted") };
  g_autofree char *kept = NULL;

  open_form (&browser);
  g_assert_cmpstr (browser.form_cookie, !=, "fz_form=planted");
  kept = g_strdup (browser.form_cookie);
  {
    g_auto (Page) page = get (&browser, PAGE "?" LINK);

    g_assert_null (strstr (page.text, "Set-Cookie"));
  }
  g_assert_cmpstr (browser.form_cookie, ==, kept);
  portal_free (portal);
}

static void
test_https_cookies (void)
{
  Portal *portal = started ();
  g_auto (Browser) browser = { .portal = portal };

  portal_stop (portal);
  portal->is_https_outside = true;
  portal_start (portal);
  {
    g_auto (Page) page = get (&browser, PAGE "?" LINK);

    assert_has (&page, "Set-Cookie: __Host-fz_form=");
    assert_has (&page, "; Path=/; HttpOnly; SameSite=Lax; Secure\r\n");
  }
  {
    g_auto (Page) page = post (&browser, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 303);
    assert_has (&page, "; HttpOnly; SameSite=Strict; Secure\r\n");
  }
  portal_free (portal);
}

static void
test_too_many_attempts (void)
{
  Portal *portal = started ();
  g_auto (Browser) browser = { .portal = portal };

  portal_change (portal, "actor add", "name", "eve", "email", "eve@acme.test", NULL);
  open_form (&browser);
  for (unsigned i = 0; i < FZ_SIGN_IN_WRONG_MAX; i++) {
    g_auto (Page) page = post (&browser, i % 2 ? "sam@acme.test" : "SAM@acme.TEST", "wrong");

    g_assert_cmpuint (page.status, ==, 403);
  }
  {
    g_auto (Page) page = post (&browser, "sam@acme.test", PASSWORD); /* even the right one waits */
    g_autofree char *seconds = cut (page.text, "Retry-After: ", "\r\n");

    g_assert_cmpuint (page.status, ==, 429);
    g_assert_cmpint (atoi (seconds), >, FZ_SIGN_IN_WINDOW_S - 60);
    g_assert_cmpint (atoi (seconds), <=, FZ_SIGN_IN_WINDOW_S);
    assert_has (&page, "Wait 15 minutes");
  }
  {
    g_auto (Page) page = post (&browser, "eve@acme.test", "wrong"); /* others may still try … */

    g_assert_cmpuint (page.status, ==, 403);
  }
  for (unsigned i = FZ_SIGN_IN_WRONG_MAX + 1; i < FZ_SIGN_IN_WRONG_SOURCE_MAX; i++) {
    g_autofree char *email = g_strdup_printf ("nobody%u@acme.test", i);
    g_auto (Page) page = post (&browser, email, "wrong");

    g_assert_cmpuint (page.status, ==, 403);
  }
  {
    g_auto (Page) page =
        post (&browser, "eve@acme.test", "wrong"); /* … until the address is through */

    g_assert_cmpuint (page.status, ==, 429);
  }
  portal_free (portal);
}

/* Right passwords never add up. */
static void
test_right_is_no_attempt (void)
{
  Portal *portal = started ();
  g_auto (Browser) browser = { .portal = portal };

  open_form (&browser);
  for (unsigned i = 0; i < FZ_SIGN_IN_WRONG_SOURCE_MAX + 2; i++) {
    g_auto (Page) page = post (&browser, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 303);
  }
  portal_free (portal);
}

static void
test_bad_bodies (void)
{
  g_autofree char *large = g_strnfill (FZ_FORM_BYTES_MAX + 1, 'x');
  Portal *portal = started ();
  g_auto (Browser) browser = { .portal = portal };
  const struct {
    const char *body;
    unsigned status;
  } rows[] = {
    { "", 400 },
    { "email=a&email=b&" LINK, 400 },
    { "as=headless-client&password=%", 400 },
    { LINK, 403 },
    { large, 413 },
  };

  open_form (&browser);
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (Page) page = post_body (&browser, PAGE, rows[i].body);

    g_assert_cmpuint (page.status, ==, rows[i].status);
  }
  {
    g_auto (Page) page = exchange (&browser,
                                   "POST " PAGE " HTTP/1.1\r\nContent-Type: application/json\r\n"
                                   "Content-Length: 2\r\n",
                                   "{}");

    g_assert_cmpuint (page.status, ==, 415);
  }
  {
    g_auto (Page) page = post_body (&browser, PAGE "/success", LINK);

    g_assert_cmpuint (page.status, ==, 404);
  }
  { /* far too long: not even listened to */
    g_autofree char *answer = raw_request (
        portal, "POST " PAGE " HTTP/1.1\r\nHost: p\r\nContent-Length: 1000000000\r\n\r\nxxx");

    g_assert_cmpstr (answer, ==, "");
  }
  {
    g_autofree char *chunked = g_strdup_printf (
        "POST " PAGE " HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n",
        FZ_FORM_BYTES_MAX + 1,
        large);
    g_autofree char *answer = raw_request (portal, chunked);

    g_assert_cmpstr (answer, ==, "");
  }
  {
    g_auto (Page) page = post (&browser, "sam@acme.test", PASSWORD); /* nothing of it counted */

    g_assert_cmpuint (page.status, ==, 303);
  }
  portal_free (portal);
}

/* -- passwords -- */

static void
test_password_commands (void)
{
  static const char *const refused[] = {
    "short", "Sam <Poe>", "sam@acme.TEST", "aaaaaaaaaaaaaaaa", "with a \t tab in it", "\xff\xff",
  };
  Portal *portal = started ();
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

  open_form (&browser);
  {
    g_auto (Page) page = post (&browser, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 303);
  }
  g_assert_cmpuint (n_sign_ins (portal), ==, 1);
  made = portal_do (portal, "actor password set", "which", "Sam <Poe>", "generate", NULL);
  g_assert_cmpuint (strlen (fz_json_text (made, "generated_password")), ==, 23);
  g_assert_cmpuint (n_sign_ins (portal), ==, 1);
  {
    g_auto (Page) page = post (&browser, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 403);
  }
  {
    g_auto (Page) page =
        post (&browser, "sam@acme.test", fz_json_text (made, "generated_password"));

    g_assert_cmpuint (page.status, ==, 303);
  }
  portal_change (portal, "actor password remove", "which", "Sam <Poe>", "sign-out", NULL);
  g_assert_cmpuint (n_sign_ins (portal), ==, 0);
  actor = portal_do (portal, "actor show", "which", "Sam <Poe>", NULL);
  g_assert_false (fz_json_bool (actor, "password", true));
  portal_free (portal);
}

/* The hash of the fixture's command costs more than the portal of the fixture asks for. */
static void
test_rehash (void)
{
  Portal *portal = started ();
  g_auto (Browser) browser = { .portal = portal };
  g_autoptr (FzCredential) before = NULL;
  g_autoptr (FzCredential) between = NULL;
  g_autoptr (FzCredential) after = NULL;

  before = fz_store_credential_load (portal->store, portal->actor_id, NULL);
  open_form (&browser);
  {
    g_auto (Page) page = post (&browser, "sam@acme.test", "wrong");

    g_assert_cmpuint (page.status, ==, 403);
  }
  between = fz_store_credential_load (portal->store, portal->actor_id, NULL);
  g_assert_cmpstr (before->password_hash, ==, between->password_hash);
  {
    g_auto (Page) page = post (&browser, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 303);
  }
  after = fz_store_credential_load (portal->store, portal->actor_id, NULL);
  g_assert_cmpstr (before->password_hash, !=, after->password_hash);
  g_assert_nonnull (strstr (after->password_hash, "m=8,t=1,"));
  {
    g_auto (Page) page = post (&browser, "sam@acme.test", PASSWORD);

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
  g_test_add_func ("/sign-in/refused/wrong-password", test_wrong_password);
  g_test_add_func ("/sign-in/refused/disabled", test_disabled);
  g_test_add_func ("/sign-in/refused/forged-forms", test_forged_forms);
  g_test_add_func ("/sign-in/refused/too-many-attempts", test_too_many_attempts);
  g_test_add_func ("/sign-in/refused/bad-bodies", test_bad_bodies);
  g_test_add_func ("/sign-in/right-is-no-attempt", test_right_is_no_attempt);
  g_test_add_func ("/sign-in/browser-cookie", test_browser_cookie);
  g_test_add_func ("/sign-in/https-cookies", test_https_cookies);
  g_test_add_func ("/sign-in/password/commands", test_password_commands);
  g_test_add_func ("/sign-in/password/rehash", test_rehash);
  return g_test_run ();
}
