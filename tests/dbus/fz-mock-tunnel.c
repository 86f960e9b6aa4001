/* fz-mock-tunnel.c
 *
 * dev.firezone.Client.Tunnel1 without a tunnel: the real bus side (src/ipc) over a life that is
 * only told, so that the app, the tray, the command line and the authorization itself can be tried
 * without rights and without a network. Who signs in and connects becomes connected, and has
 * resources.
 *
 * Usage: fz-mock-tunnel [--session] [--own-pace] [--connected] [--resources=N] [--log=FILE]
 *
 *   --session      on the session bus
 *   --own-pace     Connect ends in "connecting"; a test says how it goes on
 *   --connected    from the start, and whoever started it is the owner
 *   --resources=N  how many there are once connected; 5
 *   --log=FILE     what OpenLog opens; four lines of its own
 *
 * A test steers it at /test, interface dev.firezone.Test:
 *
 *   SetState (s state, s reason, s detail)         SetOwner (u uid)
 *   Set (o path, s property, v value)              Add (s kind, s key, b private)
 *   Remove (o path)                                Event (s id, a{sv} details)
 *   Calls () -> as   "METHOD UID" of each call carried out, in order
 *   Hold (b on)      calls are carried out but not answered until it is off
 *   Stop ()          ends the service, not the process: calls that are held stay held
 */
#include "src/ipc/fz-ipc-credential.h"
#include "src/ipc/fz-ipc-service.h"
#include "src/ipc/fz-tunnel1-generated.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CONNECTING_MS 150 /* long enough to be seen, short enough not to wait for */

static const char test_xml[] =
    "<node><interface name='dev.firezone.Test'>"
    "<method name='SetState'><arg type='s' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='s' direction='in'/></method>"
    "<method name='SetOwner'><arg type='u' direction='in'/></method>"
    "<method name='Set'><arg type='o' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='v' direction='in'/></method>"
    "<method name='Add'><arg type='s' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='b' direction='in'/></method>"
    "<method name='Remove'><arg type='o' direction='in'/></method>"
    "<method name='Event'><arg type='s' direction='in'/><arg type='a{sv}' direction='in'/></method>"
    "<method name='Calls'><arg type='as' direction='out'/></method>"
    "<method name='Hold'><arg type='b' direction='in'/></method>"
    "<method name='Stop'/>"
    "</interface></node>";

typedef struct {
  GMainLoop *loop;
  GDBusConnection *connection;
  FzIpcService *service;
  FzIpcTree *tree;
  FzIpcObject *manager;
  GPtrArray *calls; /* text */
  GPtrArray *held;  /* FzIpcCall */
  gboolean holds;
  gboolean is_session;
  gboolean has_own_pace;
  gboolean is_connected; /* from the start */
  int n_resources;
  char *log;
  unsigned connecting; /* timer */
  uint64_t tx_bytes;
  int status;
} Mock;

/* -- what there is to reach -- */

static FzIpcObject *
add_object (Mock *mock, const char *kind, const char *key, FzIpcAudience audience)
{
  g_autofree char *path = g_strconcat (FZ_IPC_PATH "/", kind, "/", key, NULL);
  GDBusInterfaceInfo *info = fz_tunnel1_resource_interface_info ();

  if (strcmp (kind, "gateway") == 0)
    info = fz_tunnel1_gateway_interface_info ();
  else if (strcmp (kind, "relay") == 0)
    info = fz_tunnel1_relay_interface_info ();
  return fz_ipc_tree_add (mock->tree, path, info, audience);
}

