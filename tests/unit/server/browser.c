/* browser.c */

#include "tests/unit/server/browser.h"

#include "src/server/fz-flow.h"
#include "src/server/fz-json.h"

#include <string.h>

void
page_clear (Page *page)
{
  g_clear_pointer (&page->text, g_free);
}

void
browser_clear (Browser *browser)
{
  g_free (browser->form_cookie);
  g_free (browser->answer_cookie);
  g_free (browser->token);
}

char *
browser_cut (const char *text, const char *before, const char *after)
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
  g_autofree char *value = browser_cut (text, before, ";");

  if (value != NULL) {
    g_free (*out);
    *out = g_strdup_printf ("%s=%s", name, value);
  }
}

Page
browser_exchange (Browser *browser, const char *head, const char *body)
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
  token = browser_cut (page.text, "name=\"form\" value=\"", "\"");
  if (token != NULL) {
    g_free (browser->token);
    browser->token = token;
  }
  return page;
}

Page
browser_get (Browser *browser, const char *target)
{
  g_autofree char *head = g_strdup_printf ("GET %s HTTP/1.1\r\n", target);

  return browser_exchange (browser, head, NULL);
}

Page
browser_post_body (Browser *browser, const char *target, const char *body)
{
  g_autofree char *head =
      g_strdup_printf ("POST %s HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                       "Content-Length: %zu\r\n",
                       target,
                       strlen (body));

  return browser_exchange (browser, head, body);
}

Page
browser_post_link (Browser *browser, const char *link, const char *email, const char *password)
{
  g_autoptr (GString) body = g_string_new (link);

  if (browser->token != NULL)
    fz_form_append (body, "form", browser->token);
  fz_form_append (body, "email", email);
  fz_form_append (body, "password", password);
  return browser_post_body (browser, PAGE, body->str);
}

Page
browser_post (Browser *browser, const char *email, const char *password)
{
  return browser_post_link (browser, LINK, email, password);
}

void
page_assert_location (const Page *page, unsigned status, const char *location)
{
  g_autofree char *given = browser_cut (page->text, "Location: ", "\r\n");

  g_assert_cmpuint (page->status, ==, status);
  g_assert_cmpstr (given, ==, location);
}

void
page_assert_has (const Page *page, const char *text)
{
  if (strstr (page->text, text) == NULL)
    g_error ("\"%s\" is not in: %s", text, page->text);
}

Portal *
browser_portal_new (void)
{
  Portal *portal = portal_new_populated ();

  portal_change (portal, "account update", "slug", "acme", "name", "Acme & Co", NULL);
  portal_change (portal, "actor update", "which", "sam", "name", "Sam <Poe>", NULL);
  portal_change (portal, "actor password set", "which", "Sam <Poe>", "password", PASSWORD, NULL);
  return portal;
}

void
browser_open_form (Browser *browser)
{
  g_auto (Page) page = browser_get (browser, PAGE "?" LINK);

  g_assert_cmpuint (page.status, ==, 200);
  g_assert_nonnull (browser->token);
  g_assert_nonnull (browser->form_cookie);
}

static bool
is_sign_in (JsonObject *token)
{
  return strcmp (fz_json_text (token, "made_by"), "sign_in") == 0;
}

JsonObject *
browser_find_sign_in (JsonArray *tokens)
{
  for (unsigned i = 0; i < json_array_get_length (tokens); i++)
    if (is_sign_in (json_array_get_object_element (tokens, i)))
      return json_array_get_object_element (tokens, i);
  g_error ("there is no token of a sign-in");
}

unsigned
browser_count_sign_ins (Portal *portal)
{
  g_autoptr (JsonNode) tokens = portal_try (portal, NULL, "token list", NULL);
  JsonArray *array = json_node_get_array (tokens);
  unsigned n = 0;

  for (unsigned i = 0; i < json_array_get_length (array); i++)
    n += is_sign_in (json_array_get_object_element (array, i));
  return n;
}
