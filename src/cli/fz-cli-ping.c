/* fz-cli-ping.c: firezone ping
 *
 * Makes the path to a resource and measures it. One datagram to the resource's address, bound to
 * the tunnel's device so that it leaves by nothing else, makes the service ask for the path; then
 * the resource's own properties tell what became of it. The time is the path's to the gateway, not
 * the far machine's answer: that one may be silent.
 */
#include "src/cli/fz-cli-print.h"
#include "src/cli/fz-cli-resources.h"
#include "src/cli/fz-cli-service.h"
#include "src/cli/fz-cli-verbs.h"
#include "src/ipc/fz-ipc-names.h"

#include <arpa/inet.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_MS   10000u
#define COUNT_MAX    1000000ul
#define DISCARD_PORT 9

typedef struct {
  FzCli *cli;
  GMainLoop *loop;
  FzTunnel1Resource *resource;
  GCancellable *cancellable;
  JsonBuilder *json; /* NULL: words */
  unsigned long n_left;
  unsigned timeout; /* source */
  unsigned next;    /* source */
  int status;
} Ping;

/* -- which one -- */

/* Whether @host is a name that the pattern "*.corp.example" means. */
static bool
matches (const char *pattern, const char *host)
{
  size_t stars = strspn (pattern, "*");

  if (stars == 0)
    return g_ascii_strcasecmp (pattern, host) == 0;
  if (pattern[stars] != '.')
    return false;
  return g_str_has_suffix (host, pattern + stars) ||
         g_ascii_strcasecmp (host, pattern + stars + 1) == 0;
}

static bool
is_meant (GVariant *resource, const char *word)
{
  g_autofree char *folded = g_utf8_casefold (word, -1);
  g_autofree char *name = g_utf8_casefold (fz_cli_resource_get (resource, "Name"), -1);
  const char *address = fz_cli_resource_get (resource, "Address");

  return strcmp (folded, name) == 0 ||
         g_ascii_strcasecmp (word, fz_cli_resource_get (resource, "Id")) == 0 ||
         (*address != '\0' && matches (address, word));
}

static GVariant *
find (const GPtrArray *resources, const char *word)
{
  for (unsigned i = 0; i < resources->len; i++)
    if (is_meant (resources->pdata[i], word))
      return resources->pdata[i];
  return NULL;
}

/* -- the datagram -- */

