#include "src/ipc/fz-ipc-methods.h"

#include <string.h>

#define TEXT_BYTES_MAX       256u
#define URL_BYTES_MAX        2048u
#define LOG_FILTER_BYTES_MAX 1024u
#define OPTIONS_MAX          32u
#define STATES_MAX           16u
#define WAIT_MS_MAX          86400000u
#define INTERVAL_MS_MIN      100u
#define INTERVAL_MS_MAX      60000u

static bool fail (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static bool
fail (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error != NULL)
    *error = g_error_new_valist (FZ_IPC_ERROR, FZ_IPC_ERROR_INVALID_ARGUMENT, format, args);
  va_end (args);
  return false;
}

/* The bus passes only valid UTF-8; what is left is the length, and characters that have no place in
 * a line of text. */
static bool
check_text (const char *what, const char *text, size_t bytes_max, GError **error)
{
  if (strlen (text) > bytes_max)
    return fail (error, "%s is longer than %zu bytes", what, bytes_max);
  if (!g_utf8_validate (text, -1, NULL))
    return fail (error, "%s is not UTF-8", what);
  for (const char *at = text; *at != '\0'; at = g_utf8_next_char (at))
    if (g_unichar_iscntrl (g_utf8_get_char (at)))
      return fail (error, "%s holds a control character", what);
  return true;
}

/* -- values -- */

static bool
check_credential (GVariant *parameters, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 1);
  const char *url;

  if (g_variant_lookup (options, "api-url", "&s", &url) && !g_str_has_prefix (url, "wss://") &&
      !g_str_has_prefix (url, "ws://"))
    return fail (error, "api-url must begin with wss:// or ws://");
  return true;
}

static bool
check_wait (GVariant *parameters, GError **error)
{
  static const char *const known[] = { "signed-out", "offline",       "connecting", "connected",
                                       "degraded",   "disconnecting", "error",      NULL };
  g_autofree const char **states = NULL;
  uint32_t timeout_ms;
  size_t n;

  g_variant_get (parameters, "(^a&su)", &states, &timeout_ms);
  n = g_strv_length ((char **) states);
  if (n < 1 || n > STATES_MAX)
    return fail (error, "states must have 1 to %u values", STATES_MAX);
  for (size_t i = 0; i < n; i++)
    if (!g_strv_contains (known, states[i]))
      return fail (error, "\"%.64s\" is no state", states[i]);
  if (timeout_ms > WAIT_MS_MAX)
    return fail (error, "timeout_ms must be at most %u", WAIT_MS_MAX);
  return true;
}

static bool
check_interval (GVariant *parameters, GError **error)
{
  uint32_t interval_ms;

  g_variant_get (parameters, "(u)", &interval_ms);
  if (interval_ms < INTERVAL_MS_MIN || interval_ms > INTERVAL_MS_MAX)
    return fail (error, "interval_ms must be %u to %u", INTERVAL_MS_MIN, INTERVAL_MS_MAX);
  return true;
}

static bool
check_log_filter (GVariant *parameters, GError **error)
{
  const char *filter;

  g_variant_get (parameters, "(&s)", &filter);
  return check_text ("filter", filter, LOG_FILTER_BYTES_MAX, error);
}

/* -- the table -- */

static const FzIpcOption no_options[] = { { NULL, NULL, 0 } };

static const FzIpcOption connect_options[] = {
  { "internet-resource", "b", 0 },
  { NULL, NULL, 0 },
};

static const FzIpcOption credential_options[] = {
  { "api-url", "s", URL_BYTES_MAX },
  { "account", "s", TEXT_BYTES_MAX },
  { "actor", "s", TEXT_BYTES_MAX },
  { "expires", "t", 0 },
  { NULL, NULL, 0 },
};

#define OWN           SIZE_MAX /* the service answers it itself */
#define HANDLER(name) offsetof (FzIpcHandlers, name)

