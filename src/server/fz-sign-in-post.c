/* fz-sign-in-post.c
 *
 * The posted form. First whether it is ours, then whether this address may guess
 * again, then the password, on another thread; a token only at the very end, when
 * account and person have been looked at anew.
 *
 * A wrong password, an address nobody has, a person without a password: one
 * answer, after the same time. What is said of a person beyond that is said to
 * those who know the password.
 */
#include "src/base/fz-address.h"
#include "src/crypto/fz-crypto.h"
#include "src/server/fz-sign-in-private.h"

#include <string.h>

#define FORM_TYPE             "application/x-www-form-urlencoded"
#define BUSY_RETRY_S          5u
#define REFUSALS_LOGGED_PER_S 10u /* strangers must not fill the log */

typedef struct {
  FzSignIn *sign_in;
  FzPageRequest request; /* texts are copies */
  char *remote_ip;
  char *cookies;
  char *account_id;
  FzForm *form; /* what the flow borrows from */
  FzFlow flow;
  char *email;
  char *old_hash; /* or NULL */
  char *source_key;
  char *email_key;
  char *both_key;
  FzPageDone done;
  void *context;
} FzPendingCheck;

static void
pending_free (FzPendingCheck *self)
{
  g_free (self->remote_ip);
  g_free (self->cookies);
  g_free (self->account_id);
  fz_form_free (self->form);
  g_free (self->email);
  g_free (self->old_hash);
  g_free (self->source_key);
  g_free (self->email_key);
  g_free (self->both_key);
  g_free (self);
}

/* One key for an IPv4 address, one for an IPv6 network: a host has as many addresses as it likes.
 */
static char *
source_key_of (const char *remote_ip)
{
  char text[FZ_IP_TEXT_MAX];
  FzIp ip;

  if (!fz_ip_parse (remote_ip, &ip))
    return g_strdup (remote_ip);
  if (ip.family == FZ_IP_V6)
    memset (ip.bytes + 8, 0, 8);
  return g_strdup (fz_ip_format (&ip, text));
}

static bool
may_log (FzSignIn *self)
{
  int64_t now_us = g_get_monotonic_time ();

  if (now_us - self->logged_since_us >= G_USEC_PER_SEC) {
    self->logged_since_us = now_us;
    self->n_logged = 0;
  }
  return self->n_logged++ < REFUSALS_LOGGED_PER_S;
}

/* What was typed is not for the log: people type passwords into the wrong field. */
static void
log_refusal (FzSignIn *self,
             const FzAccount *account,
             const char *actor,
             const char *remote_ip,
             const char *why)
{
  if (may_log (self))
    fz_log (&self->log,
            FZ_LOG_INFO,
            "sign-in-refused",
            "somebody could not sign in",
            FZ_KV_TEXT ("account", account->slug),
            FZ_KV_TEXT ("actor", actor),
            FZ_KV_TEXT ("remote_ip", remote_ip),
            FZ_KV_TEXT ("reason", why));
}

static FzPageReply
wrong_password (FzPendingCheck *check, const FzAccount *account, const char *actor)
{
  log_refusal (check->sign_in, account, actor, check->remote_ip, "wrong password");
  return fz_sign_in_form (
      check->sign_in,
      403,
      &check->request,
      account,
      &check->flow,
      check->email,
      "E-mail address and password do not belong together. Check both and try again.");
}

static FzPageReply
disabled_person (FzPendingCheck *check, const FzAccount *account, const FzCredential *person)
{
  log_refusal (check->sign_in, account, person->name, check->remote_ip, "actor disabled");
  return fz_sign_in_message (403,
                             "Your access is switched off",
                             "The password is right, but your administrator has disabled you here.",
                             "Ask your administrator to enable you again.");
}