static void
add_resource (Mock *mock, int i)
{
  static const struct {
    const char *name, *kind, *address, *note, *site, *state;
  } rows[] = {
    { "Intranet", "dns", "*.corp.example", "https://wiki.corp.example", "Berlin", "direct" },
    { "Build farm", "cidr", "10.20.0.0/24", "", "Berlin", "relayed" },
    { "Printer", "ip", "10.20.7.9", "second floor", "Paris", "idle" },
    { "Old archive", "dns", "archive.corp.example", "", "Paris", "offline" },
    { "Internet Resource", "internet", "", "", "Berlin", "idle" },
  };
  size_t kind = (size_t) i % G_N_ELEMENTS (rows);
  g_autofree char *id = g_strdup_printf ("00000000-0000-4000-8000-%012d", i);
  g_autofree char *key = g_strdelimit (g_strdup (id), "-", '_');
  g_autofree char *name = i < (int) G_N_ELEMENTS (rows)
                              ? g_strdup (rows[kind].name)
                              : g_strdup_printf ("%s %d", rows[kind].name, i);
  const char *const sites[] = { rows[kind].site, NULL };
  FzIpcObject *resource = add_object (mock, "resource", key, FZ_IPC_PRIVATE);
  bool has_path =
      strcmp (rows[kind].state, "direct") == 0 || strcmp (rows[kind].state, "relayed") == 0;

  fz_ipc_object_set_text (resource, "Id", id);
  fz_ipc_object_set_text (resource, "Name", name);
  fz_ipc_object_set_text (resource, "Kind", rows[kind].kind);
  fz_ipc_object_set_text (resource, "Address", rows[kind].address);
  fz_ipc_object_set_text (resource, "AddressNote", rows[kind].note);
  fz_ipc_object_set (resource, "Sites", g_variant_new_strv (sites, 1));
  fz_ipc_object_set_text (resource, "State", rows[kind].state);
  if (!has_path)
    return;
  fz_ipc_object_set_path (resource, "Gateway", FZ_IPC_PATH "/gateway/1");
  fz_ipc_object_set_u32 (resource, "Rtt", 12400);
  fz_ipc_object_set_u64 (resource, "LastActivity", (uint64_t) g_get_real_time ());
  fz_ipc_object_set_u64 (resource, "TxBytes", 48213);
  fz_ipc_object_set_u64 (resource, "RxBytes", 1048576);
}

static void
add_objects (Mock *mock)
{
  FzIpcObject *gateway = add_object (mock, "gateway", "1", FZ_IPC_PRIVATE);
  FzIpcObject *relay = add_object (mock, "relay", "1", FZ_IPC_PRIVATE);

  fz_ipc_object_set_text (gateway, "Id", "00000000-0000-4000-9000-000000000001");
  fz_ipc_object_set_text (gateway, "Site", "Berlin");
  fz_ipc_object_set_text (gateway, "Path", "direct");
  fz_ipc_object_set_text (gateway, "LocalCandidate", "192.0.2.10:52625");
  fz_ipc_object_set_text (gateway, "RemoteCandidate", "198.51.100.7:40001");
  fz_ipc_object_set_u32 (gateway, "Rtt", 12400);
  fz_ipc_object_set_text (relay, "Address", "203.0.113.2:3478");
  fz_ipc_object_set_text (relay, "State", "ready");
  fz_ipc_object_set_u32 (relay, "Rtt", 9000);
  for (int i = 0; i < mock->n_resources; i++)
    add_resource (mock, i);
}

static void
remove_objects (Mock *mock)
{
  static const char *const others[] = { FZ_IPC_PATH "/gateway/1", FZ_IPC_PATH "/relay/1" };
  FzIpcObject *object;

  for (int i = 0; i < mock->n_resources; i++) {
    g_autofree char *id = g_strdup_printf ("00000000-0000-4000-8000-%012d", i);
    g_autofree char *path = fz_ipc_dup_resource_path (id);

    if ((object = fz_ipc_tree_lookup (mock->tree, path)) != NULL)
      fz_ipc_tree_remove (mock->tree, object);
  }
  for (size_t i = 0; i < G_N_ELEMENTS (others); i++)
    if ((object = fz_ipc_tree_lookup (mock->tree, others[i])) != NULL)
      fz_ipc_tree_remove (mock->tree, object);
}

/* -- its life -- */

static const char *
get_state (Mock *mock)
{
  return g_variant_get_string (fz_ipc_object_get (mock->manager, "State"), NULL);
}

static bool
has_owner (Mock *mock)
{
  return g_variant_get_uint32 (fz_ipc_object_get (mock->manager, "Owner")) != FZ_IPC_NO_OWNER;
}

