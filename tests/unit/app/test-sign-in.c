/* test-sign-in.c: what a sign-in asks, and what it takes for an answer */
#include "src/app/fz-sign-in.h"

#include <string.h>

#define HOST "handle_client_sign_in_callback"

static uint64_t now_s;

static uint64_t
read_now (void)
{
  return now_s;
}

/* The value of @name in the query of @url. */
static char *
dup_parameter (const char *url, const char *name)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_ENCODED_QUERY, NULL);
  g_autoptr (GHashTable) query =
      g_uri_parse_params (g_uri_get_query (uri), -1, "&", G_URI_PARAMS_NONE, NULL);

  return g_strdup (g_hash_table_lookup (query, name));
}

static char *
begin (FzSignIn *sign_in)
{
  g_autoptr (GError) error = NULL;
  char *url =
      fz_sign_in_begin (sign_in, "https://portal.test", "acme", "wss://api.portal.test", &error);

  g_assert_no_error (error);
  return url;
}

static void
test_address (void)
{
  static const struct {
    const char *auth_url;
    const char *slug;
    const char *expected; /* up to the query; NULL: refused */
    const char *why;
  } cases[] = {
    { "https://app.test", "", "https://app.test/?", "without an account the page asks" },
    { "https://app.test/", "acme", "https://app.test/acme?", "the account is the path" },
    { "https://app.test/a/b?c=d#e",
      "acme",
      "https://app.test/acme?",
      "path and query are replaced" },
    { "http://[::1]:8080", "a b/c", "http://[::1]:8080/a%20b%2Fc?", "a slug is one segment" },
    { "https://user:pass@app.test", "", "https://app.test/?", "no password goes to a browser" },
    { "ftp://app.test", "", NULL, "not for browsers" },
    { "app.test", "", NULL, "no scheme" },
    { "https://", "", NULL, "no host" },
    { "javascript:alert(1)", "", NULL, "no address at all" },
    { "", "", NULL, "nothing" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (FzSignIn) sign_in = fz_sign_in_new (read_now);
    g_autoptr (GError) error = NULL;
    g_autofree char *url =
        fz_sign_in_begin (sign_in, cases[i].auth_url, cases[i].slug, "wss://api.test", &error);

    g_test_message ("%s: %s", cases[i].auth_url, cases[i].why);
    g_assert_cmpint (fz_sign_in_is_pending (sign_in), ==, cases[i].expected != NULL);
    if (cases[i].expected == NULL) {
      g_assert_error (error, FZ_SIGN_IN_ERROR, FZ_SIGN_IN_ERROR_BAD_URL);
      continue;
    }
    g_assert_no_error (error);
    g_assert_true (g_str_has_prefix (url, cases[i].expected));
    g_assert_nonnull (strstr (url, "as=gui-client"));
  }
}

static void
test_secrets_are_new_each_time (void)
{
  g_autoptr (FzSignIn) sign_in = fz_sign_in_new (read_now);
  g_autofree char *first = begin (sign_in);
  g_autofree char *second = begin (sign_in);
  g_autofree char *state_1 = dup_parameter (first, "state");
  g_autofree char *state_2 = dup_parameter (second, "state");
  g_autofree char *nonce_2 = dup_parameter (second, "nonce");

  g_assert_cmpuint (strlen (state_1), ==, 64);
  g_assert_cmpuint (strlen (nonce_2), ==, 64);
  g_assert_cmpstr (state_1, !=, state_2);
  g_assert_cmpstr (state_2, !=, nonce_2);
}

/* "%s" in a link stands for the state that was asked with. */
static void
test_answers (void)
{
  static const struct {
    const char *link;
    int code; /* of the error; -1: the answer is taken */
    const char *why;
  } cases[] = {
    { "firezone-fd0020211111://" HOST
      "?account_slug=acme&actor_name=Sam+Poe&fragment=.abc&state=%s",
      -1,
      "as it comes" },
    { "firezone-fd0020211111://" HOST "/?account_slug=&actor_name=&fragment=&state=%s",
      -1,
      "a slash, and empty values" },
    { "FIREZONE-FD0020211111://" HOST "?account_slug=a&actor_name=b&fragment=.c&state=%s&new=1",
      -1,
      "schemes have no case, and parameters may be added" },
    { "firezone-fd0020211111://" HOST "?account_slug=a&actor_name=b&fragment=.c&state=",
      FZ_SIGN_IN_ERROR_FOREIGN,
      "no state" },
    { "firezone-fd0020211111://" HOST "?account_slug=a&actor_name=b&fragment=.c&state=%s0",
      FZ_SIGN_IN_ERROR_FOREIGN,
      "a state too long" },
    { "firezone-fd0020211111://" HOST "?account_slug=a&actor_name=b&fragment=.c&state="
      "0000000000000000000000000000000000000000000000000000000000000000",
      FZ_SIGN_IN_ERROR_FOREIGN,
      "another's state" },
    { "firezone-fd0020211111://" HOST "?account_slug=a&actor_name=b&state=%s",
      FZ_SIGN_IN_ERROR_MALFORMED,
      "no fragment" },
    { "firezone-fd0020211111://" HOST
      "?account_slug=a&actor_name=b&fragment=.c&fragment=.d&state=%s",
      FZ_SIGN_IN_ERROR_MALFORMED,
      "two fragments" },
    { "firezone-fd0020211111://" HOST "?account_slug=a&actor_name=b&fragment=.c%%20d&state=%s",
      FZ_SIGN_IN_ERROR_MALFORMED,
      "a blank in the token" },
    { "firezone-fd0020211111://" HOST "?account_slug=a&actor_name=b&fragment=.c%%0Ad&state=%s",
      FZ_SIGN_IN_ERROR_MALFORMED,
      "a line's end in the token" },
    { "firezone-fd0020211111://" HOST "?account_slug=a&actor_name=b&fragment=%%C3%%A9&state=%s",
      FZ_SIGN_IN_ERROR_MALFORMED,
      "a token is ASCII" },
    { "firezone-fd0020211111://" HOST "?account_slug=a&actor_name=%%FF&fragment=.c&state=%s",
      FZ_SIGN_IN_ERROR_MALFORMED,
      "a name that is no UTF-8" },
    { "firezone-fd0020211111://" HOST "/x?account_slug=a&actor_name=b&fragment=.c&state=%s",
      FZ_SIGN_IN_ERROR_MALFORMED,
      "a path" },
    { "firezone-fd0020211111://elsewhere?account_slug=a&actor_name=b&fragment=.c&state=%s",
      FZ_SIGN_IN_ERROR_MALFORMED,
      "another host" },
    { "firezone-fd0020211111://" HOST, FZ_SIGN_IN_ERROR_MALFORMED, "no query" },
    { "https://" HOST "?account_slug=a&actor_name=b&fragment=.c&state=%s",
      FZ_SIGN_IN_ERROR_MALFORMED,
      "another scheme" },
    { "", FZ_SIGN_IN_ERROR_MALFORMED, "nothing" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (FzSignIn) sign_in = fz_sign_in_new (read_now);
    g_autoptr (GError) error = NULL;
    g_autofree char *url = begin (sign_in);
    g_autofree char *state = dup_parameter (url, "state");
    g_auto (GStrv) parts = g_strsplit (cases[i].link, "%s", 2);
    g_autofree char *joined = g_strjoinv (state, parts);
    g_auto (GStrv) percents = g_strsplit (joined, "%%", -1);
    g_autofree char *link = g_strjoinv ("%", percents);
    g_autoptr (FzCredential) credential = fz_sign_in_answer (sign_in, link, &error);

    g_test_message ("%s: %s", cases[i].link, cases[i].why);
    if (cases[i].code < 0) {
      g_assert_no_error (error);
      g_assert_nonnull (credential);
      g_assert_false (fz_sign_in_is_pending (sign_in));
      continue;
    }
    g_assert_null (credential);
    g_assert_error (error, FZ_SIGN_IN_ERROR, cases[i].code);
    g_assert_true (fz_sign_in_is_pending (sign_in)); /* nobody spoils a sign-in under way */
    g_assert_null (strstr (error->message, state));
  }
}

static char *
make_link (const char *url, const char *actor, const char *fragment)
{
  g_autofree char *state = dup_parameter (url, "state");

  return g_strdup_printf ("firezone-fd0020211111://" HOST
                          "?account_slug=acme&actor_name=%s&fragment=%s&state=%s",
                          actor,
                          fragment,
                          state);
}

static void
test_credential (void)
{
  g_autoptr (FzSignIn) sign_in = fz_sign_in_new (read_now);
  g_autoptr (GError) error = NULL;
  g_autofree char *url = begin (sign_in);
  g_autofree char *nonce = dup_parameter (url, "nonce");
  g_autofree char *link = make_link (url, "Sam+Poe", ".SFMy_-NTY.rest%3D");
  g_autofree char *expected = g_strconcat (nonce, ".SFMy_-NTY.rest=", NULL);
  g_autoptr (FzCredential) credential = fz_sign_in_answer (sign_in, link, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (credential->token, ==, expected);
  g_assert_cmpstr (credential->account, ==, "acme");
  g_assert_cmpstr (credential->actor, ==, "Sam Poe");
  g_assert_cmpstr (credential->api_url, ==, "wss://api.portal.test");

  g_assert_null (fz_sign_in_answer (sign_in, link, &error)); /* once */
  g_assert_error (error, FZ_SIGN_IN_ERROR, FZ_SIGN_IN_ERROR_NOT_PENDING);
}

static void
test_ten_minutes (void)
{
  g_autoptr (FzSignIn) sign_in = fz_sign_in_new (read_now);
  g_autoptr (GError) error = NULL;
  g_autofree char *url = NULL;
  g_autofree char *link = NULL;
  g_autoptr (FzCredential) credential = NULL;

  now_s = 1000;
  url = begin (sign_in);
  link = make_link (url, "Sam", ".x");
  now_s += FZ_SIGN_IN_SECONDS;
  g_assert_false (fz_sign_in_is_pending (sign_in));
  g_assert_null (fz_sign_in_answer (sign_in, link, &error));
  g_assert_error (error, FZ_SIGN_IN_ERROR, FZ_SIGN_IN_ERROR_EXPIRED);
  g_clear_error (&error);
  now_s -= 1; /* it is over for good */
  g_assert_null (fz_sign_in_answer (sign_in, link, &error));
  g_assert_error (error, FZ_SIGN_IN_ERROR, FZ_SIGN_IN_ERROR_NOT_PENDING);
  g_clear_error (&error);

  g_free (url);
  g_free (link);
  url = begin (sign_in);
  link = make_link (url, "Sam", ".x");
  now_s += FZ_SIGN_IN_SECONDS - 1;
  credential = fz_sign_in_answer (sign_in, link, &error);
  g_assert_no_error (error);
}

/* A token of the greatest size, one byte more, and a name that has to be cut. */
static void
test_sizes (void)
{
  g_autofree char *longest = g_strnfill (FZ_SIGN_IN_TOKEN_MAX - 64, 'a');
  g_autofree char *too_long = g_strnfill (FZ_SIGN_IN_TOKEN_MAX - 64 + 1, 'a');
  g_autoptr (FzSignIn) sign_in = fz_sign_in_new (read_now);
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) name = g_string_new ("a"); /* so that the limit is inside a character */
  g_autofree char *url = begin (sign_in);
  g_autofree char *link = make_link (url, "Sam", too_long);
  g_autoptr (FzCredential) credential = NULL;

  g_assert_null (fz_sign_in_answer (sign_in, link, &error));
  g_assert_error (error, FZ_SIGN_IN_ERROR, FZ_SIGN_IN_ERROR_MALFORMED);
  g_clear_error (&error);

  for (int i = 0; i < 200; i++)
    g_string_append (name, "%C3%A9");
  g_free (link);
  link = make_link (url, name->str, longest);
  credential = fz_sign_in_answer (sign_in, link, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (strlen (credential->token), ==, FZ_SIGN_IN_TOKEN_MAX);
  g_assert_cmpuint (strlen (credential->actor), ==, FZ_SIGN_IN_TEXT_MAX - 1);
  g_assert_true (g_utf8_validate (credential->actor, -1, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sign-in/address", test_address);
  g_test_add_func ("/sign-in/secrets-are-new-each-time", test_secrets_are_new_each_time);
  g_test_add_func ("/sign-in/answers", test_answers);
  g_test_add_func ("/sign-in/credential", test_credential);
  g_test_add_func ("/sign-in/ten-minutes", test_ten_minutes);
  g_test_add_func ("/sign-in/sizes", test_sizes);
  return g_test_run ();
}
