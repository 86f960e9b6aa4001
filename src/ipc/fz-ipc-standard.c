#include "src/ipc/fz-ipc-standard.h"

#include "src/ipc/fz-tunnel1-generated.h"

#include <string.h>

#define PROPERTIES     "org.freedesktop.DBus.Properties"
#define INTROSPECTABLE "org.freedesktop.DBus.Introspectable"

/* clang-format off */
#define DOCTYPE                                                                          \
  "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"   \
  "  \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n"
#define STANDARD_XML                                                                     \
  "  <interface name=\"org.freedesktop.DBus.Properties\">\n"                             \
  "    <method name=\"Get\">\n"                                                          \
  "      <arg name=\"interface_name\" type=\"s\" direction=\"in\"/>\n"                   \
  "      <arg name=\"property_name\" type=\"s\" direction=\"in\"/>\n"                    \
  "      <arg name=\"value\" type=\"v\" direction=\"out\"/>\n"                           \
  "    </method>\n"                                                                      \
  "    <method name=\"GetAll\">\n"                                                       \
  "      <arg name=\"interface_name\" type=\"s\" direction=\"in\"/>\n"                   \
  "      <arg name=\"properties\" type=\"a{sv}\" direction=\"out\"/>\n"                  \
  "    </method>\n"                                                                      \
  "    <method name=\"Set\">\n"                                                          \
  "      <arg name=\"interface_name\" type=\"s\" direction=\"in\"/>\n"                   \
  "      <arg name=\"property_name\" type=\"s\" direction=\"in\"/>\n"                    \
  "      <arg name=\"value\" type=\"v\" direction=\"in\"/>\n"                            \
  "    </method>\n"                                                                      \
  "    <signal name=\"PropertiesChanged\">\n"                                            \
  "      <arg name=\"interface_name\" type=\"s\"/>\n"                                    \
  "      <arg name=\"changed_properties\" type=\"a{sv}\"/>\n"                            \
  "      <arg name=\"invalidated_properties\" type=\"as\"/>\n"                           \
  "    </signal>\n"                                                                      \
  "  </interface>\n"                                                                     \
  "  <interface name=\"org.freedesktop.DBus.Introspectable\">\n"                         \
  "    <method name=\"Introspect\">\n"                                                   \
  "      <arg name=\"xml_data\" type=\"s\" direction=\"out\"/>\n"                        \
  "    </method>\n"                                                                      \
  "  </interface>\n"                                                                     \
  "  <interface name=\"org.freedesktop.DBus.Peer\">\n"                                   \
  "    <method name=\"Ping\"/>\n"                                                        \
  "    <method name=\"GetMachineId\">\n"                                                 \
  "      <arg name=\"machine_uuid\" type=\"s\" direction=\"out\"/>\n"                    \
  "    </method>\n"                                                                      \
  "  </interface>\n"
#define OBJECT_MANAGER_XML                                                               \
  "  <interface name=\"org.freedesktop.DBus.ObjectManager\">\n"                          \
  "    <method name=\"GetManagedObjects\">\n"                                            \
  "      <arg name=\"objects\" type=\"a{oa{sa{sv}}}\" direction=\"out\"/>\n"             \
  "    </method>\n"                                                                      \
  "    <signal name=\"InterfacesAdded\">\n"                                              \
  "      <arg name=\"object_path\" type=\"o\"/>\n"                                       \
  "      <arg name=\"interfaces_and_properties\" type=\"a{sa{sv}}\"/>\n"                 \
  "    </signal>\n"                                                                      \
  "    <signal name=\"InterfacesRemoved\">\n"                                            \
  "      <arg name=\"object_path\" type=\"o\"/>\n"                                       \
  "      <arg name=\"interfaces\" type=\"as\"/>\n"                                       \
  "    </signal>\n"                                                                      \
  "  </interface>\n"
/* clang-format on */

static const char *
get_path (const FzIpcCall *call)
{
  return g_dbus_message_get_path (call->message);
}

static bool
is_root (const char *path)
{
  return strcmp (path, FZ_IPC_PATH) == 0;
}

static FzIpcObject *
find_object (FzIpcTree *tree, const FzIpcCall *call)
{
  FzIpcObject *object = fz_ipc_tree_lookup (tree, get_path (call));

  if (object == NULL || !fz_ipc_object_is_visible (object, fz_ipc_call_is_privileged (call)))
    return NULL;
  return object;
}

