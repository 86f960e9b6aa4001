/* fz-sign-in.c
 *
 * See fz-sign-in.h: the routes, the pages, and the answer that is fetched from
 * its cookie.
 */
#include "src/server/fz-sign-in.h"

#include "src/crypto/fz-crypto.h"
#include "src/server/fz-json.h"
#include "src/server/fz-page.h"
#include "src/server/fz-server-error.h"
#include "src/server/fz-sign-in-private.h"

#include <string.h>

#define FORM_COOKIE        "fz_form"
#define SECURE_FORM_COOKIE "__Host-fz_form" /* no other host can plant one of that name */
#define HTML               "text/html; charset=utf-8"

/* -- replies -- */

void
fz_page_reply_clear (FzPageReply *self)
{
  if (self->body != NULL)
    fz_wipe (self->body, self->body_length); /* the token may be in it */
  g_clear_pointer (&self->body, g_free);
  g_clear_pointer (&self->location, g_free);
  g_clear_pointer (&self->set_cookie, g_free);
}

static FzPageReply
page (unsigned status, FzPageKind kind, const FzTemplateValue *values)
{
  FzPageReply reply = { .status = status, .type = HTML };

  reply.body = fz_page_render (kind, values);
  reply.body_length = strlen (reply.body);
  return reply;
}

FzPageReply
fz_sign_in_redirect (unsigned status, char *location)
{
  return (FzPageReply){ .status = status, .location = location };
}

FzPageReply
fz_sign_in_message (unsigned status, const char *title, const char *text, const char *hint)
{
  const FzTemplateValue values[] = {
    { "title", title }, { "text", text }, { "hint", hint }, { NULL, NULL }
  };

  return page (status, FZ_PAGE_MESSAGE, values);
}

static FzPageReply
not_found (void)
{
  return fz_sign_in_message (404,
                             "There is nothing here",
                             "This address leads nowhere on this portal.",
                             "To sign in, start from the Firezone app.");
}

FzPageReply
fz_sign_in_broken_link (void)
{
  return fz_sign_in_message (400,
                             "This link is not complete",
                             "Something is missing in the address that brought you here.",
                             "Go back to the Firezone app and press “Sign in” again.");
}

FzPageReply
fz_sign_in_our_fault (FzSignIn *self, const char *doing, const GError *error)
{
  fz_log (&self->log,
          FZ_LOG_ERROR,
          "store-failed",
          "the database failed us",
          FZ_KV_TEXT ("doing", doing),
          FZ_KV_TEXT ("error", error->message));
  return fz_sign_in_message (
      500,
      "That did not work",
      "The portal has trouble with its database. It is not your fault.",
      "Try again in a minute; if it stays like this, tell your administrator.");
}

/* -- who and where -- */

static bool
is_account_word (const char *text)
{
  size_t length = strlen (text);

  for (const char *p = text; *p != '\0'; p++)
    if (!g_ascii_isalnum (*p) && *p != '_' && *p != '-')
      return false;
  return length > 0 && length <= 100;
}

/* NULL with @reply filled if there is no such account. */
static FzAccount *
find_account (FzSignIn *self, const char *name, FzPageReply *reply)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = is_account_word (name)
                            ? fz_store_find (self->store, FZ_THING_ACCOUNT, NULL, name, &error)
                            : NULL;
  FzAccount *account = id != NULL ? fz_store_account_load (self->store, id, &error) : NULL;

  if (account != NULL)
    return account;
  if (error != NULL && !g_error_matches (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_NOT_FOUND) &&
      !g_error_matches (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_AMBIGUOUS))
    *reply = fz_sign_in_our_fault (self, "looking up an account", error);
  else
    *reply = fz_sign_in_message (404,
                                 "There is no such account",
                                 "No account of that name is on this portal.",
                                 "Check the account in the settings of the Firezone app.");
  return NULL;
}

char *
fz_sign_in_path (const FzAccount *account, const char *below, const FzFlow *flow)
{
  g_autofree char *query = flow != NULL ? fz_flow_to_query (flow) : g_strdup ("");

  return g_strconcat (
      "/", account->slug, "/sign_in", below, *query != '\0' ? "?" : "", query, NULL);
}

/* -- the account's page -- */