static bool
fill_address (const char *text, struct sockaddr_storage *out, socklen_t *out_size)
{
  struct sockaddr_in *v4 = (struct sockaddr_in *) out;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) out;

  memset (out, 0, sizeof *out);
  if (inet_pton (AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons (DISCARD_PORT);
    *out_size = sizeof *v4;
    return true;
  }
  if (inet_pton (AF_INET6, text, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons (DISCARD_PORT);
    *out_size = sizeof *v6;
    return true;
  }
  return false;
}

/* What cannot be sent is no failure of its own: then the path does not come, and that is told. */
static void
send_datagram (const Ping *ping, const char *address)
{
  const char *device = fz_tunnel1_manager_get_interface (ping->cli->manager);
  struct sockaddr_storage to;
  socklen_t size;
  int fd;

  if (!fill_address (address, &to, &size))
    return;
  fd = socket (to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return;
  if (*device != '\0' &&
      setsockopt (fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t) strlen (device)) == 0)
    (void) sendto (fd, "", 1, MSG_DONTWAIT, (const struct sockaddr *) &to, size);
  close (fd);
}

static void
on_resolved (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GList *addresses = g_resolver_lookup_by_name_finish (G_RESOLVER (source), result, NULL);
  const Ping *ping = user_data; /* gone if this was cancelled, but then there are no addresses */

  for (GList *l = addresses; l != NULL; l = l->next) {
    g_autofree char *text = g_inet_address_to_string (l->data);

    send_datagram (ping, text);
  }
  g_resolver_free_addresses (addresses);
}

/* "10.20.0.0/24" -> "10.20.0.1"; a network's own address belongs to nobody. */
static char *
pick_host (const char *cidr)
{
  g_autofree char *text = g_strndup (cidr, strcspn (cidr, "/"));
  const char *slash = strchr (cidr, '/');
  uint8_t bytes[16];
  char out[INET6_ADDRSTRLEN];
  int family = strchr (text, ':') != NULL ? AF_INET6 : AF_INET;
  unsigned long length = slash != NULL ? strtoul (slash + 1, NULL, 10) : 128;

  if (inet_pton (family, text, bytes) != 1)
    return g_steal_pointer (&text);
  if (length < (family == AF_INET ? 31u : 127u))
    bytes[family == AF_INET ? 3 : 15] |= 1;
  return g_strdup (inet_ntop (family, bytes, out, sizeof out));
}

/* The name itself, or one that a pattern covers. */
static char *
pick_name (const char *pattern, const char *word)
{
  size_t stars = strspn (pattern, "*");

  if (stars == 0)
    return g_strdup (pattern);
  if (matches (pattern, word))
    return g_strdup (word);
  return pattern[stars] == '.' ? g_strconcat ("ping", pattern + stars, NULL) : NULL;
}

static void
knock (Ping *ping, GVariant *resource, const char *word)
{
  const char *kind = fz_cli_resource_get (resource, "Kind");
  const char *address = fz_cli_resource_get (resource, "Address");
  g_autofree char *host = NULL;

  if (strcmp (kind, "internet") == 0) {
    send_datagram (ping, "192.0.2.1"); /* TEST-NET-1: nobody's */
  } else if (strcmp (kind, "dns") == 0) {
    host = pick_name (address, word);
    if (host != NULL)
      g_resolver_lookup_by_name_async (
          g_resolver_get_default (), host, ping->cancellable, on_resolved, ping);
  } else if (*address != '\0') {
    host = pick_host (address);
    send_datagram (ping, host);
  }
}

/* -- what became of it -- */

static void
report (Ping *ping)
{
  const char *state = fz_tunnel1_resource_get_state (ping->resource);
  uint32_t rtt_us = fz_tunnel1_resource_get_rtt (ping->resource);
  g_autofree char *name = fz_cli_clean (fz_tunnel1_resource_get_name (ping->resource));
  g_autofree char *rtt = fz_cli_format_rtt (rtt_us);
  g_autofree char *painted =
      fz_cli_paint (fz_cli_resource_state_style (state), fz_cli_resource_state_word (state));

  if (ping->json != NULL) {
    json_builder_begin_object (ping->json);
    fz_cli_json_text (ping->json, "state", state);
    fz_cli_json_rtt (ping->json, "rtt_ms", rtt_us);
    json_builder_end_object (ping->json);
    return;
  }
  printf ("%s: %s%s%s\n", name, painted, *rtt != '\0' ? ", " : "", rtt);
  fflush (stdout);
}

static void
end (Ping *ping, int status)
{
  ping->status = status;
  g_main_loop_quit (ping->loop);
}

static void on_state (Ping *ping);

static gboolean
on_next (gpointer user_data)
{
  Ping *ping = user_data;

  ping->next = 0;
  on_state (ping);
  return G_SOURCE_REMOVE;
}

/* The resource's state has changed, or it is time to look again. */
static void
on_state (Ping *ping)
{
  const char *state = fz_tunnel1_resource_get_state (ping->resource);

  if (ping->next != 0)
    return; /* told this second */
  if (state == NULL) {
    fputs (_ ("firezone: the resource is gone\n"), stderr);
    end (ping, FZ_CLI_NOT_CONNECTED);
  } else if (strcmp (state, "offline") == 0 || strcmp (state, "denied") == 0) {
    report (ping);
    end (ping, FZ_CLI_NOT_CONNECTED);
  } else if (strcmp (state, "direct") == 0 || strcmp (state, "relayed") == 0) {
    g_clear_handle_id (&ping->timeout, g_source_remove);
    report (ping);
    if (--ping->n_left == 0)
      end (ping, FZ_CLI_OK);
    else
      ping->next = g_timeout_add_seconds (1, on_next, ping);
  }
}

static gboolean
on_timeout (gpointer user_data)
{
  Ping *ping = user_data;

  ping->timeout = 0;
  fputs (_ ("firezone: there is no path in time. See what is wrong with: firezone diagnose\n"),
         stderr);
  end (ping, FZ_CLI_TIMEOUT);
  return G_SOURCE_REMOVE;
}

static void
run (Ping *ping, GVariant *resource, const char *word, unsigned timeout_ms)
{
  ping->loop = g_main_loop_new (NULL, FALSE);
  ping->cancellable = g_cancellable_new ();
  ping->timeout = g_timeout_add (timeout_ms, on_timeout, ping);
  ping->status = -1;
  g_signal_connect_swapped (ping->resource, "g-properties-changed", G_CALLBACK (on_state), ping);
  knock (ping, resource, word);
  on_state (ping);
  if (ping->status < 0)
    g_main_loop_run (ping->loop);
  g_cancellable_cancel (ping->cancellable);
  g_signal_handlers_disconnect_by_data (ping->resource, ping);
  g_clear_handle_id (&ping->timeout, g_source_remove);
  g_clear_handle_id (&ping->next, g_source_remove);
  g_object_unref (ping->cancellable);
  g_main_loop_unref (ping->loop);
}

static int
ping_resource (FzCli *cli, GVariant *resource, unsigned long count, unsigned timeout_ms)
{
  g_autoptr (GError) error = NULL;
  Ping ping = { .cli = cli, .n_left = count };

  ping.resource = fz_tunnel1_resource_proxy_new_sync (cli->bus,
                                                      G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START,
                                                      FZ_IPC_BUS_NAME,
                                                      fz_cli_resource_get (resource, "@path"),
                                                      NULL,
                                                      &error);
  if (ping.resource == NULL)
    return fz_cli_service_fail (error);
  if (fz_cli_has (cli, "json")) {
    ping.json = fz_cli_json_begin ();
    fz_cli_json_text (ping.json, "id", fz_cli_resource_get (resource, "Id"));
    fz_cli_json_text (ping.json, "name", fz_cli_resource_get (resource, "Name"));
    json_builder_set_member_name (ping.json, "replies");
    json_builder_begin_array (ping.json);
  }
  run (&ping, resource, cli->arguments[0], timeout_ms);
  if (ping.json != NULL) {
    json_builder_end_array (ping.json);
    fz_cli_json_end (ping.json, false);
  }
  g_object_unref (ping.resource);
  return ping.status;
}

static bool
get_count (const FzCli *cli, unsigned long *out)
{
  const char *text = fz_cli_get (cli, "count");
  guint64 count = 1;

  if (text != NULL && !g_ascii_string_to_unsigned (text, 10, 1, COUNT_MAX, &count, NULL)) {
    fz_cli_usage (cli, _ ("--%s: \"%s\" is not a number of 1 to %lu"), "count", text, COUNT_MAX);
    return false;
  }
  *out = (unsigned long) count;
  return true;
}

int
fz_cli_ping (FzCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) resources = NULL;
  unsigned long count;
  unsigned timeout_ms;
  GVariant *resource;
  int status;

  if (!get_count (cli, &count) || !fz_cli_get_seconds (cli, "timeout", TIMEOUT_MS, &timeout_ms))
    return FZ_CLI_USAGE;
  status = fz_cli_service_open (cli);
  if (status != FZ_CLI_OK)
    return status;
  if (fz_cli_service_exit_for (fz_tunnel1_manager_get_state (cli->manager)) != FZ_CLI_OK) {
    fputs (_ ("firezone: not connected. Connect with: firezone connect\n"), stderr);
    return FZ_CLI_NOT_CONNECTED;
  }
  resources = fz_cli_service_list (cli, "Resource", &error);
  if (resources == NULL)
    return fz_cli_service_fail (error);
  resource = find (resources, cli->arguments[0]);
  if (resource == NULL) {
    fprintf (stderr,
             _ ("firezone: you have no resource \"%s\"; \"firezone resources\" lists them\n"),
             cli->arguments[0]);
    return FZ_CLI_ERROR;
  }
  return ping_resource (cli, resource, count, timeout_ms);
}