static void
set_connection (Mock *mock, bool is_up)
{
  const char *const addresses[] = { "100.64.0.7", "fd00:2021:1111::7", NULL };
  const char *const servers[] = { "100.100.111.1", NULL };

  fz_ipc_object_set_text (mock->manager, "Interface", is_up ? "tun-firezone" : "");
  fz_ipc_object_set (mock->manager, "Addresses", g_variant_new_strv (addresses, is_up ? 2 : 0));
  fz_ipc_object_set_u32 (mock->manager, "Mtu", is_up ? 1280 : 0);
  fz_ipc_object_set_text (mock->manager, "DnsMode", is_up ? "resolved" : "none");
  fz_ipc_object_set (mock->manager, "DnsServers", g_variant_new_strv (servers, is_up ? 1 : 0));
  fz_ipc_object_set_text (mock->manager, "PortalState", is_up ? "connected" : "off");
  fz_ipc_object_set_u32 (mock->manager, "PortalRtt", is_up ? 23000 : 0);
  if (!is_up)
    fz_ipc_object_set_text (mock->manager, "InternetResource", "unavailable");
  else if (strcmp (
               g_variant_get_string (fz_ipc_object_get (mock->manager, "InternetResource"), NULL),
               "unavailable") == 0)
    fz_ipc_object_set_text (mock->manager, "InternetResource", "off");
}

static gboolean
on_connected (gpointer user_data)
{
  Mock *mock = user_data;

  mock->connecting = 0;
  set_connection (mock, true);
  add_objects (mock);
  fz_ipc_service_set_state (mock->service, "connected", "", "");
  fz_ipc_service_emit_event (mock->service, "connected", NULL);
  return G_SOURCE_REMOVE;
}

static void
leave (Mock *mock, const char *state, const char *reason)
{
  g_clear_handle_id (&mock->connecting, g_source_remove);
  remove_objects (mock);
  set_connection (mock, false);
  fz_ipc_service_set_state (mock->service, state, reason, "");
}

/* -- handlers -- */

static void
finish (Mock *mock, FzIpcCall *call, GVariant *values)
{
  if (mock->holds)
    g_ptr_array_add (mock->held, call);
  else
    fz_ipc_call_return (call, values);
}

static Mock *
note (FzIpcCall *call, gpointer user_data)
{
  Mock *mock = user_data;

  g_ptr_array_add (
      mock->calls,
      g_strdup_printf ("%s %u", fz_ipc_call_get_method (call), fz_ipc_call_get_uid (call)));
  return mock;
}

static void
handle_connect (FzIpcCall *call, gpointer user_data)
{
  Mock *mock = note (call, user_data);
  gboolean is_on = FALSE;

  if (!has_owner (mock)) {
    fz_ipc_call_fail (call, FZ_IPC_ERROR_NOT_SIGNED_IN, "nobody is signed in");
    return;
  }
  if (g_variant_lookup (fz_ipc_call_get_options (call), "internet-resource", "b", &is_on) && is_on)
    fz_ipc_object_set_text (mock->manager, "InternetResource", "on");
  if (strcmp (get_state (mock), "connected") != 0 && strcmp (get_state (mock), "connecting") != 0) {
    fz_ipc_object_set_text (mock->manager, "PortalState", "connecting");
    fz_ipc_service_set_state (mock->service, "connecting", "", "");
    if (!mock->has_own_pace)
      mock->connecting = g_timeout_add (CONNECTING_MS, on_connected, mock);
  }
  finish (mock, call, NULL);
}

static void
handle_disconnect (FzIpcCall *call, gpointer user_data)
{
  Mock *mock = note (call, user_data);

  if (has_owner (mock))
    leave (mock, "offline", "");
  finish (mock, call, NULL);
}

static void
handle_reconnect (FzIpcCall *call, gpointer user_data)
{
  finish (note (call, user_data), call, NULL);
}

static void
set_text_option (Mock *mock, GVariant *options, const char *key, const char *property)
{
  const char *text = "";

  g_variant_lookup (options, key, "&s", &text);
  fz_ipc_object_set_text (mock->manager, property, text);
}

static void
handle_set_credential (FzIpcCall *call, gpointer user_data)
{
  Mock *mock = note (call, user_data);
  GVariant *options = fz_ipc_call_get_options (call);
  char token[FZ_IPC_CREDENTIAL_BYTES_MAX + 1];
  g_autoptr (GError) error = NULL;
  int fd = fz_ipc_call_steal_fd (call);
  bool is_good = fz_ipc_credential_read (fd, token, sizeof token, &error);

  close (fd);
  if (!is_good) {
    fz_ipc_call_take_error (call, g_steal_pointer (&error));
    return;
  }
  explicit_bzero (token, sizeof token);
  leave (mock, "offline", "");
  fz_ipc_service_set_owner (mock->service, fz_ipc_call_get_uid (call));
  set_text_option (mock, options, "account", "Account");
  set_text_option (mock, options, "actor", "Actor");
  set_text_option (mock, options, "api-url", "PortalUrl");
  finish (mock, call, NULL);
}