static FzPageReply
ask_for_account (unsigned status, const FzFlow *flow, const char *account, const char *problem)
{
  const FzTemplateValue values[] = {
    { "account", account },   { "problem", problem },   { "as", fz_flow_kind_name (flow->kind) },
    { "state", flow->state }, { "nonce", flow->nonce }, { "redirect_to", flow->redirect_to },
    { NULL, NULL },
  };

  return page (status, FZ_PAGE_ACCOUNT, values);
}

static FzPageReply
named_account (FzSignIn *self, const FzFlow *flow, const char *name)
{
  g_autofree char *trimmed = g_strstrip (g_strdup (name));
  g_auto (FzPageReply) reply = { 0 };
  g_autoptr (FzAccount) account = find_account (self, trimmed, &reply);

  if (account == NULL)
    return ask_for_account (
        404, flow, name, "There is no account of that name. Look for a typing mistake.");
  return fz_sign_in_redirect (302, fz_sign_in_path (account, "", flow));
}

static FzPageReply
get_root (FzSignIn *self, const FzForm *query, const FzFlow *flow)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonArray) accounts = NULL;

  if (fz_form_get (query, "account") != NULL)
    return named_account (self, flow, fz_form_get (query, "account"));
  accounts = fz_store_list (self->store, FZ_THING_ACCOUNT, NULL, NULL, &error);
  if (accounts == NULL)
    return fz_sign_in_our_fault (self, "listing the accounts", error);
  if (json_array_get_length (accounts) == 0)
    return fz_sign_in_message (503,
                               "This portal is not set up yet",
                               "It has no account.",
                               "Its administrator makes one with “firezone-portal init”.");
  if (json_array_get_length (accounts) > 1)
    return ask_for_account (200, flow, NULL, NULL);
  return named_account (
      self, flow, fz_json_text (json_array_get_object_element (accounts, 0), "slug"));
}

/* -- the form -- */

static const char *
form_cookie_name (const FzPageRequest *request)
{
  return request->is_secure ? SECURE_FORM_COOKIE : FORM_COOKIE;
}

char *
fz_sign_in_browser (const FzPageRequest *request)
{
  g_autofree char *value =
      fz_cookie_find (request->cookies, form_cookie_name (request), FZ_FLOW_BROWSER_MAX);

  return value != NULL && fz_flow_is_browser (value) ? g_steal_pointer (&value) : NULL;
}

FzPageReply
fz_sign_in_form (FzSignIn *self,
                 unsigned status,
                 const FzPageRequest *request,
                 const FzAccount *account,
                 const FzFlow *flow,
                 const char *email,
                 const char *problem)
{
  g_autofree char *browser = fz_sign_in_browser (request);
  g_autofree char *action = fz_sign_in_path (account, "", NULL);
  g_autofree char *token = NULL;
  char *set_cookie = NULL;
  FzPageReply reply;

  if (browser == NULL) {
    browser = fz_flow_new_browser (fz_store_rng (self->store));
    set_cookie = g_strdup_printf ("%s=%s; Path=/; HttpOnly; SameSite=Lax%s",
                                  form_cookie_name (request),
                                  browser,
                                  request->is_secure ? "; Secure" : "");
  }
  token = fz_flow_form_token (self->key, browser, account->id, flow, fz_store_now ());
  {
    const FzTemplateValue values[] = {
      { "account_name", account->name },
      { "action", action },
      { "form", token },
      { "problem", problem },
      { "email", email },
      { "gui", flow->kind == FZ_FLOW_GUI ? "yes" : NULL },
      { "headless", flow->kind == FZ_FLOW_HEADLESS ? "yes" : NULL },
      { "as", fz_flow_kind_name (flow->kind) },
      { "state", flow->state },
      { "nonce", flow->nonce },
      { "redirect_to", flow->redirect_to },
      { NULL, NULL },
    };

    reply = page (status, FZ_PAGE_SIGN_IN, values);
  }
  reply.set_cookie = set_cookie;
  return reply;
}

