/* test-pages.c
 *
 * What the sign-in pages are made of, each alone: forms and cookies as strangers
 * send them, templates and what they escape, guesses and their windows, form
 * tokens and sealed answers, passwords and their hashes.
 */
#include "src/crypto/fz-crypto.h"
#include "src/server/fz-attempts.h"
#include "src/server/fz-flow.h"
#include "src/server/fz-form.h"
#include "src/server/fz-page.h"
#include "src/server/fz-password-desk.h"

#include <string.h>

/* -- forms -- */

static void
test_form_accepts (void)
{
  static const struct {
    const char *text;
    const char *name;
    const char *value;
    size_t n_fields;
  } rows[] = {
    { "", "a", NULL, 0 },
    { "a=1", "a", "1", 1 },
    { "a=1&b=2", "b", "2", 2 },
    { "a", "a", "", 1 },
    { "a=", "a", "", 1 },
    { "&&a=1&", "a", "1", 1 },
    { "a=x+y%20z%2B", "a", "x y z+", 1 },
    { "a=%C3%B6", "a", "ö", 1 },
    { "a=b=c", "a", "b=c", 1 },
    { "a%3Db=c", "a=b", "c", 1 },
    { "a=1", "b", NULL, 1 },
    { "A=1", "a", NULL, 1 },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (FzForm) form = fz_form_parse (rows[i].text, strlen (rows[i].text));

    g_test_message ("%s", rows[i].text);
    g_assert_nonnull (form);
    g_assert_cmpuint (fz_form_n_fields (form), ==, rows[i].n_fields);
    g_assert_cmpstr (fz_form_get (form, rows[i].name), ==, rows[i].value);
  }
}

static void
test_form_refuses (void)
{
  static const struct {
    const char *text;
    const char *why;
  } rows[] = {
    { "a=1&a=2", "a name given twice" },
    { "a=1&%61=2", "the same in disguise" },
    { "a=%", "half an escape" },
    { "a=%4", "half an escape" },
    { "a=%zz", "no hexadecimal" },
    { "a=%00", "a zero" },
    { "a=%0Ab", "a line's end" },
    { "a=\x1b[2J", "a control character as it is" },
    { "a=%C3", "half a character" },
    { "a=%C2%85", "a control character beyond ASCII" },
    { "a=\xff", "no UTF-8" },
    { "=1", "no name" },
    { "%00=1", "a name of nothing" },
  };
  g_autoptr (GString) many = g_string_new (NULL);
  g_autoptr (GString) wide = g_string_new ("a=");

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (FzForm) form = fz_form_parse (rows[i].text, strlen (rows[i].text));

    g_test_message ("%s", rows[i].why);
    g_assert_null (form);
  }
  g_assert_null (fz_form_parse ("a=1\0b=2", 7)); /* a zero as it is */

  for (unsigned i = 0; i <= FZ_FORM_FIELDS_MAX; i++) {
    g_autoptr (FzForm) form = fz_form_parse (many->str, many->len);

    g_assert_nonnull (form);
    g_string_append_printf (many, "&n%u=", i);
  }
  g_assert_null (fz_form_parse (many->str, many->len));

  for (unsigned i = 0; i < FZ_FORM_VALUE_MAX; i++)
    g_string_append_c (wide, 'x');
  {
    g_autoptr (FzForm) form = fz_form_parse (wide->str, wide->len);

    g_assert_nonnull (form);
  }
  g_string_append_c (wide, 'x');
  g_assert_null (fz_form_parse (wide->str, wide->len));
  while (wide->len <= FZ_FORM_BYTES_MAX)
    g_string_append (wide, "&");
  g_assert_null (fz_form_parse (wide->str, wide->len));
}

static void
test_form_round_trip (void)
{
  static const char value[] = "Söhne & Co = 100 % <\"'>+/?#";
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (FzForm) form = NULL;

  fz_form_append (text, "na me", value);
  fz_form_append (text, "b", "");
  form = fz_form_parse (text->str, text->len);
  g_assert_nonnull (form);
  g_assert_cmpuint (fz_form_n_fields (form), ==, 2);
  g_assert_cmpstr (fz_form_get (form, "na me"), ==, value);
  g_assert_cmpstr (fz_form_get (form, "b"), ==, "");
}

