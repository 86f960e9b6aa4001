/* fz-sign-out.c: see the header */
#include "src/portal/fz-sign-out.h"

#include "src/crypto/fz-crypto.h"
#include "src/portal/fz-login-url.h"

#include <libsoup/soup.h>

#define PATH          "/client/v2/session"
#define AUTHORIZATION "X-Authorization"
#define TRIES         3u
#define PAUSE_MS      2000u /* name servers may just be changing back from ours */

typedef struct {
  FzLog log;
  SoupSession *session;
  char *uri;
  FzToken *token;
  unsigned n_tries;
} Farewell;

static unsigned n_under_way; /* main thread */

static void
farewell_free (Farewell *self)
{
  n_under_way--;
  g_clear_object (&self->session);
  g_clear_pointer (&self->token, fz_token_free);
  g_free (self->uri);
  g_free (self);
}

static void
report (const FzLog *log, unsigned status, const char *problem)
{
  switch (status) {
  case SOUP_STATUS_NO_CONTENT:
    fz_log_plain (log, FZ_LOG_INFO, "sign-out-told", "the portal has ended the sign-in");
    return;
  case SOUP_STATUS_UNAUTHORIZED:
    fz_log_plain (log, FZ_LOG_DEBUG, "sign-out-told", "the portal had ended the sign-in already");
    return;
  default:
    fz_log (log,
            FZ_LOG_WARNING,
            "sign-out-not-told",
            "the token is wiped here, but the portal did not end it: it stays good there until it "
            "expires or an administrator revokes it",
            FZ_KV_U64 ("status", status),
            FZ_KV_TEXT ("problem", problem));
  }
}

static void say (Farewell *self);

static gboolean
say_again (gpointer user_data)
{
  say (user_data);
  return G_SOURCE_REMOVE;
}

/* libsoup keeps the header in a copy of its own, which it would free as it is. What it has written
 * to its buffer, and TLS to its, is out of reach, and freed unwiped: but by
 * then the portal has ended the token, if it has heard of this at all. */
static void
wipe_header (SoupMessage *message)
{
  char *value = (char *) soup_message_headers_get_one (soup_message_get_request_headers (message),
                                                       AUTHORIZATION);

  if (value != NULL)
    fz_wipe (value, strlen (value));
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Farewell *self = user_data;
  g_autoptr (GError) error = NULL;
  SoupMessage *message = soup_session_get_async_result_message (SOUP_SESSION (source), result);
  g_autoptr (GInputStream) body = soup_session_send_finish (SOUP_SESSION (source), result, &error);

  wipe_header (message);
  if (body == NULL && self->n_tries < TRIES) {
    g_timeout_add (PAUSE_MS, say_again, self);
    return;
  }
  report (&self->log,
          body != NULL ? soup_message_get_status (message) : 0,
          error != NULL ? error->message : "");
  farewell_free (self);
}

static void
say (Farewell *self)
{
  g_autoptr (SoupMessage) message = soup_message_new ("DELETE", self->uri);
  g_autofree char *authorization = g_strconcat ("Bearer ", fz_token_get_text (self->token), NULL);

  self->n_tries++;
  soup_message_headers_replace (
      soup_message_get_request_headers (message), AUTHORIZATION, authorization);
  fz_wipe (authorization, strlen (authorization));
  soup_message_set_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  soup_session_send_async (self->session, message, G_PRIORITY_DEFAULT, NULL, on_answer, self);
}

/* The portal's address with another path; NULL for one that is none. */
static char *
dup_uri (const char *api_url)
{
  FzLoginUrlConfig config = {
    .role = FZ_ROLE_CLIENT, .api_url = api_url, .device_id = "", .name = ""
  };
  g_autoptr (FzLoginUrl) url = fz_login_url_new (&config, NULL);
  const char *socket;

  if (url == NULL)
    return NULL;
  socket = g_strrstr (url->target, "/client/v2/websocket");
  return g_strdup_printf ("%s://%s:%u%.*s" PATH,
                          url->uses_tls ? "https" : "http",
                          url->host_header,
                          url->port,
                          socket != NULL ? (int) (socket - url->target) : 0,
                          url->target);
}

void
fz_sign_out_send (const char *api_url, const FzToken *token, const FzLog *log)
{
  g_autofree char *text = dup_uri (api_url);
  g_autoptr (GUri) uri = text != NULL ? g_uri_parse (text, SOUP_HTTP_URI_FLAGS, NULL) : NULL;
  Farewell *self;

  if (uri == NULL) {
    report (log, 0, "the portal's address is none");
    return;
  }
  if (n_under_way == FZ_SIGN_OUTS_MAX) {
    report (log, 0, "too many of these are under way");
    return;
  }
  n_under_way++;
  self = g_new0 (Farewell, 1);
  self->log = *log;
  self->session = soup_session_new_with_options ("timeout", FZ_SIGN_OUT_TIMEOUT_S, NULL);
  self->uri = g_steal_pointer (&text);
  self->token = fz_token_dup (token);
  say (self);
}
