/* What a backend hears of its service on the bus: a real bus, and a service in this process that
 * answers when it is told to. */
#include "platform/linux/fz-linux-dns-bus-watch.h"

#include <glib/gstdio.h>

#define NAME      "dev.firezone.Test.Resolver"
#define PATH      "/dev/firezone/Test/Resolver"
#define INTERFACE "dev.firezone.Test"
#define QUIET_MS  500u /* longer than any pause between an event and what it leads to */

static GTestDBus *bus_daemon; /* one for all tests: it must be started before any thread */

typedef struct {
  FzDnsBackend backend; /* first: this is one */
  FzDnsMachine *machine;
  FzDnsControl *control;
  FzDnsBusWatch *watch;
  const char *address;
  GDBusConnection *service; /* the resolver's end */
  GDBusConnection *bus;     /* ours */
  GPtrArray *held;          /* invocations that wait for their answer */
  char *etc;
  char *conf;

  unsigned n_applied;
  unsigned n_read;
  unsigned n_replies;
} Bed;

/* -- a control whose only backend counts -- */

static void
free_backend (FzDnsBackend *backend)
{
}

static void
apply (FzDnsBackend *backend, const FzDnsSettings *settings)
{
  ((Bed *) (void *) backend)->n_applied++;
  fz_dns_control_take_applied (backend->control, false, NULL);
}

static void
revert (FzDnsBackend *backend, bool waits)
{
}

static void
read_upstreams (FzDnsBackend *backend)
{
}

static const FzDnsBackendFunctions backend_functions = {
  .free = free_backend,
  .apply = apply,
  .revert = revert,
  .read_upstreams = read_upstreams,
};

typedef struct {
  FzDnsMachine machine;
  Bed *bed;
} Machine;

static void
free_machine (FzDnsMachine *machine)
{
  g_free (machine);
}

static void
detect (FzDnsMachine *machine, FzDnsMode wanted, unsigned failed)
{
  Bed *bed = ((Machine *) (void *) machine)->bed;

  bed->backend = (FzDnsBackend){ &backend_functions, machine->control };
  fz_dns_control_take_backend (machine->control, FZ_DNS_MODE_RESOLVED, &bed->backend);
}

static const FzDnsMachineFunctions machine_functions = { .free = free_machine, .detect = detect };

static void
make_control (Bed *bed)
{
  static const FzIp server = { .family = FZ_IP_V4, .bytes = { 100, 100, 111, 1 } };
  const FzDnsSettings settings = { "tun-firezone", 7, &server, 1, NULL };
  const FzDnsControlConfig config = { .mode = FZ_DNS_MODE_RESOLVED };
  Machine *machine = g_new0 (Machine, 1);

  *machine = (Machine){ { &machine_functions, NULL }, bed };
  bed->control = fz_dns_control_new_for (&config, &machine->machine);
  fz_dns_control_set (bed->control, &settings);
  while (bed->n_applied == 0)
    g_main_context_iteration (NULL, TRUE);
}

/* -- the bus -- */

static GDBusConnection *
connect_to (const char *address)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *bus =
      g_dbus_connection_new_for_address_sync (address,
                                              G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                  G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                              NULL,
                                              NULL,
                                              &error);

  g_assert_no_error (error);
  return bus;
}

static void
on_call (GDBusConnection *bus,
         const char *sender,
         const char *path,
         const char *interface,
         const char *method,
         GVariant *args,
         GDBusMethodInvocation *invocation,
         gpointer user_data)
{
  g_ptr_array_add (((Bed *) user_data)->held, invocation);
}

static void
answer_all (Bed *bed)
{
  for (guint i = 0; i < bed->held->len; i++)
    g_dbus_method_invocation_return_value (bed->held->pdata[i], NULL);
  g_ptr_array_set_size (bed->held, 0);
}

static GVariant *
ask_bus (GDBusConnection *end, const char *method, GVariant *args)
{
  g_autoptr (GError) error = NULL;
  GVariant *reply = g_dbus_connection_call_sync (end,
                                                 "org.freedesktop.DBus",
                                                 "/org/freedesktop/DBus",
                                                 "org.freedesktop.DBus",
                                                 method,
                                                 args,
                                                 NULL,
                                                 G_DBUS_CALL_FLAGS_NONE,
                                                 -1,
                                                 NULL,
                                                 &error);

  g_assert_no_error (error);
  return reply;
}