static void
test_cookies (void)
{
  static const struct {
    const char *header;
    const char *value;
  } rows[] = {
    { NULL, NULL },
    { "", NULL },
    { "c=1", "1" },
    { "a=2; c=1", "1" },
    { "a=2;c=1;b=3", "1" },
    { "c=1; c=2", "1" },
    { "xc=1", NULL },
    { "c", NULL },
    { "c=", "" },
    { ";;; c=1", "1" },
    { "c=12345678", "12345678" },
    { "c=123456789", NULL }, /* longer than asked for */
    { "a=c=1", NULL },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *value = fz_cookie_find (rows[i].header, "c", 8);

    g_test_message ("%s", rows[i].header != NULL ? rows[i].header : "none");
    g_assert_cmpstr (value, ==, rows[i].value);
  }
}

/* -- templates -- */

static void
test_template (void)
{
  static const FzTemplateValue values[] = { { "a", "1" },
                                            { "html", "<b class=\"x\">&'" },
                                            { "empty", "" },
                                            { "bad", "\xff" },
                                            { NULL, NULL } };
  static const struct {
    const char *text;
    const char *result;
  } rows[] = {
    { "", "" },
    { "plain", "plain" },
    { "<{{a}}>", "<1>" },
    { "{{html}}", "&lt;b class=&quot;x&quot;&gt;&amp;&#39;" },
    { "{{&html}}", "<b class=\"x\">&'" },
    { "{{missing}}{{empty}}.", "." },
    { "{{#a}}yes {{a}}{{/a}}{{^a}}no{{/a}}", "yes 1" },
    { "{{#empty}}yes{{/empty}}{{^empty}}no{{/empty}}", "no" },
    { "{{#missing}}{{#a}}never{{/a}}{{/missing}}.", "." },
    { "{{#a}}[{{^missing}}({{a}}){{/missing}}]{{/a}}", "[(1)]" },
    { "{{bad}}", "\xef\xbf\xbd" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *result = fz_template_expand (rows[i].text, values);

    g_test_message ("%s", rows[i].text);
    g_assert_cmpstr (result, ==, rows[i].result);
  }
}

/* Every place of every page, filled with what would break out of it. */
static void
test_pages_escape (void)
{
  static const char hostile[] = "\"'><script src=x></script><img/src=x onerror=y>{{&body}}";
  static const char *const names[] = {
    "account", "account_name", "action",      "actor_name", "as",    "email", "expires",
    "form",    "fragment",     "gui",         "headless",   "hint",  "link",  "link_text",
    "nonce",   "problem",      "redirect_to", "refresh",    "state", "text",  "title",
  };
  FzTemplateValue values[G_N_ELEMENTS (names) + 1] = { 0 };

  for (size_t i = 0; i < G_N_ELEMENTS (names); i++)
    values[i] = (FzTemplateValue){ names[i], hostile };
  for (int kind = FZ_PAGE_ACCOUNT; kind <= FZ_PAGE_MESSAGE; kind++) {
    g_autofree char *html = fz_page_render ((FzPageKind) kind, values);

    g_test_message ("page %d", kind);
    g_assert_null (strstr (html, "<script"));
    g_assert_null (strstr (html, "<img/src"));
    g_assert_null (strstr (html, "\"'>"));
    g_assert_nonnull (strstr (html, "&lt;script"));
    g_assert_true (g_str_has_prefix (html, "<!DOCTYPE html>"));
    g_assert_true (g_str_has_suffix (html, "</html>\n"));
  }
}

/* Nothing in our own files needs what the content security policy forbids. */
static void
test_pages_are_plain (void)
{
  static const FzTemplateValue values[] = { { "title", "x" }, { NULL, NULL } };
  g_autoptr (GRegex) forbidden =
      g_regex_new ("<script|<style| style=|javascript:| on[a-z]+=|https?:",
                   G_REGEX_CASELESS,
                   (GRegexMatchFlags) 0,
                   NULL);

  for (int kind = FZ_PAGE_ACCOUNT; kind <= FZ_PAGE_MESSAGE; kind++) {
    g_autofree char *html = fz_page_render ((FzPageKind) kind, values);

    g_assert_false (g_regex_match (forbidden, html, (GRegexMatchFlags) 0, NULL));
  }
}

/* -- attempts -- */

#define WINDOW_US (900 * G_USEC_PER_SEC)

static void
guess (FzAttempts *attempts, const char *key, int64_t now)
{
  fz_attempts_begin (attempts, key, now);
  fz_attempts_end (attempts, key, true);
}

static void
test_attempts (void)
{
  g_autoptr (FzAttempts) attempts = fz_attempts_new (3, WINDOW_US);
  int64_t now = 5000;

  for (unsigned i = 0; i < 3; i++) {
    g_assert_cmpint (fz_attempts_wait_us (attempts, "sam", now + i), ==, 0);
    guess (attempts, "sam", now + i);
  }
  g_assert_cmpint (fz_attempts_wait_us (attempts, "sam", now + 10), ==, WINDOW_US - 10);
  g_assert_cmpint (fz_attempts_wait_us (attempts, "eve", now + 10), ==, 0);
  g_assert_cmpint (fz_attempts_wait_us (attempts, "sam", now + WINDOW_US - 1), ==, 1);
  g_assert_cmpint (fz_attempts_wait_us (attempts, "sam", now + WINDOW_US), ==, 0);
  fz_attempts_forgive (attempts, "sam");
  g_assert_cmpint (fz_attempts_wait_us (attempts, "sam", now + 11), ==, 0);
  g_assert_cmpuint (fz_attempts_size (attempts), ==, 0);

  guess (attempts, "sam", now);
  guess (attempts, "sam", now);
  guess (attempts, "sam", now + WINDOW_US); /* a new window */
  g_assert_cmpint (fz_attempts_wait_us (attempts, "sam", now + WINDOW_US), ==, 0);
}

/* Many at once are no way round, and no offence either. */
static void
test_attempts_under_way (void)
{
  g_autoptr (FzAttempts) attempts = fz_attempts_new (3, WINDOW_US);

  guess (attempts, "sam", 1);
  fz_attempts_begin (attempts, "sam", 2);
  g_assert_false (fz_attempts_is_busy (attempts, "sam", 3));
  fz_attempts_begin (attempts, "sam", 3);
  g_assert_true (fz_attempts_is_busy (attempts, "sam", 4));
  g_assert_cmpint (fz_attempts_wait_us (attempts, "sam", 4), ==, 0);
  fz_attempts_end (attempts, "sam", false);
  g_assert_false (fz_attempts_is_busy (attempts, "sam", 4));
  fz_attempts_end (attempts, "sam", true);
  g_assert_false (fz_attempts_is_busy (attempts, "sam", 4));
  guess (attempts, "sam", 5);
  g_assert_cmpint (fz_attempts_wait_us (attempts, "sam", 6), >, 0);

  fz_attempts_end (attempts, "sam", true); /* of nothing: harmless */
  fz_attempts_end (attempts, "nobody", true);
  fz_attempts_begin (attempts, "eve", 7);
  fz_attempts_end (attempts, "eve", false);
  g_assert_cmpuint (fz_attempts_size (attempts), ==, 1); /* who is right is not remembered */
}

static void
test_attempts_full (void)
{
  g_autoptr (FzAttempts) attempts = fz_attempts_new (1, WINDOW_US);

  for (unsigned i = 0; i < FZ_ATTEMPTS_KEYS_MAX; i++) {
    g_autofree char *key = g_strdup_printf ("%u", i);

    guess (attempts, key, i);
  }
  g_assert_cmpuint (fz_attempts_size (attempts), ==, FZ_ATTEMPTS_KEYS_MAX);
  guess (attempts, "late", FZ_ATTEMPTS_KEYS_MAX);
  g_assert_cmpuint (fz_attempts_size (attempts), ==, FZ_ATTEMPTS_KEYS_MAX);
  g_assert_cmpint (fz_attempts_wait_us (attempts, "0", FZ_ATTEMPTS_KEYS_MAX), ==, 0); /* went */
  g_assert_cmpint (fz_attempts_wait_us (attempts, "1", FZ_ATTEMPTS_KEYS_MAX), >, 0);
  g_assert_cmpint (fz_attempts_wait_us (attempts, "late", FZ_ATTEMPTS_KEYS_MAX), >, 0);

  fz_attempts_begin (
      attempts, "later", WINDOW_US + 1000); /* what has ended goes first, all of it */
  g_assert_cmpuint (fz_attempts_size (attempts), <, FZ_ATTEMPTS_KEYS_MAX - 900);
}

/* -- flows -- */

static void
test_flow_reads (void)
{
  static const struct {
    const char *query;
    bool is_fine;
    FzFlowKind kind;
    const char *again; /* NULL: the same text */
  } rows[] = {
    { "", true, FZ_FLOW_NONE, NULL },
    { "as=gui-client&state=a&nonce=b", true, FZ_FLOW_GUI, NULL },
    { "as=client&state=a&nonce=b", true, FZ_FLOW_GUI, "as=gui-client&state=a&nonce=b" },
    { "as=headless-client", true, FZ_FLOW_HEADLESS, NULL },
    { "as=headless-client&state=a", true, FZ_FLOW_HEADLESS, NULL },
    { "as=gui-client&state=a&nonce=b&redirect_to=%2Fx", true, FZ_FLOW_GUI, NULL },
    { "as=gui-client&state=a&nonce=b&utm_source=mail",
      true,
      FZ_FLOW_GUI,
      "as=gui-client&state=a&nonce=b" },
    { "as=gui-client&state=a", false, FZ_FLOW_NONE, NULL },
    { "as=gui-client&nonce=a", false, FZ_FLOW_NONE, NULL },
    { "as=gui-client&state=a&nonce=b.c", false, FZ_FLOW_NONE, NULL },
    { "as=gui-client&state=a+b&nonce=c", false, FZ_FLOW_NONE, NULL },
    { "as=gui-client&state=%C3%B6&nonce=c", false, FZ_FLOW_NONE, NULL },
    { "as=api-client&state=a&nonce=b", false, FZ_FLOW_NONE, NULL },
  };
  g_autofree char *longest = g_strnfill (FZ_FLOW_TEXT_MAX, 'x');

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (FzForm) form = fz_form_parse (rows[i].query, strlen (rows[i].query));
    FzFlow flow;

    g_test_message ("%s", rows[i].query);
    g_assert_cmpint (fz_flow_read (form, &flow), ==, rows[i].is_fine);
    if (rows[i].is_fine) {
      g_autofree char *again = fz_flow_to_query (&flow);

      g_assert_cmpint (flow.kind, ==, rows[i].kind);
      g_assert_cmpstr (again, ==, rows[i].again != NULL ? rows[i].again : rows[i].query);
    }
  }
  for (unsigned extra = 0; extra < 2; extra++) {
    g_autofree char *text =
        g_strdup_printf ("as=gui-client&state=%s%s&nonce=b", longest, extra ? "x" : "");
    g_autoptr (FzForm) form = fz_form_parse (text, strlen (text));
    FzFlow flow;

    g_assert_cmpint (fz_flow_read (form, &flow), ==, extra == 0);
  }
}