static char *
seal_cookie (FzPendingCheck *check, const FzAccount *account, const FzFlowAnswer *answer)
{
  FzSignIn *self = check->sign_in;
  g_autofree char *sealed =
      fz_flow_seal (self->key, fz_store_rng (self->store), answer, fz_store_now ());

  return g_strdup_printf (FZ_ANSWER_COOKIE "=%s; Path=/%s/sign_in; Max-Age=%d; HttpOnly;"
                                           " SameSite=Strict%s",
                          sealed,
                          account->slug,
                          FZ_FLOW_ANSWER_S,
                          check->request.is_secure ? "; Secure" : "");
}

/* Makes the token and the way on to it. */
static FzPageReply
let_in (FzPendingCheck *check, const FzAccount *account, const FzCredential *person)
{
  FzSignIn *self = check->sign_in;
  g_autoptr (GError) error = NULL;
  g_autofree char *name = g_strdup_printf (
      "sign-in of %s from %s", fz_flow_kind_name (check->flow.kind), check->remote_ip);
  g_autofree char *token = NULL;
  g_autofree char *token_id = NULL;
  FzTokenSpec spec = {
    .kind = FZ_TOKEN_CLIENT,
    .account_id = account->id,
    .name = name,
    .actor_id = person->actor_id,
    .nonce = check->flow.kind == FZ_FLOW_GUI ? check->flow.nonce : "",
    .expires_at = fz_store_now () + account->sign_in_lifetime_s,
    .is_sign_in = true,
  };
  FzPageReply reply;

  token_id = fz_store_token_add (self->store, &spec, &token, &error);
  if (token_id == NULL ||
      !fz_store_password_note_use (self->store, person->actor_id, fz_store_now (), &error))
    return fz_sign_in_our_fault (self, "signing somebody in", error);

  reply = fz_sign_in_redirect (303, fz_sign_in_path (account, "/success", NULL));
  reply.set_cookie = seal_cookie (check,
                                  account,
                                  &(FzFlowAnswer){ .kind = check->flow.kind,
                                                   .account_id = account->id,
                                                   .actor_id = person->actor_id,
                                                   .token_id = token_id,
                                                   .fragment = strchr (token, '.'),
                                                   .state = (char *) check->flow.state,
                                                   .expires_at = spec.expires_at });
  fz_wipe (token, strlen (token));
  fz_log (&self->log,
          FZ_LOG_INFO,
          "signed-in",
          "somebody has signed in",
          FZ_KV_TEXT ("account", account->slug),
          FZ_KV_TEXT ("actor", person->name),
          FZ_KV_TEXT ("as", fz_flow_kind_name (check->flow.kind)),
          FZ_KV_TEXT ("token_id", token_id),
          FZ_KV_TEXT ("remote_ip", check->remote_ip));
  return reply;
}

/* While the hash was computed, everything may have changed. */
static FzPageReply
conclude (FzPendingCheck *check, bool is_right, const char *new_hash)
{
  FzSignIn *self = check->sign_in;
  g_autoptr (GError) error = NULL;
  g_autoptr (FzAccount) account = fz_store_account_load (self->store, check->account_id, &error);
  g_autoptr (FzCredential) person = NULL;

  if (account == NULL)
    return fz_sign_in_our_fault (self, "signing somebody in", error);
  person = fz_store_credential_find (self->store, account->id, check->email, &error);
  if (error != NULL)
    return fz_sign_in_our_fault (self, "signing somebody in", error);
  if (!is_right || person == NULL || g_strcmp0 (person->password_hash, check->old_hash) != 0)
    return wrong_password (check, account, person != NULL ? person->name : "unknown");

  fz_attempts_forgive (self->by_both, check->both_key);
  if (new_hash != NULL &&
      !fz_store_password_renew (self->store, person->actor_id, check->old_hash, new_hash, &error))
    return fz_sign_in_our_fault (self, "renewing a password's hash", error);
  if (account->is_disabled)
    return fz_sign_in_redirect (303, fz_sign_in_path (account, "/client_account_disabled", NULL));
  if (person->is_disabled)
    return disabled_person (check, account, person);
  return let_in (check, account, person);
}

