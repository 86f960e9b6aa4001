/* test-sign-in-refused.c: every way over the sign-in pages that must not lead to a token */

#include "src/server/fz-flow.h"
#include "src/server/fz-sign-in.h"
#include "tests/unit/server/browser.h"

#include <string.h>

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
  Portal *portal = browser_portal_new ();
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
  browser_open_form (&browser);
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (Page) page = browser_post (&browser, rows[i].email, rows[i].password);
    g_autofree char *problem = browser_cut (page.text, "id=\"problem\">", "<");

    g_test_message ("%s", rows[i].email);
    g_assert_cmpuint (page.status, ==, 403);
    g_assert_nonnull (problem);
    g_assert_null (strstr (page.text, rows[i].password));
    page_assert_has (&page, rows[i].email);
    if (first == NULL)
      first = g_strdup (problem);
    g_assert_cmpstr (problem, ==, first); /* one answer for all of them */
  }
  g_assert_cmpuint (browser_count_sign_ins (portal), ==, 0);
  portal_free (portal);
}

static void
test_disabled (void)
{
  Portal *portal = browser_portal_new ();
  g_auto (Browser) browser = { .portal = portal };

  browser_open_form (&browser);
  portal_change (portal, "actor update", "which", "Sam <Poe>", "disable", NULL);
  {
    g_auto (Page) page = browser_post (&browser, "sam@acme.test", "wrong");

    page_assert_has (&page, "do not belong together"); /* a guess does not find out */
  }
  {
    g_auto (Page) page = browser_post (&browser, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 403);
    page_assert_has (&page, "Your access is switched off");
  }
  portal_change (portal, "actor update", "which", "Sam <Poe>", "enable", NULL);
  portal_change (portal, "account update", "disable", NULL);
  {
    g_auto (Page) page = browser_post (&browser, "sam@acme.test", PASSWORD);

    page_assert_location (&page, 303, PAGE "/client_account_disabled");
  }
  {
    g_auto (Page) page = browser_get (&browser, PAGE "?" LINK);

    page_assert_location (&page, 302, PAGE "/client_account_disabled");
  }
  {
    g_auto (Page) page = browser_get (&browser, PAGE "/client_account_disabled");

    g_assert_cmpuint (page.status, ==, 403);
    page_assert_has (&page, "This account is switched off");
  }
  g_assert_cmpuint (browser_count_sign_ins (portal), ==, 0);
  portal_free (portal);
}

/* Forms of other pages, other browsers, other links, other times. */
static void
test_forged_forms (void)
{
  Portal *portal = browser_portal_new ();
  g_auto (Browser) victim = { .portal = portal };
  g_auto (Browser) attacker = { .portal = portal };

  browser_open_form (&victim);
  browser_open_form (&attacker);
  {
    g_auto (Browser) none = { .portal = portal, .token = g_strdup (victim.token) };
    g_auto (Page) page = browser_post (&none, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 403);
    page_assert_has (&page, "Allow cookies");
  }
  {
    g_autofree char *own = g_steal_pointer (&victim.token);

    victim.token = g_strdup (attacker.token); /* a form that an attacker has fetched */
    {
      g_auto (Page) page = browser_post (&victim, "sam@acme.test", PASSWORD);

      g_assert_cmpuint (page.status, ==, 403);
    }
    g_free (victim.token);
    victim.token = g_steal_pointer (&own);
  }
  {
    g_auto (Page) page = browser_post_link (
        &victim, "as=gui-client&state=evil&nonce=" NONCE, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 403);
  }
  browser_open_form (&victim);
  victim.more = "Sec-Fetch-Site: cross-site\r\n";
  {
    g_auto (Page) page = browser_post (&victim, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 403);
  }
  victim.more = "Sec-Fetch-Site: same-origin\r\n";
  {
    g_auto (Page) page = browser_post (&victim, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 303);
  }
  g_assert_cmpuint (browser_count_sign_ins (portal), ==, 1);

  /* the answer is the victim's alone, and whole */
  {
    g_auto (Page) page = browser_get (&attacker, PAGE "/success");

    page_assert_location (&page, 302, PAGE "/client_auth_error");
  }
  victim.answer_cookie[strlen (victim.answer_cookie) - 1] ^= 1;
  {
    g_auto (Page) page = browser_get (&victim, PAGE "/success");

    page_assert_location (&page, 302, PAGE "/client_auth_error");
  }
  portal_free (portal);
}

/* A cookie that somebody planted is replaced or useless; ours is kept from page to page. */
static void
test_browser_cookie (void)
{
  Portal *portal = browser_portal_new ();
  g_auto (Browser) browser = { .portal = portal, .form_cookie = g_strdup ("fz_form=planted") };
  g_autofree char *kept = NULL;

  browser_open_form (&browser);
  g_assert_cmpstr (browser.form_cookie, !=, "fz_form=planted");
  kept = g_strdup (browser.form_cookie);
  {
    g_auto (Page) page = browser_get (&browser, PAGE "?" LINK);

    g_assert_null (strstr (page.text, "Set-Cookie"));
  }
  g_assert_cmpstr (browser.form_cookie, ==, kept);
  portal_free (portal);
}