static const uint8_t key_1[FZ_FLOW_KEY_SIZE] = { 1 };
static const uint8_t key_2[FZ_FLOW_KEY_SIZE] = { 2 };

static void
test_form_token (void)
{
  const FzRng rng = fz_crypto_rng ();
  g_autofree char *browser = fz_flow_new_browser (&rng);
  g_autofree char *other = fz_flow_new_browser (&rng);
  const FzFlow flow = { FZ_FLOW_GUI, "s", "n", "/x" };
  const FzFlow others[] = { { FZ_FLOW_HEADLESS, "s", "n", "/x" },
                            { FZ_FLOW_GUI, "t", "n", "/x" },
                            { FZ_FLOW_GUI, "s", "m", "/x" },
                            { FZ_FLOW_GUI, "s", "n", "/y" },
                            { FZ_FLOW_GUI, "sn", "", "/x" } };
  g_autofree char *token = fz_flow_form_token (key_1, browser, "acme", &flow, 1000);

  g_assert_true (fz_flow_is_browser (browser));
  g_assert_cmpuint (strlen (browser), ==, FZ_FLOW_BROWSER_MAX);
  g_assert_false (fz_flow_is_browser (""));
  g_assert_false (fz_flow_is_browser ("short"));
  g_assert_cmpuint (strlen (token), <=, FZ_FLOW_FORM_TOKEN_MAX);

  g_assert_true (fz_flow_check_form_token (key_1, browser, "acme", &flow, token, 1000));
  g_assert_true (
      fz_flow_check_form_token (key_1, browser, "acme", &flow, token, 1000 + FZ_FLOW_FORM_S));
  g_assert_false (
      fz_flow_check_form_token (key_1, browser, "acme", &flow, token, 1001 + FZ_FLOW_FORM_S));
  g_assert_false (fz_flow_check_form_token (key_1, browser, "acme", &flow, token, 999));
  g_assert_false (fz_flow_check_form_token (key_2, browser, "acme", &flow, token, 1000));
  g_assert_false (fz_flow_check_form_token (key_1, other, "acme", &flow, token, 1000));
  g_assert_false (fz_flow_check_form_token (key_1, browser, "evil", &flow, token, 1000));
  for (size_t i = 0; i < G_N_ELEMENTS (others); i++)
    g_assert_false (fz_flow_check_form_token (key_1, browser, "acme", &others[i], token, 1000));

  /* any other text */
  for (size_t i = 0; token[i] != '\0'; i++) {
    g_autofree char *changed = g_strdup (token);

    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    g_assert_false (fz_flow_check_form_token (key_1, browser, "acme", &flow, changed, 1000));
    changed[i] = '\0';
    g_assert_false (fz_flow_check_form_token (key_1, browser, "acme", &flow, changed, 1000));
  }
}