static void
on_password_checked (bool is_right, const char *new_hash, void *context)
{
  FzPendingCheck *check = context;
  FzSignIn *self = check->sign_in;
  g_auto (FzPageReply) reply = { 0 };

  fz_attempts_end (self->by_both, check->both_key, !is_right);
  fz_attempts_end (self->by_source, check->source_key, !is_right);
  fz_attempts_end (self->by_email, check->email_key, !is_right);
  reply = conclude (check, is_right, new_hash);
  check->done (&reply, check->context);
  g_ptr_array_remove_fast (self->pending, check);
  pending_free (check);
}

/* -- what is posted -- */

/* Seconds until this address may try this e-mail again; 0: now. */
static unsigned
wait_of (FzPendingCheck *check)
{
  FzSignIn *self = check->sign_in;
  int64_t now_us = g_get_monotonic_time ();
  int64_t wait_us = fz_attempts_wait_us (self->by_both, check->both_key, now_us);

  wait_us = MAX (wait_us, fz_attempts_wait_us (self->by_source, check->source_key, now_us));
  wait_us = MAX (wait_us, fz_attempts_wait_us (self->by_email, check->email_key, now_us));
  return (unsigned) ((wait_us + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC);
}

static bool
is_busy (FzPendingCheck *check)
{
  FzSignIn *self = check->sign_in;
  int64_t now_us = g_get_monotonic_time ();

  return fz_attempts_is_busy (self->by_both, check->both_key, now_us) ||
         fz_attempts_is_busy (self->by_source, check->source_key, now_us) ||
         fz_attempts_is_busy (self->by_email, check->email_key, now_us);
}

static FzPageReply
too_often (FzPendingCheck *check, const FzAccount *account, unsigned wait_s)
{
  unsigned minutes = (wait_s + 59) / 60;
  g_autofree char *text = g_strdup_printf (
      "There were too many wrong passwords. Wait %u minute%s, then try again from the app.",
      minutes,
      minutes == 1 ? "" : "s");
  FzPageReply reply =
      fz_sign_in_message (429,
                          "Too many attempts",
                          text,
                          "If you have forgotten your password, ask your administrator for a "
                          "new one.");

  log_refusal (check->sign_in, account, "unknown", check->remote_ip, "too many attempts");
  reply.retry_after_s = wait_s;
  return reply;
}

/* What we find wrong with the form before any password is looked at; NULL: nothing. */
static const char *
distrust (FzSignIn *self,
          const FzPageRequest *request,
          const FzAccount *account,
          const FzForm *form,
          const FzFlow *flow)
{
  g_autofree char *browser = fz_sign_in_browser (request);
  const char *token = fz_form_get (form, "form");

  if (request->fetch_site != NULL && strcmp (request->fetch_site, "same-origin") != 0)
    return "This form came from another page. Please sign in here.";
  if (browser == NULL)
    return "Your browser sent no cookie back. Allow cookies for this page and try again.";
  if (token == NULL ||
      !fz_flow_check_form_token (self->key, browser, account->id, flow, token, fz_store_now ()))
    return "This page was open for too long. Please try again.";
  return NULL;
}

static FzPendingCheck *
pending_new (FzSignIn *self,
             const FzPageRequest *request,
             const FzAccount *account,
             FzForm *form,
             FzPageDone done,
             void *context)
{
  FzPendingCheck *check = g_new0 (FzPendingCheck, 1);
  g_autofree char *folded = NULL;

  check->sign_in = self;
  check->remote_ip = g_strdup (request->remote_ip);
  check->cookies = g_strdup (request->cookies);
  check->request = (FzPageRequest){ .is_secure = request->is_secure, .cookies = check->cookies };
  check->account_id = g_strdup (account->id);
  check->form = form;
  fz_flow_read (form, &check->flow);
  check->email = g_strstrip (g_strdup (fz_form_get (form, "email")));
  folded = g_ascii_strdown (check->email, -1);
  check->source_key = source_key_of (request->remote_ip);
  check->email_key = g_strdup_printf ("%s %s", account->id, folded);
  check->both_key = g_strdup_printf ("%s %s", check->source_key, check->email_key);
  check->done = done;
  check->context = context;
  return check;
}

/* Hands @check to the desk; takes it. A reply at once if that cannot be. */
static bool
begin_check (FzPendingCheck *check, const FzAccount *account, FzPageReply *reply)
{
  FzSignIn *self = check->sign_in;
  g_autoptr (GError) error = NULL;
  g_autoptr (FzCredential) person =
      fz_store_credential_find (self->store, account->id, check->email, &error);
  g_autofree char *password = fz_password_normalize (fz_form_get (check->form, "password"));
  unsigned wait_s = wait_of (check);
  int64_t now_us = g_get_monotonic_time ();

  if (error != NULL) {
    *reply = fz_sign_in_our_fault (self, "looking up a person", error);
  } else if (wait_s > 0) {
    *reply = too_often (check, account, wait_s);
  } else if (fz_password_desk_is_full (self->desk) || is_busy (check)) {
    *reply = fz_sign_in_message (
        503, "One moment", "Too many people sign in at once.", "Try again in a few seconds.");
    reply->retry_after_s = BUSY_RETRY_S;
  } else {
    fz_attempts_begin (self->by_both, check->both_key, now_us);
    fz_attempts_begin (self->by_source, check->source_key, now_us);
    fz_attempts_begin (self->by_email, check->email_key, now_us);
    check->old_hash = person != NULL ? g_strdup (person->password_hash) : NULL;
    g_ptr_array_add (self->pending, check);
    fz_password_desk_check (self->desk, check->old_hash, password, on_password_checked, check);
    fz_wipe (password, strlen (password));
    return true;
  }
  if (password != NULL)
    fz_wipe (password, strlen (password));
  pending_free (check);
  return false;
}

bool
fz_sign_in_post (FzSignIn *self,
                 const FzPageRequest *request,
                 const FzAccount *account,
                 FzPageDone done,
                 void *context,
                 FzPageReply *reply)
{
  g_autoptr (FzForm) form = NULL;
  const char *problem;
  const char *email;
  FzFlow flow;

  if (request->content_type == NULL ||
      g_ascii_strncasecmp (request->content_type, FORM_TYPE, strlen (FORM_TYPE)) != 0) {
    *reply = fz_sign_in_message (
        415, "That is no form", "The sign-in form comes as " FORM_TYPE ".", NULL);
    return true;
  }
  form = fz_form_parse (request->body, request->body_length);
  if (form == NULL || !fz_flow_read (form, &flow) || flow.kind == FZ_FLOW_NONE) {
    *reply = fz_sign_in_broken_link ();
    return true;
  }
  if (account->is_disabled) {
    *reply = fz_sign_in_redirect (303, fz_sign_in_path (account, "/client_account_disabled", NULL));
    return true;
  }
  email = fz_form_get (form, "email");
  problem = distrust (self, request, account, form, &flow);
  if (problem == NULL && (email == NULL || *email == '\0' || strlen (email) > FZ_STORE_NAME_MAX ||
                          fz_form_get (form, "password") == NULL))
    problem = "Enter your e-mail address and your password.";
  if (problem != NULL) {
    *reply = fz_sign_in_form (self, 403, request, account, &flow, NULL, problem);
    return true;
  }
  return !begin_check (
      pending_new (self, request, account, g_steal_pointer (&form), done, context), account, reply);
}

void
fz_sign_in_end_pending (FzSignIn *self)
{
  for (unsigned i = 0; i < self->pending->len; i++) {
    FzPendingCheck *check = g_ptr_array_index (self->pending, i);
    const FzPageReply reply = { .status = 503, .retry_after_s = BUSY_RETRY_S };

    check->done (&reply, check->context);
    pending_free (check);
  }
  g_ptr_array_set_size (self->pending, 0);
}
