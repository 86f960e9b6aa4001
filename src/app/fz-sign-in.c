/* fz-sign-in.c: see fz-sign-in.h */
#include "src/app/fz-sign-in.h"

#include <gio/gio.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#define SECRET_BYTES 32u
#define SECRET_CHARS (2u * SECRET_BYTES) /* as lower-case hexadecimal */
#define CALLBACK     "handle_client_sign_in_callback"

/* One question; NULL pointers without one. */
struct FzSignIn {
  uint64_t (*now_s) (void);
  char *state; /* SECRET_CHARS and a zero, guarded */
  char *nonce; /* likewise */
  char *api_url;
  uint64_t began_s;
};

G_DEFINE_QUARK (fz - sign - in - error - quark, fz_sign_in_error)

static uint64_t
read_boot_time (void)
{
  struct timespec now;

  clock_gettime (CLOCK_BOOTTIME, &now);
  return (uint64_t) now.tv_sec;
}

/* -- credentials -- */

FzCredential *
fz_credential_new (const char *token, const char *account, const char *actor, const char *api_url)
{
  FzCredential *self = g_new0 (FzCredential, 1);
  size_t length = strlen (token);

  g_assert (sodium_init () >= 0);
  self->token = sodium_malloc (length + 1);
  g_assert (self->token != NULL);
  memcpy (self->token, token, length + 1);
  self->account = g_strdup (account);
  self->actor = g_strdup (actor);
  self->api_url = g_strdup (api_url);
  return self;
}

FzCredential *
fz_credential_copy (const FzCredential *self)
{
  return fz_credential_new (self->token, self->account, self->actor, self->api_url);
}

void
fz_credential_free (FzCredential *self)
{
  if (self == NULL)
    return;
  sodium_free (self->token); /* wipes */
  g_free (self->account);
  g_free (self->actor);
  g_free (self->api_url);
  g_free (self);
}

/* -- the question -- */

static char *
make_secret (void)
{
  uint8_t bytes[SECRET_BYTES];
  char *text = sodium_malloc (SECRET_CHARS + 1);

  g_assert (text != NULL);
  randombytes_buf (bytes, sizeof bytes);
  sodium_bin2hex (text, SECRET_CHARS + 1, bytes, sizeof bytes);
  sodium_memzero (bytes, sizeof bytes);
  return text;
}

FzSignIn *
fz_sign_in_new (uint64_t (*now_s) (void))
{
  FzSignIn *self = g_new0 (FzSignIn, 1);

  g_assert (sodium_init () >= 0);
  self->now_s = now_s != NULL ? now_s : read_boot_time;
  return self;
}

void
fz_sign_in_cancel (FzSignIn *self)
{
  g_clear_pointer (&self->state, sodium_free);
  g_clear_pointer (&self->nonce, sodium_free);
  g_clear_pointer (&self->api_url, g_free);
}

void
fz_sign_in_free (FzSignIn *self)
{
  if (self == NULL)
    return;
  fz_sign_in_cancel (self);
  g_free (self);
}

bool
fz_sign_in_is_pending (FzSignIn *self)
{
  return self->state != NULL && self->now_s () - self->began_s < FZ_SIGN_IN_SECONDS;
}

char *
fz_sign_in_begin (
    FzSignIn *self, const char *auth_url, const char *slug, const char *api_url, GError **error)
{
  g_autoptr (GUri) base = g_uri_parse (auth_url, G_URI_FLAGS_NONE, NULL);
  g_autofree char *escaped = g_uri_escape_string (slug, NULL, FALSE);
  g_autofree char *path = g_strconcat ("/", escaped, NULL);
  g_autofree char *query = NULL;
  char *url;

  fz_sign_in_cancel (self);
  if (base == NULL || g_uri_get_host (base) == NULL || g_uri_get_host (base)[0] == '\0' ||
      (!g_str_equal (g_uri_get_scheme (base), "https") &&
       !g_str_equal (g_uri_get_scheme (base), "http"))) {
    g_set_error (error,
                 FZ_SIGN_IN_ERROR,
                 FZ_SIGN_IN_ERROR_BAD_URL,
                 "the sign-in address “%s” is not one of https or http",
                 auth_url);
    return NULL;
  }

  self->state = make_secret ();
  self->nonce = make_secret ();
  self->api_url = g_strdup (api_url);
  self->began_s = self->now_s ();
  query = g_strdup_printf ("as=gui-client&nonce=%s&state=%s", self->nonce, self->state);
  url = g_uri_join (G_URI_FLAGS_ENCODED_PATH | G_URI_FLAGS_ENCODED_QUERY,
                    g_uri_get_scheme (base),
                    NULL,
                    g_uri_get_host (base),
                    g_uri_get_port (base),
                    path,
                    query,
                    NULL);
  sodium_memzero (query, strlen (query));
  return url;
}

/* -- the answer -- */