static void
test_https_cookies (void)
{
  Portal *portal = browser_portal_new ();
  g_auto (Browser) browser = { .portal = portal };

  portal_stop (portal);
  portal->is_https_outside = true;
  portal_start (portal);
  {
    g_auto (Page) page = browser_get (&browser, PAGE "?" LINK);

    page_assert_has (&page, "Set-Cookie: __Host-fz_form=");
    page_assert_has (&page, "; Path=/; HttpOnly; SameSite=Lax; Secure\r\n");
  }
  {
    g_auto (Page) page = browser_post (&browser, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 303);
    page_assert_has (&page, "; HttpOnly; SameSite=Strict; Secure\r\n");
  }
  portal_free (portal);
}

static void
test_too_many_attempts (void)
{
  Portal *portal = browser_portal_new ();
  g_auto (Browser) browser = { .portal = portal };

  portal_change (portal, "actor add", "name", "eve", "email", "eve@acme.test", NULL);
  browser_open_form (&browser);
  for (unsigned i = 0; i < FZ_SIGN_IN_WRONG_MAX; i++) {
    g_auto (Page) page =
        browser_post (&browser, i % 2 ? "sam@acme.test" : "SAM@acme.TEST", "wrong");

    g_assert_cmpuint (page.status, ==, 403);
  }
  {
    g_auto (Page) page =
        browser_post (&browser, "sam@acme.test", PASSWORD); /* even the right one waits */
    g_autofree char *seconds = browser_cut (page.text, "Retry-After: ", "\r\n");

    g_assert_cmpuint (page.status, ==, 429);
    g_assert_cmpint (atoi (seconds), >, FZ_SIGN_IN_WINDOW_S - 60);
    g_assert_cmpint (atoi (seconds), <=, FZ_SIGN_IN_WINDOW_S);
    page_assert_has (&page, "Wait 15 minutes");
  }
  {
    g_auto (Page) page =
        browser_post (&browser, "eve@acme.test", "wrong"); /* others may still try … */

    g_assert_cmpuint (page.status, ==, 403);
  }
  for (unsigned i = FZ_SIGN_IN_WRONG_MAX + 1; i < FZ_SIGN_IN_WRONG_SOURCE_MAX; i++) {
    g_autofree char *email = g_strdup_printf ("nobody%u@acme.test", i);
    g_auto (Page) page = browser_post (&browser, email, "wrong");

    g_assert_cmpuint (page.status, ==, 403);
  }
  {
    g_auto (Page) page =
        browser_post (&browser, "eve@acme.test", "wrong"); /* … until the address is through */

    g_assert_cmpuint (page.status, ==, 429);
  }
  portal_free (portal);
}

/* Right passwords never add up. */
static void
test_right_is_no_attempt (void)
{
  Portal *portal = browser_portal_new ();
  g_auto (Browser) browser = { .portal = portal };

  browser_open_form (&browser);
  for (unsigned i = 0; i < FZ_SIGN_IN_WRONG_SOURCE_MAX + 2; i++) {
    g_auto (Page) page = browser_post (&browser, "sam@acme.test", PASSWORD);

    g_assert_cmpuint (page.status, ==, 303);
  }
  portal_free (portal);
}

static void
test_bad_bodies (void)
{
  g_autofree char *large = g_strnfill (FZ_FORM_BYTES_MAX + 1, 'x');
  Portal *portal = browser_portal_new ();
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

  browser_open_form (&browser);
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (Page) page = browser_post_body (&browser, PAGE, rows[i].body);

    g_assert_cmpuint (page.status, ==, rows[i].status);
  }
  {
    g_auto (Page) page =
        browser_exchange (&browser,
                          "POST " PAGE " HTTP/1.1\r\nContent-Type: application/json\r\n"
                          "Content-Length: 2\r\n",
                          "{}");

    g_assert_cmpuint (page.status, ==, 415);
  }
  {
    g_auto (Page) page = browser_post_body (&browser, PAGE "/success", LINK);

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
    g_auto (Page) page =
        browser_post (&browser, "sam@acme.test", PASSWORD); /* nothing of it counted */

    g_assert_cmpuint (page.status, ==, 303);
  }
  portal_free (portal);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sign-in/refused/wrong-password", test_wrong_password);
  g_test_add_func ("/sign-in/refused/disabled", test_disabled);
  g_test_add_func ("/sign-in/refused/forged-forms", test_forged_forms);
  g_test_add_func ("/sign-in/refused/too-many-attempts", test_too_many_attempts);
  g_test_add_func ("/sign-in/refused/bad-bodies", test_bad_bodies);
  g_test_add_func ("/sign-in/right-is-no-attempt", test_right_is_no_attempt);
  g_test_add_func ("/sign-in/browser-cookie", test_browser_cookie);
  g_test_add_func ("/sign-in/https-cookies", test_https_cookies);
  return g_test_run ();
}
