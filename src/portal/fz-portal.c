#include "src/portal/fz-portal.h"

#include "src/portal/fz-device-info.h"
#include "src/portal/fz-messages.h"
#include "src/portal/fz-phoenix.h"

struct FzPortal {
  FzRole role;
  FzPortalCallbacks callbacks;
  gpointer user_data;
  FzLog log;
  FzLoginUrl *url;
  FzToken *token;
  FzPhoenix *phoenix;
  char *problem; /* NULL: connected, or not failed yet */
  FzPortalRefusal refusal;
};

static void
on_connected (gpointer user_data)
{
  FzPortal *self = user_data;
  const FzCommand command = { .kind = FZ_COMMAND_PORTAL_CONNECTED };

  g_clear_pointer (&self->problem, g_free);
  self->callbacks.on_command (&command, self->user_data);
}

static void
on_disconnected (FzPortalRefusal refusal, const char *why, uint64_t retry_in_ns, gpointer user_data)
{
  FzPortal *self = user_data;
  const FzCommand command = { .kind = FZ_COMMAND_PORTAL_DISCONNECTED };

  g_free (self->problem);
  self->problem = g_strdup (why);
  self->refusal = refusal;
  self->callbacks.on_command (&command, self->user_data);
}

static void
on_message (const char *event, JsonNode *payload, gpointer user_data)
{
  FzPortal *self = user_data;
  g_autoptr (FzMessage) message = NULL;
  g_autoptr (GError) error = NULL;
  uint64_t unix_now = (uint64_t) (g_get_real_time () / G_USEC_PER_SEC);

  switch (fz_message_parse (self->role, event, payload, unix_now, &self->log, &message, &error)) {
  case FZ_MESSAGE_COMMAND:
    self->callbacks.on_command (fz_message_get_command (message), self->user_data);
    break;
  case FZ_MESSAGE_IGNORED:
    break;
  case FZ_MESSAGE_REFUSED:
    fz_log (&self->log,
            FZ_LOG_WARNING,
            "portal-bad-message",
            "ignored a message of the portal that is malformed",
            FZ_KV_TEXT ("problem", error->message));
    break;
  }
}

static void
on_failed (const GError *error, gpointer user_data)
{
  FzPortal *self = user_data;

  self->callbacks.on_failed (error, self->user_data);
}

static void
on_closed (gpointer user_data)
{
  FzPortal *self = user_data;

  self->callbacks.on_closed (self->user_data);
}

FzPortal *
fz_portal_new (const FzPortalConfig *config,
               const FzPortalCallbacks *callbacks,
               gpointer user_data,
               GError **error)
{
  static const FzPhoenixCallbacks phoenix_callbacks = {
    .on_connected = on_connected,
    .on_disconnected = on_disconnected,
    .on_message = on_message,
    .on_failed = on_failed,
    .on_closed = on_closed,
  };
  g_autofree char *user_agent = fz_user_agent_for_system (config->component);
  g_autoptr (FzLoginUrl) url = fz_login_url_new (&config->login, error);
  FzPhoenixConfig phoenix = {
    .channel = {
      .topic = config->login.role == FZ_ROLE_GATEWAY ? "gateway" : "client",
      .join_payload = "null",
      .hello_event = FZ_MESSAGES_HELLO_EVENT,
      .hello_payload = FZ_MESSAGES_HELLO_PAYLOAD,
      .budget_ns = config->budget_ns,
      .is_patient = config->is_patient,
      .rng = config->rng,
      .log = config->log,
    },
    .user_agent = user_agent,
    .mark = config->mark,
    .speed = config->speed,
  };
  FzPortal *self;

  if (url == NULL)
    return NULL;

  self = g_new0 (FzPortal, 1);
  self->role = config->login.role;
  self->callbacks = *callbacks;
  self->user_data = user_data;
  self->log = config->log;
  self->url = g_steal_pointer (&url);
  self->token = config->token != NULL ? fz_token_dup (config->token) : NULL;
  phoenix.url = self->url;
  phoenix.token = self->token;
  self->phoenix = fz_phoenix_new (&phoenix, &phoenix_callbacks, self);
  return self;
}

void
fz_portal_free (FzPortal *self)
{
  if (self == NULL)
    return;

  g_clear_pointer (&self->phoenix, fz_phoenix_free);
  g_clear_pointer (&self->url, fz_login_url_free);
  g_clear_pointer (&self->token, fz_token_free);
  g_free (self->problem);
  g_free (self);
}

void
fz_portal_connect (FzPortal *self, const uint8_t public_key[FZ_KEY_SIZE])
{
  fz_phoenix_connect (self->phoenix, public_key);
}

void
fz_portal_close (FzPortal *self)
{
  fz_phoenix_close (self->phoenix);
}

void
fz_portal_handle_event (FzPortal *self, const FzEvent *event)
{
  g_autofree char *payload = NULL;
  const char *name = NULL;

  if (event->kind == FZ_EVENT_PUBLIC_KEY_CHANGED) {
    fz_portal_connect (self, event->public_key);
    return;
  }
  payload = fz_message_write (self->role, event, &name);
  if (payload != NULL)
    fz_phoenix_send (self->phoenix, name, payload);
}

bool
fz_portal_is_connected (const FzPortal *self)
{
  return fz_phoenix_is_joined (self->phoenix);
}

const char *
fz_portal_get_problem (const FzPortal *self)
{
  return self->problem;
}

FzPortalRefusal
fz_portal_get_refusal (const FzPortal *self)
{
  return self->problem != NULL ? self->refusal : FZ_PORTAL_REFUSAL_NONE;
}

uint64_t
fz_portal_get_rtt_ns (const FzPortal *self)
{
  return fz_phoenix_get_rtt_ns (self->phoenix);
}

void
fz_portal_set_resolvers (FzPortal *self, const FzSocketAddress *resolvers, size_t n)
{
  fz_phoenix_set_resolvers (self->phoenix, resolvers, n);
}