static void
handle_clear_credential (FzIpcCall *call, gpointer user_data)
{
  Mock *mock = note (call, user_data);

  leave (mock, "signed-out", "user");
  fz_ipc_object_set_text (mock->manager, "Account", "");
  fz_ipc_object_set_text (mock->manager, "Actor", "");
  fz_ipc_object_set_text (mock->manager, "PortalUrl", "");
  fz_ipc_service_set_owner (mock->service, FZ_IPC_NO_OWNER);
  finish (mock, call, NULL);
}

static void
handle_set_internet_resource (FzIpcCall *call, gpointer user_data)
{
  Mock *mock = note (call, user_data);
  gboolean is_on;

  g_variant_get (fz_ipc_call_get_parameters (call), "(b)", &is_on);
  if (!has_owner (mock)) {
    fz_ipc_call_fail (call, FZ_IPC_ERROR_NOT_SIGNED_IN, "nobody is signed in");
    return;
  }
  fz_ipc_object_set_text (mock->manager, "InternetResource", is_on ? "on" : "off");
  finish (mock, call, NULL);
}

static void
handle_open_log (FzIpcCall *call, gpointer user_data)
{
  static const char lines[] =
      "{\"time\":\"2026-03-01T09:12:44.031Z\",\"severity\":\"INFO\",\"target\":\"portal\","
      "\"message\":\"the portal let us in\",\"event\":\"joined\"}\n"
      "{\"time\":\"2026-03-01T09:12:45.102Z\",\"severity\":\"WARNING\",\"target\":\"ice\","
      "\"message\":\"a path was lost\",\"event\":\"path-lost\",\"n_left\":2}\n"
      "{\"time\":\"2026-03-01T09:12:46.500Z\",\"severity\":\"ERROR\",\"target\":\"dns\","
      "\"message\":\"no server answers\",\"event\":\"dns-failed\"}\n"
      "not a line of ours\n";
  Mock *mock = note (call, user_data);
  g_autofree char *path = NULL;
  int fd;

  if (mock->log != NULL) {
    fd = open (mock->log, O_RDONLY | O_CLOEXEC);
    g_assert (fd >= 0);
    fz_ipc_call_return_fd (call, fd);
    return;
  }
  fd = g_file_open_tmp ("fz-mock-XXXXXX.jsonl", &path, NULL);
  g_assert (write (fd, lines, sizeof lines - 1) == (ssize_t) sizeof lines - 1);
  close (fd);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  unlink (path);
  fz_ipc_call_return_fd (call, fd);
}

static void
handle_set_log_filter (FzIpcCall *call, gpointer user_data)
{
  Mock *mock = note (call, user_data);
  const char *filter;

  g_variant_get (fz_ipc_call_get_parameters (call), "(&s)", &filter);
  if (strstr (filter, "nonsense") != NULL) {
    fz_ipc_call_fail (call, FZ_IPC_ERROR_INVALID_ARGUMENT, "\"%s\" is no directive", filter);
    return;
  }
  fz_ipc_object_set_text (mock->manager, "LogFilter", *filter != '\0' ? filter : "info");
  finish (mock, call, NULL);
}

static void
handle_export (FzIpcCall *call, gpointer user_data)
{
  static const char bundle[] = "\x1f\x8b not really a bundle";
  int fd = fz_ipc_call_steal_fd (call);
  bool is_written = write (fd, bundle, sizeof bundle - 1) == (ssize_t) sizeof bundle - 1;

  note (call, user_data);
  close (fd);
  if (is_written)
    fz_ipc_call_return (call, NULL);
  else
    fz_ipc_call_fail (call, FZ_IPC_ERROR_INVALID_ARGUMENT, "the target cannot be written");
}

static void
handle_self_test (FzIpcCall *call, gpointer user_data)
{
  GVariantBuilder results = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(sbs)"));

  note (call, user_data);
  g_variant_builder_add (&results, "(sbs)", "tun-device", TRUE, "");
  g_variant_builder_add (
      &results, "(sbs)", "udp-buffers", FALSE, "raise net.core.rmem_max to 16777216");
  fz_ipc_call_return (call, g_variant_new ("(a(sbs))", &results));
}