static void
start_service (Bed *bed)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_call };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (
      "<node><interface name='" INTERFACE "'><method name='Read'/></interface></node>", NULL);
  g_autoptr (GVariant) reply = NULL;

  bed->service = connect_to (bed->address);
  g_assert_cmpuint (g_dbus_connection_register_object (
                        bed->service, PATH, node->interfaces[0], &vtable, bed, NULL, NULL),
                    !=,
                    0);
  reply = ask_bus (bed->service, "RequestName", g_variant_new ("(su)", NAME, 0));
}

static void
stop_service (Bed *bed)
{
  answer_all (bed);
  g_dbus_connection_close_sync (bed->service, NULL, NULL);
  g_clear_object (&bed->service);
}

static void
say_changed (Bed *bed, const char *path)
{
  g_autoptr (GError) error = NULL;

  g_dbus_connection_emit_signal (bed->service,
                                 NULL,
                                 path,
                                 "org.freedesktop.DBus.Properties",
                                 "PropertiesChanged",
                                 g_variant_new ("(sa{sv}as)", INTERFACE, NULL, NULL),
                                 &error);
  g_assert_no_error (error);
}

/* -- waiting -- */

static void
wait_for (const unsigned *counter, unsigned n)
{
  while (*counter < n)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (*counter, ==, n);
}

static gboolean
on_quiet (gpointer user_data)
{
  *(bool *) user_data = true;
  return G_SOURCE_REMOVE;
}

/* All that was said has been heard, for the bus keeps the order; and what it led to has happened,
 * for timers that were set earlier and for less time run out earlier. */
static void
settle (Bed *bed)
{
  bool is_quiet = false;

  if (bed->service != NULL)
    g_variant_unref (ask_bus (bed->service, "GetId", NULL));
  g_variant_unref (ask_bus (bed->bus, "GetId", NULL));
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_timeout_add (QUIET_MS, on_quiet, &is_quiet); /* watches that nothing more comes */
  while (!is_quiet)
    g_main_context_iteration (NULL, TRUE);
}

static void
assert_counts (const Bed *bed, unsigned n_applied, unsigned n_read)
{
  g_assert_cmpuint (bed->n_applied, ==, n_applied);
  g_assert_cmpuint (bed->n_read, ==, n_read);
}

/* -- set up -- */

static void
on_reply (GVariant *reply, const GError *error, gpointer user_data)
{
  ((Bed *) user_data)->n_replies++;
}

static void
read_now (FzDnsBackend *backend, const FzDnsService *service)
{
  ((Bed *) (void *) backend)->n_read++;
  fz_dns_call (service, PATH, INTERFACE, "Read", NULL, "()", on_reply, backend);
}

static void
set_up (Bed *bed, gconstpointer path)
{
  FzDnsBusWatchConfig config = { .name = NAME, .path = path, .read = read_now };

  *bed = (Bed){ .address = g_test_dbus_get_bus_address (bus_daemon) };
  bed->held = g_ptr_array_new ();
  bed->etc = g_dir_make_tmp ("fz-bus-watch-XXXXXX", NULL);
  bed->conf = g_build_filename (bed->etc, "resolv.conf", NULL);
  g_assert_true (g_file_set_contents (bed->conf, "nameserver 127.0.0.53\n", -1, NULL));
  start_service (bed);
  make_control (bed);
  config.backend = &bed->backend;
  config.bus = bed->bus = connect_to (bed->address);
  config.etc = bed->etc;
  bed->watch = fz_dns_bus_watch_new (&config);
  settle (bed); /* until it has seen the owner */
  assert_counts (bed, 1, 0);
}