bool
fz_ipc_standard_require_object (FzIpcTree *tree, FzIpcCall *call)
{
  if (find_object (tree, call) != NULL)
    return true;
  fz_ipc_call_fail_dbus (
      call, G_DBUS_ERROR_UNKNOWN_OBJECT, "there is no object %s", get_path (call));
  return false;
}

static bool
has_interface (FzIpcTree *tree, const FzIpcCall *call, const char *interface)
{
  static const char *const standard[] = { PROPERTIES, INTROSPECTABLE, NULL };
  FzIpcObject *object = find_object (tree, call);

  if (is_root (get_path (call)) && (strcmp (interface, FZ_IPC_DIAGNOSTICS) == 0 ||
                                    strcmp (interface, FZ_IPC_OBJECT_MANAGER) == 0))
    return true;
  return g_strv_contains (standard, interface) ||
         (object != NULL && strcmp (fz_ipc_object_get_info (object)->name, interface) == 0);
}

void
fz_ipc_standard_fail_unknown (FzIpcTree *tree, FzIpcCall *call)
{
  const char *interface = g_dbus_message_get_interface (call->message);

  if (interface != NULL && !has_interface (tree, call, interface))
    fz_ipc_call_fail_dbus (call,
                           G_DBUS_ERROR_UNKNOWN_INTERFACE,
                           "there is no interface %s at %s",
                           interface,
                           get_path (call));
  else
    fz_ipc_call_fail_dbus (call,
                           G_DBUS_ERROR_UNKNOWN_METHOD,
                           "there is no method %s",
                           g_dbus_message_get_member (call->message));
}

/* -- Properties -- */

/* Answers and returns false if @interface has no properties at all here. */
static bool
require_interface (FzIpcTree *tree, FzIpcCall *call, const char *interface)
{
  if (has_interface (tree, call, interface))
    return true;
  fz_ipc_call_fail_dbus (call,
                         G_DBUS_ERROR_UNKNOWN_INTERFACE,
                         "there is no interface %s at %s",
                         interface,
                         get_path (call));
  return false;
}

/* The property's value, NULL if the interface at this path has none of that name. */
static GVariant *
find_value (FzIpcTree *tree, const FzIpcCall *call, const char *interface, const char *property)
{
  const FzIpcObject *object = find_object (tree, call);

  if (strcmp (fz_ipc_object_get_info (object)->name, interface) != 0)
    return NULL;
  return fz_ipc_object_view (object, property, fz_ipc_call_is_privileged (call));
}

static void
fail_property (FzIpcCall *call, const char *property)
{
  fz_ipc_call_fail_dbus (
      call, G_DBUS_ERROR_UNKNOWN_PROPERTY, "there is no property %.256s", property);
}

static void
handle_get (FzIpcTree *tree, FzIpcCall *call)
{
  const char *interface, *property;
  g_autoptr (GVariant) value = NULL;

  g_variant_get (call->parameters, "(&s&s)", &interface, &property);
  if (!require_interface (tree, call, interface))
    return;
  value = find_value (tree, call, interface, property);
  if (value == NULL)
    fail_property (call, property);
  else
    fz_ipc_call_return (call, g_variant_new ("(v)", value));
}

static void
handle_get_all (FzIpcTree *tree, FzIpcCall *call)
{
  const FzIpcObject *object = find_object (tree, call);
  const char *interface;
  GVariant *values;

  g_variant_get (call->parameters, "(&s)", &interface);
  if (!require_interface (tree, call, interface))
    return;
  if (strcmp (fz_ipc_object_get_info (object)->name, interface) == 0)
    values = fz_ipc_object_view_all (object, fz_ipc_call_is_privileged (call));
  else
    values = g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0);
  fz_ipc_call_return (call, g_variant_new ("(@a{sv})", values));
}

/* None can be written: state changes are methods, which polkit is asked about. */
static void
handle_set (FzIpcTree *tree, FzIpcCall *call)
{
  const char *interface, *property;
  g_autoptr (GVariant) value = NULL;

  g_variant_get (call->parameters, "(&s&sv)", &interface, &property, NULL);
  if (!require_interface (tree, call, interface))
    return;
  value = find_value (tree, call, interface, property);
  if (value == NULL)
    fail_property (call, property);
  else
    fz_ipc_call_fail_dbus (call, G_DBUS_ERROR_PROPERTY_READ_ONLY, "%s cannot be written", property);
}