static void
handle_metrics (FzIpcCall *call, gpointer user_data)
{
  GVariantBuilder counters = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{st}"));

  note (call, user_data);
  g_variant_builder_add (&counters, "{st}", "udp_tx_packets", UINT64_C (1234));
  g_variant_builder_add (&counters, "{st}", "tun_rx_packets", UINT64_C (987));
  fz_ipc_call_return (call, g_variant_new ("(a{st})", &counters));
}

static void
handle_exposition (FzIpcCall *call, gpointer user_data)
{
  note (call, user_data);
  fz_ipc_call_return (call,
                      g_variant_new ("(s)",
                                     "# HELP firezone_peers Peers.\n"
                                     "# TYPE firezone_peers gauge\n"
                                     "firezone_peers 2\n"));
}

static void
sample (FzIpcSample *out, gpointer user_data)
{
  Mock *mock = user_data;

  if (strcmp (get_state (mock), "connected") != 0)
    return;
  mock->tx_bytes += 125000;
  *out = (FzIpcSample){
    .tx_bytes = mock->tx_bytes,
    .rx_bytes = mock->tx_bytes * 8,
    .tx_packets = mock->tx_bytes / 1250,
    .rx_packets = mock->tx_bytes / 156,
    .rtt_us = 12400,
  };
}

/* -- steered by a test -- */

static void
stop_service (Mock *mock)
{
  g_clear_handle_id (&mock->connecting, g_source_remove);
  g_clear_pointer (&mock->service, fz_ipc_service_free);
}

static void
release_held (Mock *mock)
{
  g_autoptr (GPtrArray) held = g_steal_pointer (&mock->held);

  mock->held = g_ptr_array_new ();
  for (unsigned i = 0; i < held->len; i++)
    fz_ipc_call_return (held->pdata[i], NULL);
}

static void
on_test_call (GDBusConnection *connection,
              const char *sender,
              const char *path,
              const char *interface,
              const char *method,
              GVariant *parameters,
              GDBusMethodInvocation *invocation,
              gpointer user_data)
{
  Mock *mock = user_data;
  const char *a, *b, *c;
  GVariant *reply = NULL;
  g_autoptr (GVariant) value = NULL;
  gboolean is_on;
  guint32 uid;

  if (strcmp (method, "SetState") == 0) {
    g_variant_get (parameters, "(&s&s&s)", &a, &b, &c);
    fz_ipc_service_set_state (mock->service, a, b, c);
  } else if (strcmp (method, "SetOwner") == 0) {
    g_variant_get (parameters, "(u)", &uid);
    fz_ipc_service_set_owner (mock->service, uid);
  } else if (strcmp (method, "Set") == 0) {
    g_variant_get (parameters, "(&o&sv)", &a, &b, &value);
    fz_ipc_object_set (fz_ipc_tree_lookup (mock->tree, a), b, value);
  } else if (strcmp (method, "Add") == 0) {
    g_variant_get (parameters, "(&s&sb)", &a, &b, &is_on);
    add_object (mock, a, b, is_on ? FZ_IPC_PRIVATE : FZ_IPC_PUBLIC);
  } else if (strcmp (method, "Remove") == 0) {
    g_variant_get (parameters, "(&o)", &a);
    fz_ipc_tree_remove (mock->tree, fz_ipc_tree_lookup (mock->tree, a));
  } else if (strcmp (method, "Event") == 0) {
    g_variant_get (parameters, "(&s@a{sv})", &a, &value);
    fz_ipc_service_emit_event (mock->service, a, value);
  } else if (strcmp (method, "Calls") == 0) {
    reply = g_variant_new (
        "(@as)",
        g_variant_new_strv ((const char *const *) mock->calls->pdata, (gssize) mock->calls->len));
  } else if (strcmp (method, "Hold") == 0) {
    g_variant_get (parameters, "(b)", &mock->holds);
    if (!mock->holds)
      release_held (mock);
  } else {
    stop_service (mock);
  }
  g_dbus_method_invocation_return_value (invocation, reply);
}

static gboolean
on_term (gpointer user_data)
{
  Mock *mock = user_data;

  g_main_loop_quit (mock->loop);
  return G_SOURCE_CONTINUE;
}

static void
on_name_lost (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Mock *mock = user_data;

  fprintf (stderr, "fz-mock-tunnel: the name %s cannot be had\n", name);
  mock->status = EXIT_FAILURE;
  g_main_loop_quit (mock->loop);
}