static void
test_sealed_answer (void)
{
  const FzRng rng = fz_crypto_rng ();
  const FzFlowAnswer answer = { FZ_FLOW_GUI,
                                (char *) "acme",
                                (char *) "actor",
                                (char *) "token",
                                (char *) ".fzc_secret",
                                (char *) "state & all",
                                4711 };
  g_autofree char *sealed = fz_flow_seal (key_1, &rng, &answer, 1000);
  g_autofree char *again = fz_flow_seal (key_1, &rng, &answer, 1000);
  g_auto (FzFlowAnswer) opened = { 0 };
  g_auto (FzFlowAnswer) none = { 0 };
  g_autofree char *link = NULL;

  g_assert_cmpstr (sealed, !=, again);
  g_assert_null (strstr (sealed, "secret"));
  g_assert_true (fz_flow_open (key_1, sealed, 1000 + FZ_FLOW_ANSWER_S, &opened));
  g_assert_cmpint (opened.kind, ==, FZ_FLOW_GUI);
  g_assert_cmpstr (opened.account_id, ==, "acme");
  g_assert_cmpstr (opened.actor_id, ==, "actor");
  g_assert_cmpstr (opened.token_id, ==, "token");
  g_assert_cmpstr (opened.fragment, ==, ".fzc_secret");
  g_assert_cmpstr (opened.state, ==, "state & all");
  g_assert_cmpint (opened.expires_at, ==, 4711);

  g_assert_false (fz_flow_open (key_1, sealed, 1001 + FZ_FLOW_ANSWER_S, &none));
  g_assert_false (fz_flow_open (key_1, sealed, 999, &none));
  g_assert_false (fz_flow_open (key_2, sealed, 1000, &none));
  g_assert_false (fz_flow_open (key_1, "", 1000, &none));
  for (size_t i = 0; sealed[i] != '\0'; i++) {
    g_autofree char *changed = g_strdup (sealed);

    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    g_assert_false (fz_flow_open (key_1, changed, 1000, &none));
    changed[i] = '\0';
    g_assert_false (fz_flow_open (key_1, changed, 1000, &none));
  }
  g_assert_null (none.fragment);

  link = fz_flow_deep_link (&opened, "acme", "Acme & Co", "Sam Poe", "sam@acme.test");
  g_assert_cmpstr (link,
                   ==,
                   "firezone-fd0020211111://handle_client_sign_in_callback?account_name=Acme+%26+Co"
                   "&account_slug=acme&actor_name=Sam+Poe&fragment=.fzc_secret"
                   "&identity_provider_identifier=sam%40acme.test&state=state+%26+all");
}