static void
tear_down (Bed *bed, gconstpointer path)
{
  fz_dns_bus_watch_free (bed->watch);
  fz_dns_control_free (bed->control);
  if (bed->service != NULL)
    stop_service (bed);
  g_dbus_connection_close_sync (bed->bus, NULL, NULL);
  g_object_unref (bed->bus);
  g_ptr_array_unref (bed->held);
  g_assert_cmpint (g_unlink (bed->conf), ==, 0);
  g_assert_cmpint (g_rmdir (bed->etc), ==, 0);
  g_free (bed->conf);
  g_free (bed->etc);
}

/* -- tests -- */

/* A burst is one event, and each burst is one. */
static void
test_properties (Bed *bed, gconstpointer path)
{
  for (unsigned i = 0; i < 5; i++)
    say_changed (bed, PATH);
  settle (bed);
  assert_counts (bed, 2, 1);
  say_changed (bed, PATH);
  settle (bed);
  assert_counts (bed, 3, 2);
}

static void
test_other_object (Bed *bed, gconstpointer path)
{
  say_changed (bed, PATH "/link/_31");
  settle (bed);
  if (path == NULL)
    assert_counts (bed, 2, 1);
  else
    assert_counts (bed, 1, 0);
}

/* It went: nothing to do but wait. It came back: it has forgotten all. */
static void
test_restart (Bed *bed, gconstpointer path)
{
  stop_service (bed);
  settle (bed);
  assert_counts (bed, 1, 0);
  start_service (bed);
  settle (bed);
  assert_counts (bed, 2, 1);
}

/* The file says who is asked; it says nothing of the upstreams behind the service. */
static void
test_file (Bed *bed, gconstpointer path)
{
  g_assert_true (g_file_set_contents (bed->conf, "nameserver 192.0.2.1\n", -1, NULL));
  settle (bed);
  assert_counts (bed, 2, 0);
}

/* Only the last reading's answers count. */
static void
test_readings (Bed *bed, gconstpointer path)
{
  fz_dns_bus_watch_read (bed->watch);
  fz_dns_bus_watch_read (bed->watch); /* while one is due: no second */
  wait_for (&bed->n_read, 1);
  wait_for (&bed->held->len, 1);
  fz_dns_bus_watch_read (bed->watch);
  wait_for (&bed->n_read, 2);
  wait_for (&bed->held->len, 2);
  answer_all (bed);
  wait_for (&bed->n_replies, 1);
  settle (bed);
  g_assert_cmpuint (bed->n_replies, ==, 1);
  assert_counts (bed, 1, 2);
}

/* Neither an answer nor an event finds its way to a backend that is gone. */
static void
test_end (Bed *bed, gconstpointer path)
{
  fz_dns_bus_watch_read (bed->watch);
  wait_for (&bed->n_read, 1);
  wait_for (&bed->held->len, 1);
  fz_dns_bus_watch_read (bed->watch);
  g_clear_pointer (&bed->watch, fz_dns_bus_watch_free);
  answer_all (bed);
  say_changed (bed, PATH);
  g_assert_true (g_file_set_contents (bed->conf, "nameserver 192.0.2.1\n", -1, NULL));
  settle (bed);
  assert_counts (bed, 1, 1);
  g_assert_cmpuint (bed->n_replies, ==, 0);
}

static void
test_no_bus (void)
{
  FzDnsBackend backend = { 0 };
  const FzDnsBusWatchConfig config = { .backend = &backend, .name = NAME, .read = read_now };
  g_autoptr (FzDnsBusWatch) watch = fz_dns_bus_watch_new (&config);

  fz_dns_bus_watch_read (watch);
  g_assert_false (g_main_context_pending (NULL));
}

#define ADD(name, path, test)                                                                      \
  g_test_add ("/dns-bus-watch/" name, Bed, path, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  bus_daemon = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (bus_daemon);
  g_test_add_func ("/dns-bus-watch/no-bus", test_no_bus);
  ADD ("properties", PATH, test_properties);
  ADD ("another-object/does-not-count", PATH, test_other_object);
  ADD ("another-object/counts", NULL, test_other_object);
  ADD ("restart", PATH, test_restart);
  ADD ("file", PATH, test_file);
  ADD ("readings", PATH, test_readings);
  ADD ("end", PATH, test_end);
  status = g_test_run ();
  g_test_dbus_down (bus_daemon);
  g_object_unref (bus_daemon);
  return status;
}