static void
set_constants (Mock *mock)
{
  const char *const features[] = { "tso", "udp-gso", "udp-gro", "multi-queue:2", "aead:ipsec-mb" };

  fz_ipc_object_set (
      mock->manager, "Features", g_variant_new_strv (features, G_N_ELEMENTS (features)));
  fz_ipc_object_set_text (mock->manager, "Mode", "host-helper");
  fz_ipc_object_set_text (mock->manager, "LogFilter", "info");
  fz_ipc_object_set_text (mock->manager, "PortalState", "off");
  fz_ipc_object_set_text (mock->manager, "DnsMode", "none");
  fz_ipc_object_set_text (mock->manager, "InternetResource", "unavailable");
}

static bool
parse_options (Mock *mock, int *argc, char ***argv)
{
  const GOptionEntry entries[] = {
    { "session", 0, 0, G_OPTION_ARG_NONE, &mock->is_session, "on the session bus", NULL },
    { "own-pace", 0, 0, G_OPTION_ARG_NONE, &mock->has_own_pace, "stay connecting", NULL },
    { "connected", 0, 0, G_OPTION_ARG_NONE, &mock->is_connected, "begin connected", NULL },
    { "resources", 0, 0, G_OPTION_ARG_INT, &mock->n_resources, "how many there are", "N" },
    { "log", 0, 0, G_OPTION_ARG_FILENAME, &mock->log, "what OpenLog opens", "FILE" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (g_option_context_parse (context, argc, argv, &error))
    return true;
  fprintf (stderr, "fz-mock-tunnel: %s\n", error->message);
  return false;
}

int
main (int argc, char **argv)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_test_call };
  g_autoptr (GDBusNodeInfo) info = g_dbus_node_info_new_for_xml (test_xml, NULL);
  g_autoptr (GError) error = NULL;
  Mock mock = { .n_resources = 5 };
  unsigned test, name;
  FzIpcServiceConfig config = {
    .handlers = { handle_connect,
                  handle_disconnect,
                  handle_reconnect,
                  handle_set_credential,
                  handle_clear_credential,
                  handle_set_internet_resource,
                  handle_open_log,
                  handle_set_log_filter,
                  handle_export,
                  handle_self_test,
                  handle_metrics,
                  handle_exposition,
                  sample },
    .user_data = &mock,
  };

  if (!parse_options (&mock, &argc, &argv))
    return EXIT_FAILURE;
  mock.connection =
      g_bus_get_sync (mock.is_session ? G_BUS_TYPE_SESSION : G_BUS_TYPE_SYSTEM, NULL, &error);
  if (mock.connection == NULL) {
    fprintf (stderr, "fz-mock-tunnel: %s\n", error->message);
    return EXIT_FAILURE;
  }
  mock.loop = g_main_loop_new (NULL, FALSE);
  mock.calls = g_ptr_array_new_with_free_func (g_free);
  mock.held = g_ptr_array_new ();
  config.connection = mock.connection;
  mock.service = fz_ipc_service_new (&config);
  mock.tree = fz_ipc_service_get_tree (mock.service);
  mock.manager = fz_ipc_tree_get_manager (mock.tree);
  set_constants (&mock);
  if (mock.is_connected) {
    fz_ipc_service_set_owner (mock.service, getuid ());
    on_connected (&mock);
  }
  test = g_dbus_connection_register_object (
      mock.connection, "/test", info->interfaces[0], &vtable, &mock, NULL, NULL);
  name = g_bus_own_name_on_connection (mock.connection,
                                       FZ_IPC_BUS_NAME,
                                       G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
                                       NULL,
                                       on_name_lost,
                                       &mock,
                                       NULL);
  g_unix_signal_add (SIGTERM, on_term, &mock);
  g_main_loop_run (mock.loop);

  /* in order, so that a leak is one */
  g_bus_unown_name (name);
  g_dbus_connection_unregister_object (mock.connection, test);
  stop_service (&mock);
  release_held (&mock);
  g_ptr_array_unref (mock.held);
  g_ptr_array_unref (mock.calls);
  g_dbus_connection_flush_sync (mock.connection, NULL, NULL);
  g_object_unref (mock.connection);
  while (g_main_context_iteration (NULL, FALSE))
    ; /* what GDBus still frees */
  g_main_loop_unref (mock.loop);
  g_free (mock.log);
  return mock.status;
}