/* -- passwords -- */

static const FzPasswordCost cheap = { 1, 1 << 13 };
static const FzPasswordCost dearer = { 2, 1 << 14 };

typedef struct {
  bool is_answered;
  bool is_right;
  char *new_hash;
} Answer;

static void
on_answer (bool is_right, const char *new_hash, void *context)
{
  Answer *answer = context;

  g_assert_false (answer->is_answered);
  answer->is_answered = true;
  answer->is_right = is_right;
  answer->new_hash = g_strdup (new_hash);
}

static Answer
check (FzPasswordDesk *desk, const char *hash, const char *password)
{
  Answer answer = { 0 };

  fz_password_desk_check (desk, hash, password, on_answer, &answer);
  g_assert_false (answer.is_answered); /* never before it returns */
  while (!answer.is_answered)
    g_main_context_iteration (NULL, TRUE);
  return answer;
}

static void
test_password_hash (void)
{
  char hash[FZ_PASSWORD_HASH_MAX];
  char twin[FZ_PASSWORD_HASH_MAX];
  g_autofree char *long_text = g_strnfill (200, 'x');
  const FzPasswordCost normal = fz_password_cost_default ();

  g_assert_true (fz_password_hash ("correct horse", &cheap, hash));
  g_assert_true (fz_password_hash ("correct horse", &cheap, twin));
  g_assert_cmpstr (hash, !=, twin);
  g_assert_true (g_str_has_prefix (hash, "$argon2id$"));
  g_assert_true (fz_password_verify (hash, "correct horse"));
  g_assert_false (fz_password_verify (hash, "correct horse "));
  g_assert_false (fz_password_verify (hash, ""));
  g_assert_false (fz_password_verify ("", ""));
  g_assert_false (fz_password_verify ("$argon2id$nonsense", "x"));
  g_assert_false (fz_password_verify (long_text, "x"));
  g_assert_false (fz_password_needs_rehash (hash, &cheap));
  g_assert_true (fz_password_needs_rehash (hash, &dearer));
  g_assert_true (fz_password_needs_rehash ("nonsense", &cheap));
  g_assert_true (fz_password_needs_rehash (long_text, &cheap));
  g_assert_cmpuint (normal.memory_bytes, >=, 64u << 20);
  g_assert_cmpuint (normal.passes, >=, 3);
}