static FzPageReply
get_sign_in (FzSignIn *self,
             const FzPageRequest *request,
             const FzAccount *account,
             const FzFlow *flow)
{
  g_autofree char *link = NULL;

  if (account->is_disabled)
    return fz_sign_in_redirect (302, fz_sign_in_path (account, "/client_account_disabled", NULL));
  if (flow->kind != FZ_FLOW_NONE)
    return fz_sign_in_form (self, 200, request, account, flow, NULL, NULL);

  link = fz_sign_in_path (
      account,
      "",
      &(FzFlow){ .kind = FZ_FLOW_HEADLESS, .state = "", .nonce = "", .redirect_to = "" });
  {
    const FzTemplateValue values[] = {
      { "title", "Sign in from the app" },
      { "text", "Open the Firezone app and press “Sign in”: it brings you back here." },
      { "hint", "For a machine without a desktop, make a token here and copy it there:" },
      { "link", link },
      { "link_text", "Make a token" },
      { "account_name", account->name },
      { NULL, NULL },
    };

    return page (200, FZ_PAGE_MESSAGE, values);
  }
}

/* -- the answer -- */

/* What the cookie holds and whom it is about, as long as that is still so. */
static bool
read_answer (FzSignIn *self,
             const FzPageRequest *request,
             const FzAccount *account,
             FzFlowAnswer *out,
             FzCredential **out_person)
{
  g_autofree char *sealed = fz_cookie_find (request->cookies, FZ_ANSWER_COOKIE, FZ_FLOW_SEALED_MAX);
  g_auto (FzFlowAnswer) answer = { 0 };
  g_autoptr (GError) error = NULL;
  bool is_valid = false;

  if (sealed == NULL || !fz_flow_open (self->key, sealed, fz_store_now (), &answer) ||
      strcmp (answer.account_id, account->id) != 0)
    return false;
  if (!fz_store_token_is_valid (self->store, answer.token_id, fz_store_now (), &is_valid, &error) ||
      !is_valid)
    return false;
  *out_person = fz_store_credential_load (self->store, answer.actor_id, &error);
  if (*out_person == NULL)
    return false;
  *out = answer;
  memset (&answer, 0, sizeof answer); /* handed on */
  return true;
}

static char *
link_of (const FzFlowAnswer *answer, const FzAccount *account, const FzCredential *person)
{
  return fz_flow_deep_link (answer, account->slug, account->name, person->name, person->email);
}

static FzPageReply
get_success (FzSignIn *self, const FzPageRequest *request, const FzAccount *account)
{
  g_auto (FzFlowAnswer) answer = { 0 };
  g_autoptr (FzCredential) person = NULL;
  g_autoptr (GDateTime) expires = NULL;
  g_autofree char *expires_text = NULL;
  g_autofree char *link = NULL;
  g_autofree char *refresh = NULL;

  if (!read_answer (self, request, account, &answer, &person))
    return fz_sign_in_redirect (302, fz_sign_in_path (account, "/client_auth_error", NULL));

  expires = g_date_time_new_from_unix_utc (answer.expires_at);
  expires_text = g_date_time_format (expires, "%-d %B %Y, %H:%M UTC");
  link = link_of (&answer, account, person);
  refresh = fz_sign_in_path (account, "/client_redirect", NULL);
  {
    const FzTemplateValue values[] = {
      { "account_name", account->name },
      { "actor_name", person->name },
      { "fragment", answer.fragment },
      { "expires", expires_text },
      { "link", link },
      { "refresh", answer.kind == FZ_FLOW_GUI ? refresh : NULL },
      { NULL, NULL },
    };

    return page (200, answer.kind == FZ_FLOW_GUI ? FZ_PAGE_OPENING : FZ_PAGE_TOKEN, values);
  }
}

static FzPageReply
get_client_redirect (FzSignIn *self, const FzPageRequest *request, const FzAccount *account)
{
  g_auto (FzFlowAnswer) answer = { 0 };
  g_autoptr (FzCredential) person = NULL;

  if (!read_answer (self, request, account, &answer, &person) || answer.kind != FZ_FLOW_GUI)
    return fz_sign_in_redirect (302, fz_sign_in_path (account, "/client_auth_error", NULL));
  return fz_sign_in_redirect (302, link_of (&answer, account, person));
}

/* -- routes -- */

static FzPageReply
get_asset (const char *path)
{
  FzPageReply reply = { .status = 200, .may_be_cached = true };
  const char *data = fz_page_asset (path, &reply.body_length, &reply.type);

  if (data == NULL)
    return not_found ();
  reply.body = g_strndup (data, reply.body_length);
  return reply;
}