/* desktop-integration.md §3, and the comments of the XML */
static const FzIpcMethod methods[] = {
  { .interface = FZ_IPC_MANAGER,
    .method = "Connect",
    .rule = FZ_IPC_RULE_TAKE_OVER,
    .action = FZ_IPC_ACTION_CONNECT,
    .other_action = FZ_IPC_ACTION_TAKE_OVER,
    .options = connect_options,
    .handler = HANDLER (connect) },
  { .interface = FZ_IPC_MANAGER,
    .method = "Disconnect",
    .rule = FZ_IPC_RULE_TAKE_OVER,
    .action = FZ_IPC_ACTION_DISCONNECT,
    .other_action = FZ_IPC_ACTION_TAKE_OVER,
    .options = no_options,
    .handler = HANDLER (disconnect) },
  { .interface = FZ_IPC_MANAGER,
    .method = "Reconnect",
    .rule = FZ_IPC_RULE_TAKE_OVER,
    .action = FZ_IPC_ACTION_CONNECT,
    .other_action = FZ_IPC_ACTION_TAKE_OVER,
    .handler = HANDLER (reconnect) },
  { .interface = FZ_IPC_MANAGER,
    .method = "SetCredential",
    .rule = FZ_IPC_RULE_TAKE_OVER,
    .action = FZ_IPC_ACTION_CREDENTIAL,
    .other_action = FZ_IPC_ACTION_TAKE_OVER,
    .options = credential_options,
    .takes_fd = true,
    .ends_connection = true,
    .check = check_credential,
    .handler = HANDLER (set_credential) },
  { .interface = FZ_IPC_MANAGER,
    .method = "ClearCredential",
    .rule = FZ_IPC_RULE_TAKE_OVER,
    .action = FZ_IPC_ACTION_CREDENTIAL,
    .other_action = FZ_IPC_ACTION_TAKE_OVER,
    .ends_connection = true,
    .handler = HANDLER (clear_credential) },
  { .interface = FZ_IPC_MANAGER,
    .method = "SetInternetResource",
    .rule = FZ_IPC_RULE_TAKE_OVER,
    .action = FZ_IPC_ACTION_CONNECT,
    .other_action = FZ_IPC_ACTION_TAKE_OVER,
    .handler = HANDLER (set_internet_resource) },
  { .interface = FZ_IPC_MANAGER,
    .method = "WaitForState",
    .rule = FZ_IPC_RULE_FREE,
    .check = check_wait,
    .handler = OWN },
  { .interface = FZ_IPC_DIAGNOSTICS,
    .method = "Subscribe",
    .rule = FZ_IPC_RULE_FREE,
    .check = check_interval,
    .handler = OWN },
  { .interface = FZ_IPC_DIAGNOSTICS,
    .method = "Unsubscribe",
    .rule = FZ_IPC_RULE_FREE,
    .handler = OWN },
  { .interface = FZ_IPC_DIAGNOSTICS,
    .method = "OpenLog",
    .rule = FZ_IPC_RULE_OWN_OR_NOBODY,
    .action = FZ_IPC_ACTION_DIAGNOSTICS,
    .other_action = FZ_IPC_ACTION_DIAGNOSTICS_OTHER,
    .options = no_options,
    .shows_log = true,
    .handler = HANDLER (open_log) },
  { .interface = FZ_IPC_DIAGNOSTICS,
    .method = "SetLogFilter",
    .rule = FZ_IPC_RULE_OWN,
    .action = FZ_IPC_ACTION_DIAGNOSTICS,
    .other_action = FZ_IPC_ACTION_CONFIGURE,
    .check = check_log_filter,
    .handler = HANDLER (set_log_filter) },
  { .interface = FZ_IPC_DIAGNOSTICS,
    .method = "Export",
    .rule = FZ_IPC_RULE_OWN_OR_NOBODY,
    .action = FZ_IPC_ACTION_DIAGNOSTICS,
    .other_action = FZ_IPC_ACTION_DIAGNOSTICS_OTHER,
    .options = no_options,
    .takes_fd = true,
    .shows_log = true,
    .handler = HANDLER (export) },
  { .interface = FZ_IPC_DIAGNOSTICS,
    .method = "SelfTest",
    .rule = FZ_IPC_RULE_OWN_OR_NOBODY,
    .action = FZ_IPC_ACTION_DIAGNOSTICS,
    .other_action = FZ_IPC_ACTION_DIAGNOSTICS_OTHER,
    .handler = HANDLER (self_test) },
  { .interface = FZ_IPC_DIAGNOSTICS,
    .method = "Metrics",
    .rule = FZ_IPC_RULE_OWN_OR_NOBODY,
    .action = FZ_IPC_ACTION_DIAGNOSTICS,
    .other_action = FZ_IPC_ACTION_DIAGNOSTICS_OTHER,
    .handler = HANDLER (metrics) },
  { .interface = FZ_IPC_DIAGNOSTICS,
    .method = "Exposition",
    .rule = FZ_IPC_RULE_OWN_OR_NOBODY,
    .action = FZ_IPC_ACTION_DIAGNOSTICS,
    .other_action = FZ_IPC_ACTION_DIAGNOSTICS_OTHER,
    .handler = HANDLER (exposition) },
};