static void
test_password_desk (void)
{
  g_autoptr (FzPasswordDesk) desk = fz_password_desk_new (&dearer);
  char hash[FZ_PASSWORD_HASH_MAX];
  char old_hash[FZ_PASSWORD_HASH_MAX];
  Answer answer;

  g_assert_true (fz_password_hash ("right", &dearer, hash));
  g_assert_true (fz_password_hash ("right", &cheap, old_hash));

  answer = check (desk, hash, "right");
  g_assert_true (answer.is_right);
  g_assert_null (answer.new_hash);
  g_assert_false (check (desk, hash, "wrong").is_right);
  g_assert_false (check (desk, NULL, "right").is_right);
  answer = check (desk, old_hash, "wrong");
  g_assert_false (answer.is_right);
  g_assert_null (answer.new_hash);
  answer = check (desk, old_hash, "right");
  g_assert_true (answer.is_right);
  g_assert_false (fz_password_needs_rehash (answer.new_hash, &dearer));
  g_assert_true (fz_password_verify (answer.new_hash, "right"));
  g_free (answer.new_hash);
}

/* Full is full; whoever is freed with work to do answers nobody. */
static void
test_password_desk_full (void)
{
  FzPasswordDesk *desk = fz_password_desk_new (&cheap);
  Answer answers[FZ_PASSWORD_QUEUE_MAX] = { 0 };

  for (unsigned i = 0; i < FZ_PASSWORD_QUEUE_MAX; i++) {
    g_assert_false (fz_password_desk_is_full (desk));
    fz_password_desk_check (desk, NULL, "x", on_answer, &answers[i]);
  }
  g_assert_true (fz_password_desk_is_full (desk));
  fz_password_desk_free (desk);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  for (unsigned i = 0; i < FZ_PASSWORD_QUEUE_MAX; i++)
    g_assert_false (answers[i].is_answered);
}

static void
test_password_normalize (void)
{
  g_autofree char *composed = fz_password_normalize ("s\xc3\xb6hne");
  g_autofree char *decomposed = fz_password_normalize ("so\xcc\x88hne");

  g_assert_cmpstr (composed, ==, decomposed);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  g_test_add_func ("/pages/form/accepts", test_form_accepts);
  g_test_add_func ("/pages/form/refuses", test_form_refuses);
  g_test_add_func ("/pages/form/round-trip", test_form_round_trip);
  g_test_add_func ("/pages/cookies", test_cookies);
  g_test_add_func ("/pages/template", test_template);
  g_test_add_func ("/pages/everything-is-escaped", test_pages_escape);
  g_test_add_func ("/pages/nothing-needs-script", test_pages_are_plain);
  g_test_add_func ("/pages/attempts/window", test_attempts);
  g_test_add_func ("/pages/attempts/under-way", test_attempts_under_way);
  g_test_add_func ("/pages/attempts/full-table", test_attempts_full);
  g_test_add_func ("/pages/flow/links", test_flow_reads);
  g_test_add_func ("/pages/flow/form-token-is-tied", test_form_token);
  g_test_add_func ("/pages/flow/sealed-answer", test_sealed_answer);
  g_test_add_func ("/pages/password/hash", test_password_hash);
  g_test_add_func ("/pages/password/desk", test_password_desk);
  g_test_add_func ("/pages/password/desk-full", test_password_desk_full);
  g_test_add_func ("/pages/password/normalize", test_password_normalize);
  return g_test_run ();
}