static FzPageReply
get_below (FzSignIn *self,
           const FzPageRequest *request,
           const FzAccount *account,
           const char *below,
           const FzFlow *flow)
{
  if (strcmp (below, "") == 0)
    return get_sign_in (self, request, account, flow);
  if (strcmp (below, "/success") == 0)
    return get_success (self, request, account);
  if (strcmp (below, "/client_redirect") == 0)
    return get_client_redirect (self, request, account);
  if (strcmp (below, "/client_auth_error") == 0)
    return fz_sign_in_message (400,
                               "This sign-in has expired",
                               "For your safety its answer is kept for two minutes only.",
                               "Go back to the Firezone app and press “Sign in” again.");
  if (strcmp (below, "/client_account_disabled") == 0)
    return fz_sign_in_message (403,
                               "This account is switched off",
                               "Nobody can sign in to it at the moment.",
                               "Ask your administrator; nothing is wrong with your password.");
  return not_found ();
}

/* False: the reply comes later. */
static bool
route (FzSignIn *self,
       const FzPageRequest *request,
       FzPageDone done,
       void *context,
       FzPageReply *reply)
{
  const char *query_text = request->query != NULL ? request->query : "";
  g_autoptr (FzForm) query = fz_form_parse (query_text, strlen (query_text));
  g_auto (GStrv) parts = g_strsplit (request->path, "/", 3); /* "", account, the rest */
  g_autofree char *below = NULL;
  g_autoptr (FzAccount) account = NULL;
  FzFlow flow;

  if (g_str_has_prefix (request->path, "/assets/")) {
    *reply = get_asset (request->path);
    return true;
  }
  if (query == NULL || !fz_flow_read (query, &flow)) {
    *reply = fz_sign_in_broken_link ();
    return true;
  }
  if (strcmp (request->path, "/") == 0) {
    *reply = get_root (self, query, &flow);
    return true;
  }

  if (g_strv_length (parts) < 2 ||
      (parts[2] != NULL && *parts[2] != '\0' && !g_str_has_prefix (parts[2], "sign_in"))) {
    *reply = not_found ();
    return true;
  }
  account = find_account (self, parts[1], reply);
  if (account == NULL)
    return true;
  if (parts[2] == NULL || *parts[2] == '\0' || strcmp (parts[1], account->slug) != 0) {
    *reply = fz_sign_in_redirect (302, fz_sign_in_path (account, "", &flow));
    return true;
  }
  below = g_strdup (parts[2] + strlen ("sign_in"));
  if (!request->is_post)
    *reply = get_below (self, request, account, below, &flow);
  else if (*below == '\0')
    return fz_sign_in_post (self, request, account, done, context, reply);
  else
    *reply = not_found ();
  return true;
}

void
fz_sign_in_handle (FzSignIn *self, const FzPageRequest *request, FzPageDone done, void *context)
{
  g_auto (FzPageReply) reply = { 0 };

  if (route (self, request, done, context, &reply))
    done (&reply, context);
}

/* -- life -- */

FzSignIn *
fz_sign_in_new (FzStore *store, const FzSignInConfig *config)
{
  const int64_t window_us = FZ_SIGN_IN_WINDOW_S * G_USEC_PER_SEC;
  FzSignIn *self = g_new0 (FzSignIn, 1);

  self->store = store;
  self->log = fz_log_for (&config->log, "sign-in");
  self->key = fz_secret_new (FZ_FLOW_KEY_SIZE);
  fz_rng_fill (fz_store_rng (store), self->key, FZ_FLOW_KEY_SIZE);
  self->desk = fz_password_desk_new (&config->cost);
  self->by_both = fz_attempts_new (FZ_SIGN_IN_WRONG_MAX, window_us);
  self->by_source = fz_attempts_new (FZ_SIGN_IN_WRONG_SOURCE_MAX, window_us);
  self->by_email = fz_attempts_new (FZ_SIGN_IN_WRONG_EMAIL_MAX, window_us);
  self->pending = g_ptr_array_new ();
  return self;
}

void
fz_sign_in_free (FzSignIn *self)
{
  if (self == NULL)
    return;
  fz_password_desk_free (self->desk);
  fz_sign_in_end_pending (self);
  g_ptr_array_unref (self->pending);
  fz_attempts_free (self->by_both);
  fz_attempts_free (self->by_source);
  fz_attempts_free (self->by_email);
  fz_secret_free (self->key, FZ_FLOW_KEY_SIZE);
  g_free (self);
}