/* -- ObjectManager -- */

/* GDBus's thread. */
static GVariant *
write_managed (gpointer pictures)
{
  return fz_ipc_pictures_to_managed (pictures);
}

static void
handle_get_managed_objects (FzIpcTree *tree, FzIpcCall *call)
{
  if (!is_root (get_path (call)))
    fz_ipc_standard_fail_unknown (tree, call);
  else
    fz_ipc_call_return_bulk (call,
                             write_managed,
                             fz_ipc_tree_dup_managed (tree, fz_ipc_call_is_privileged (call)),
                             (GDestroyNotify) g_ptr_array_unref);
}

/* -- Introspectable -- */

bool
fz_ipc_standard_is_above (const char *path)
{
  size_t n = strlen (path);

  return strcmp (path, "/") == 0 || (strncmp (FZ_IPC_PATH, path, n) == 0 && FZ_IPC_PATH[n] == '/');
}

static void
append_child (GString *xml, const char *name)
{
  g_string_append_printf (xml, "  <node name=\"%s\"/>\n", name);
}

/* The one step from @path towards FZ_IPC_PATH. */
static void
append_step_down (GString *xml, const char *path)
{
  const char *rest = &FZ_IPC_PATH[strcmp (path, "/") == 0 ? 1 : strlen (path) + 1];
  g_autofree char *name = g_strndup (rest, strcspn (rest, "/"));

  append_child (xml, name);
}

static void
append_interfaces (GString *xml, const FzIpcObject *object)
{
  g_string_append (xml, STANDARD_XML);
  g_dbus_interface_info_generate_xml (fz_ipc_object_get_info (object), 2, xml);
  if (!is_root (fz_ipc_object_get_path (object)))
    return;
  g_string_append (xml, OBJECT_MANAGER_XML);
  g_dbus_interface_info_generate_xml (fz_tunnel1_diagnostics_interface_info (), 2, xml);
}

static void
handle_introspect (FzIpcTree *tree, FzIpcCall *call)
{
  const char *path = get_path (call);
  const FzIpcObject *object = find_object (tree, call);
  g_autoptr (GPtrArray) children =
      fz_ipc_tree_dup_children (tree, path, fz_ipc_call_is_privileged (call));
  g_autoptr (GString) xml = g_string_new (DOCTYPE "<node>\n");

  if (object == NULL && children->len == 0 && !fz_ipc_standard_is_above (path)) {
    fz_ipc_standard_require_object (tree, call);
    return;
  }
  if (object != NULL)
    append_interfaces (xml, object);
  if (fz_ipc_standard_is_above (path))
    append_step_down (xml, path);
  else
    for (unsigned i = 0; i < children->len; i++)
      append_child (xml, children->pdata[i]);
  g_string_append (xml, "</node>\n");
  fz_ipc_call_return (call, g_variant_new ("(s)", xml->str));
}

/* -- which -- */

static const struct {
  const char *interface;
  const char *method;
  const char *signature;
  bool needs_object; /* UnknownObject comes first */
  void (*handle) (FzIpcTree *tree, FzIpcCall *call);
} rows[] = {
  { PROPERTIES, "Get", "(ss)", true, handle_get },
  { PROPERTIES, "GetAll", "(s)", true, handle_get_all },
  { PROPERTIES, "Set", "(ssv)", true, handle_set },
  { FZ_IPC_OBJECT_MANAGER, "GetManagedObjects", "()", true, handle_get_managed_objects },
  { INTROSPECTABLE, "Introspect", "()", false, handle_introspect },
};

bool
fz_ipc_standard_handle (FzIpcTree *tree, FzIpcCall *call)
{
  const char *interface = g_dbus_message_get_interface (call->message);
  const char *method = g_dbus_message_get_member (call->message);

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    if (strcmp (rows[i].method, method) != 0 ||
        (interface != NULL && strcmp (rows[i].interface, interface) != 0))
      continue;
    if (rows[i].needs_object && !fz_ipc_standard_require_object (tree, call))
      return true;
    if (!g_variant_is_of_type (call->parameters, G_VARIANT_TYPE (rows[i].signature)))
      fz_ipc_call_fail_dbus (
          call, G_DBUS_ERROR_INVALID_ARGS, "%s takes %s", method, rows[i].signature);
    else
      rows[i].handle (tree, call);
    return true;
  }
  return false;
}
