/* fuzz-form.c
 *
 * One text as everything a browser, or a stranger, may send to the sign-in pages:
 * a query, a posted form, a Cookie header, the token of a form, a sealed answer.
 *
 * Beyond "no crash": what was understood survives being written again, is bounded
 * and is text; a link that was read leads to itself; nothing made up is taken for
 * a form token or an answer of ours; and whatever it is, a page escapes it.
 */
#include "src/crypto/fz-crypto.h"
#include "src/server/fz-flow.h"
#include "src/server/fz-form.h"
#include "src/server/fz-template.h"
#include "tests/fuzz/fuzz.h"

#include <glib.h>

static void
check_field (const FzForm *form, const char *name)
{
  const char *value = fz_form_get (form, name);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (FzForm) again = NULL;

  if (value == NULL)
    return;
  g_assert_cmpuint (strlen (value), <=, FZ_FORM_VALUE_MAX);
  g_assert_true (g_utf8_validate (value, -1, NULL));
  fz_form_append (text, name, value);
  again = fz_form_parse (text->str, text->len);
  g_assert_nonnull (again);
  g_assert_cmpstr (fz_form_get (again, name), ==, value);
}

static void
check_flow (const FzForm *form)
{
  FzFlow flow;
  FzFlow flow_again;
  g_autofree char *query = NULL;
  g_autoptr (FzForm) again = NULL;

  if (!fz_flow_read (form, &flow))
    return;
  query = fz_flow_to_query (&flow);
  again = fz_form_parse (query, strlen (query));
  g_assert_nonnull (again);
  g_assert_true (fz_flow_read (again, &flow_again));
  g_assert_cmpint (flow.kind, ==, flow_again.kind);
  g_assert_cmpstr (flow.state, ==, flow_again.state);
  g_assert_cmpstr (flow.nonce, ==, flow_again.nonce);
  g_assert_cmpstr (flow.redirect_to, ==, flow_again.redirect_to);
}

static void
run_form (const char *text, size_t size)
{
  static const char *const names[] = { "as", "state", "nonce", "redirect_to", "email", "password" };
  g_autoptr (FzForm) form = fz_form_parse (text, size);

  if (form == NULL)
    return;
  g_assert_cmpuint (fz_form_n_fields (form), <=, FZ_FORM_FIELDS_MAX);
  for (size_t i = 0; i < G_N_ELEMENTS (names); i++)
    check_field (form, names[i]);
  check_flow (form);
}

static void
run_secrets (const char *text)
{
  static const uint8_t key[FZ_FLOW_KEY_SIZE] = { 7 };
  const FzFlow flow = { FZ_FLOW_GUI, "state", "nonce", "" };
  g_auto (FzFlowAnswer) answer = { 0 };
  g_autofree char *cookie = fz_cookie_find (text, "client_auth", FZ_FLOW_SEALED_MAX);

  g_assert_false (fz_flow_check_form_token (key, "browser", "account", &flow, text, 1000));
  g_assert_false (fz_flow_open (key, text, 1000, &answer));
  if (cookie != NULL) {
    g_assert_cmpuint (strlen (cookie), <=, FZ_FLOW_SEALED_MAX);
    g_assert_null (strchr (cookie, ';'));
    g_assert_false (fz_flow_open (key, cookie, 1000, &answer));
  }
  fz_flow_is_browser (text);
}

static void
run_escape (const char *text)
{
  g_autoptr (GString) out = g_string_new (NULL);

  fz_html_append (out, text);
  g_assert_null (strpbrk (out->str, "<>\"'"));
  g_assert_true (g_utf8_validate (out->str, -1, NULL));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);

  g_assert_true (fz_crypto_init ());
  run_form ((const char *) data, size);
  run_secrets (text);
  run_escape (text);
  return 0;
}