const FzIpcMethod *
fz_ipc_method_find (const char *interface, const char *method)
{
  for (size_t i = 0; i < G_N_ELEMENTS (methods); i++)
    if (strcmp (methods[i].method, method) == 0 &&
        (interface == NULL || strcmp (methods[i].interface, interface) == 0))
      return &methods[i];
  return NULL;
}

FzIpcHandler
fz_ipc_method_get_handler (const FzIpcMethod *self, const FzIpcHandlers *handlers)
{
  FzIpcHandler handler = NULL;

  if (self->handler != OWN)
    memcpy (&handler, (const char *) handlers + self->handler, sizeof handler);
  return handler;
}

unsigned
fz_ipc_method_get_actions (
    const FzIpcMethod *self, uint32_t uid, uint32_t owner, bool is_up, const char **out)
{
  bool is_nobodys = owner == FZ_IPC_NO_OWNER;
  bool is_own = !is_nobodys && uid == owner;
  unsigned n = 0;

  switch (self->rule) {
  case FZ_IPC_RULE_FREE:
    return 0;
  case FZ_IPC_RULE_TAKE_OVER:
    out[n++] = self->action;
    if (self->ends_connection && is_up)
      out[n++] = FZ_IPC_ACTION_DISCONNECT;
    if (!is_own && !is_nobodys)
      out[n++] = self->other_action;
    return n;
  case FZ_IPC_RULE_OWN_OR_NOBODY:
    out[0] = is_own || is_nobodys ? self->action : self->other_action;
    return 1;
  case FZ_IPC_RULE_OWN:
    out[0] = is_own ? self->action : self->other_action;
    return 1;
  }
  g_assert_not_reached ();
}

/* -- options -- */

GVariant *
fz_ipc_method_dup_options (const FzIpcMethod *self, GVariant *parameters)
{
  if (self->options == NULL)
    return NULL;
  return g_variant_get_child_value (parameters, g_variant_n_children (parameters) - 1);
}

static const FzIpcOption *
find_option (const FzIpcMethod *self, const char *key)
{
  for (const FzIpcOption *option = self->options; option->key != NULL; option++)
    if (strcmp (option->key, key) == 0)
      return option;
  return NULL;
}

static bool
check_option (const FzIpcMethod *self, const char *key, GVariant *value, GError **error)
{
  const FzIpcOption *option = find_option (self, key);

  if (option == NULL)
    return fail (error, "%s has no option \"%.64s\"", self->method, key);
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE (option->type)))
    return fail (error,
                 "option %s must have the type %s, not %.64s",
                 key,
                 option->type,
                 g_variant_get_type_string (value));
  if (option->text_bytes_max > 0)
    return check_text (key, g_variant_get_string (value, NULL), option->text_bytes_max, error);
  return true;
}

static bool
check_options (const FzIpcMethod *self, GVariant *options, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  const char *key;
  GVariant *value;
  GVariantIter iter;

  if (g_variant_n_children (options) > OPTIONS_MAX)
    return fail (error, "more than %u options", OPTIONS_MAX);
  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value)) {
    g_autoptr (GVariant) owned = value;

    if (!g_hash_table_add (seen, (gpointer) key))
      return fail (error, "option \"%.64s\" is given twice", key);
    if (!check_option (self, key, owned, error))
      return false;
  }
  return true;
}

bool
fz_ipc_method_check (const FzIpcMethod *self,
                     GVariant *parameters,
                     GVariant *options,
                     GError **error)
{
  if (options != NULL && !check_options (self, options, error))
    return false;
  return self->check == NULL || self->check (parameters, error);
}