typedef struct {
  char *state;
  char *fragment;
  char *account_slug;
  char *actor_name;
} Answer;

static void
answer_clear (Answer *answer)
{
  if (answer->fragment != NULL)
    sodium_memzero (answer->fragment, strlen (answer->fragment));
  g_free (answer->state);
  g_free (answer->fragment);
  g_free (answer->account_slug);
  g_free (answer->actor_name);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answer, answer_clear)

static bool
set_malformed (GError **error, const char *why)
{
  g_set_error (error, FZ_SIGN_IN_ERROR, FZ_SIGN_IN_ERROR_MALFORMED, "no link of a portal: %s", why);
  return false;
}

/* Parameters that must be there exactly once; others are ignored. */
static bool
read_query (const char *query, Answer *out, GError **error)
{
  const struct {
    const char *name;
    char **value;
  } wanted[] = {
    { "state", &out->state },
    { "fragment", &out->fragment },
    { "account_slug", &out->account_slug },
    { "actor_name", &out->actor_name },
  };
  GUriParamsIter iter;
  char *name, *value;

  g_uri_params_iter_init (&iter, query, -1, "&", G_URI_PARAMS_WWW_FORM);
  while (g_uri_params_iter_next (&iter, &name, &value, NULL)) {
    bool is_twice = false;

    for (size_t i = 0; i < G_N_ELEMENTS (wanted); i++) {
      if (!g_str_equal (name, wanted[i].name))
        continue;
      is_twice = *wanted[i].value != NULL;
      if (!is_twice)
        *wanted[i].value = g_steal_pointer (&value);
      break;
    }
    g_free (name);
    g_free (value);
    if (is_twice)
      return set_malformed (error, "a parameter stands twice");
  }
  for (size_t i = 0; i < G_N_ELEMENTS (wanted); i++)
    if (*wanted[i].value == NULL)
      return set_malformed (error, "a parameter is missing");
  return true;
}

static bool
read_link (const char *link, Answer *out, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (link, G_URI_FLAGS_ENCODED_QUERY, NULL);

  if (uri == NULL || !g_str_equal (g_uri_get_scheme (uri), FZ_SIGN_IN_SCHEME))
    return set_malformed (error, "another scheme");
  if (g_strcmp0 (g_uri_get_host (uri), CALLBACK) != 0)
    return set_malformed (error, "another host");
  if (g_uri_get_path (uri)[0] != '\0' && !g_str_equal (g_uri_get_path (uri), "/"))
    return set_malformed (error, "there is a path");
  if (g_uri_get_query (uri) == NULL)
    return set_malformed (error, "no parameters");
  if (!read_query (g_uri_get_query (uri), out, error))
    return false;
  if (strlen (out->account_slug) > FZ_SIGN_IN_TEXT_MAX)
    return set_malformed (error, "a slug too long");
  if (SECRET_CHARS + strlen (out->fragment) > FZ_SIGN_IN_TOKEN_MAX)
    return set_malformed (error, "a fragment too long");
  for (const char *c = out->fragment; *c != '\0'; c++)
    if (!g_ascii_isgraph (*c))
      return set_malformed (error, "a fragment that cannot be part of a token");
  return true;
}

/* A long name is cut between two characters: it is for people only. */
static void
shorten (char *text)
{
  if (strlen (text) > FZ_SIGN_IN_TEXT_MAX)
    *g_utf8_find_prev_char (text, text + FZ_SIGN_IN_TEXT_MAX + 1) = '\0';
}

FzCredential *
fz_sign_in_answer (FzSignIn *self, const char *link, GError **error)
{
  g_auto (Answer) answer = { 0 };
  g_autofree char *token = NULL;
  FzCredential *credential;

  if (self->state == NULL) {
    g_set_error (error,
                 FZ_SIGN_IN_ERROR,
                 FZ_SIGN_IN_ERROR_NOT_PENDING,
                 "no sign-in is waiting for an answer");
    return NULL;
  }
  if (!fz_sign_in_is_pending (self)) {
    fz_sign_in_cancel (self);
    g_set_error (error,
                 FZ_SIGN_IN_ERROR,
                 FZ_SIGN_IN_ERROR_EXPIRED,
                 "the answer comes more than ten minutes late");
    return NULL;
  }
  if (!read_link (link, &answer, error))
    return NULL;
  if (strlen (answer.state) != SECRET_CHARS ||
      sodium_memcmp (answer.state, self->state, SECRET_CHARS) != 0) {
    g_set_error (error,
                 FZ_SIGN_IN_ERROR,
                 FZ_SIGN_IN_ERROR_FOREIGN,
                 "the answer is not to the question we asked");
    return NULL;
  }

  shorten (answer.actor_name);
  token = g_strconcat (self->nonce, answer.fragment, NULL);
  credential = fz_credential_new (token, answer.account_slug, answer.actor_name, self->api_url);
  sodium_memzero (token, strlen (token));
  fz_sign_in_cancel (self);
  return credential;
}
