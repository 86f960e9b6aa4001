#include "src/portal/fz-login-url.h"

#include "src/portal/fz-device-id.h"
#include "src/portal/fz-portal-error.h"

#include <string.h>

#define DEFAULT_PORT   443u /* for every scheme, as upstream has it */
#define NAME_CHARS_MAX 255  /* the portal's limit */

/* application/x-www-form-urlencoded, as browsers write it. */
static void
append_encoded (GString *out, const char *text)
{
  for (const char *p = text; *p != '\0'; p++) {
    unsigned char c = (unsigned char) *p;

    if (g_ascii_isalnum (*p) || strchr ("*-._", c) != NULL)
      g_string_append_c (out, *p);
    else if (c == ' ')
      g_string_append_c (out, '+');
    else
      g_string_append_printf (out, "%%%02X", c);
  }
}

static void
append_parameter (GString *out, const char *name, const char *value)
{
  if (value == NULL)
    return;
  g_string_append_c (out, strchr (out->str, '?') == NULL ? '?' : '&');
  g_string_append_printf (out, "%s=", name);
  append_encoded (out, value);
}

static bool
parse_scheme (const char *scheme, bool *out_uses_tls)
{
  bool is_secure = strcmp (scheme, "wss") == 0 || strcmp (scheme, "https") == 0;

  if (!is_secure && strcmp (scheme, "ws") != 0 && strcmp (scheme, "http") != 0)
    return false;
  *out_uses_tls = is_secure;
  return true;
}

/* A port that equals the scheme's default counts as not given, so "ws://host:80" means 443 too. */
static uint16_t
effective_port (GUri *uri, bool uses_tls)
{
  int port = g_uri_get_port (uri);

  return port <= 0 || port > UINT16_MAX || (!uses_tls && port == 80) ? DEFAULT_PORT
                                                                     : (uint16_t) port;
}

static char *
build_target (GUri *uri, const FzLoginUrlConfig *config)
{
  g_autofree char *external_id = fz_device_id_to_external (config->device_id);
  g_autofree char *name = g_utf8_make_valid (config->name, -1);
  GString *out = g_string_new (g_uri_get_path (uri));

  if (g_utf8_strlen (name, -1) > NAME_CHARS_MAX)
    *g_utf8_offset_to_pointer (name, NAME_CHARS_MAX) = '\0';

  if (out->len > 0 && out->str[out->len - 1] == '/')
    g_string_truncate (out, out->len - 1);
  g_string_append (
      out, config->role == FZ_ROLE_GATEWAY ? "/gateway/v2/websocket" : "/client/v2/websocket");
  append_parameter (out, "external_id", external_id);
  append_parameter (out, "name", name);
  if (config->role != FZ_ROLE_GATEWAY) {
    append_parameter (out, "device_serial", config->device_serial);
    append_parameter (out, "device_uuid", config->device_uuid);
  }
  return g_string_free (out, FALSE);
}

FzLoginUrl *
fz_login_url_new (const FzLoginUrlConfig *config, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (GUri) uri = g_uri_parse (config->api_url, G_URI_FLAGS_ENCODED, &local);
  FzLoginUrl *self;
  bool uses_tls = true;
  const char *problem = NULL;

  if (uri == NULL)
    problem = local->message;
  else if (!parse_scheme (g_uri_get_scheme (uri), &uses_tls))
    problem = "the scheme must be wss, https, ws or http";
  else if (g_uri_get_host (uri) == NULL || *g_uri_get_host (uri) == '\0')
    problem = "the host is missing";
  if (problem != NULL) {
    g_set_error (error,
                 FZ_PORTAL_ERROR,
                 FZ_PORTAL_ERROR_BAD_URL,
                 "the portal's URL \"%s\" cannot be used: %s",
                 config->api_url,
                 problem);
    return NULL;
  }

  self = g_new0 (FzLoginUrl, 1);
  self->host = g_strdup (g_uri_get_host (uri));
  self->port = effective_port (uri, uses_tls);
  self->uses_tls = uses_tls;
  self->host_header = strchr (self->host, ':') != NULL ? g_strdup_printf ("[%s]", self->host)
                                                       : g_strdup (self->host);
  self->target = build_target (uri, config);
  return self;
}

void
fz_login_url_free (FzLoginUrl *self)
{
  if (self == NULL)
    return;
  g_free (self->host);
  g_free (self->host_header);
  g_free (self->target);
  g_free (self);
}

char *
fz_login_url_dup_target (const FzLoginUrl *self, const uint8_t public_key[FZ_KEY_SIZE])
{
  GString *out = g_string_new (self->target);
  char text[FZ_KEY_TEXT_MAX];

  append_parameter (out, "public_key", fz_key_format (public_key, text));
  return g_string_free (out, FALSE);
}
