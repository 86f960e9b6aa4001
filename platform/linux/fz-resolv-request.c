#include "platform/linux/fz-resolv-request.h"

#include "platform/linux/fz-resolv-conf.h"
#include "platform/linux/fz-resolv-file.h"
#include "platform/linux/fz-resolv-record.h"

#include <string.h>

#define REPLY_TEXT_MAX 512u

void
fz_resolv_request_clear (FzResolvRequest *request)
{
  g_clear_pointer (&request->search_domain, g_free);
}

/* -- the line -- */

static bool
parse_set (char *const *words, FzResolvRequest *out)
{
  FzResolvRequest request = { 0 };

  if (g_strv_length ((char **) words) < 4 || !fz_dns_mode_parse (words[1], &request.mode) ||
      (request.mode != FZ_DNS_MODE_FILE && request.mode != FZ_DNS_MODE_RESOLVCONF))
    return false;
  if (strcmp (words[2], "-") != 0 && !fz_resolv_conf_is_domain (words[2]))
    return false;
  for (char *const *at = words + 3; *at != NULL; at++) {
    FzIp ip = { 0 };

    if (request.n_servers == FZ_DNS_SERVERS_MAX || !fz_ip_parse (*at, &ip) ||
        !fz_dns_control_owns_address (&ip))
      return false;
    request.servers[request.n_servers++] = ip;
  }
  if (strcmp (words[2], "-") != 0)
    request.search_domain = g_strdup (words[2]);
  *out = request;
  return true;
}

bool
fz_resolv_request_parse (const char *line, FzResolvRequest *out)
{
  size_t length = strlen (line);
  g_autofree char *text = NULL;
  g_auto (GStrv) words = NULL;

  if (length < 2 || length > FZ_RESOLV_REQUEST_MAX || line[length - 1] != '\n')
    return false;
  text = g_strndup (line, length - 1);
  for (const char *at = text; *at != '\0'; at++)
    if (!g_ascii_isprint (*at))
      return false;
  words = g_strsplit (text, " ", FZ_DNS_SERVERS_MAX + 4);
  if (strcmp (words[0], "restore") == 0 && words[1] == NULL) {
    *out = (FzResolvRequest){ .is_restore = true };
    return true;
  }
  return strcmp (words[0], "set") == 0 && parse_set (words, out);
}

char *
fz_resolv_request_write (const FzResolvRequest *request)
{
  GString *out;

  if (request->is_restore)
    return g_strdup ("restore\n");
  out = g_string_new ("set ");
  g_string_append_printf (out,
                          "%s %s",
                          fz_dns_mode_name (request->mode),
                          request->search_domain != NULL ? request->search_domain : "-");
  for (size_t i = 0; i < request->n_servers; i++) {
    char ip[FZ_IP_TEXT_MAX];

    g_string_append_printf (out, " %s", fz_ip_format (&request->servers[i], ip));
  }
  g_string_append_c (out, '\n');
  return g_string_free (out, FALSE);
}

char *
fz_resolv_reply_write (const GError *error)
{
  g_autofree char *text = NULL;

  if (error == NULL)
    return g_strdup ("ok\n");
  text = g_strdup_printf ("%.*s", (int) REPLY_TEXT_MAX, error->message);
  for (char *at = text; *at != '\0'; at++)
    if ((unsigned char) *at < ' ')
      *at = ' ';
  return g_strdup_printf (
      "failed %d %s\n", error->domain == FZ_DNS_ERROR ? error->code : FZ_DNS_ERROR_FAILED, text);
}

bool
fz_resolv_reply_parse (const char *line, GError **error)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 3);
  guint64 code = FZ_DNS_ERROR_FAILED;

  if (g_str_has_prefix (line, "ok"))
    return true;
  if (g_strv_length (words) == 3)
    g_ascii_string_to_unsigned (words[1], 10, 0, FZ_DNS_ERROR_FAILED, &code, NULL);
  g_set_error_literal (error,
                       FZ_DNS_ERROR,
                       (int) code,
                       g_strv_length (words) == 3
                           ? g_strchomp (words[2])
                           : "the program that writes resolv.conf has ended");
  return false;
}

/* -- the deed -- */

bool
fz_resolv_request_is_done (const FzResolvRequest *request, const char *etc)
{
  if (request->is_restore)
    return false; /* cheap enough to do again */
  if (request->mode == FZ_DNS_MODE_RESOLVCONF)
    return fz_resolv_record_is_in_force (
        etc, request->servers, request->n_servers, request->search_domain);
  return fz_resolv_file_is_in_force (
      etc, request->servers, request->n_servers, request->search_domain);
}

static bool
restore (const char *etc, GError **error)
{
  g_autoptr (GError) first = NULL;
  bool is_removed = fz_resolv_record_remove (&first);
  bool is_restored = fz_resolv_file_restore (etc, first == NULL ? &first : NULL);

  if (first != NULL)
    g_propagate_error (error, g_steal_pointer (&first));
  return is_removed && is_restored;
}

static bool
install (const FzResolvRequest *request, const char *etc, GError **error)
{
  if (request->mode == FZ_DNS_MODE_RESOLVCONF)
    return fz_resolv_record_install (
        request->servers, request->n_servers, request->search_domain, error);
  return fz_resolv_file_install (
      etc, request->servers, request->n_servers, request->search_domain, error);
}

bool
fz_resolv_request_run (const FzResolvRequest *request,
                       const char *etc,
                       bool *out_has_changed,
                       GError **error)
{
  bool is_done = fz_resolv_request_is_done (request, etc);

  if (!is_done) {
    if (!(request->is_restore ? restore (etc, error) : install (request, etc, error)))
      return false;
    if (!request->is_restore && !fz_resolv_request_is_done (request, etc)) {
      g_set_error_literal (error,
                           FZ_DNS_ERROR,
                           FZ_DNS_ERROR_OVERRULED,
                           "resolv.conf was changed back at once by another program");
      return false;
    }
  }
  if (out_has_changed != NULL)
    *out_has_changed = !is_done;
  return true;
}
