/* fz-menu-export.c: see fz-menu-export.h
 *
 * On the bus a menu is a set of lists of items, each known by two numbers: a group, which is what a
 * reader subscribes to, and a menu within it. (0, 0) is the top; sections stay in their parent's
 * group, a submenu begins a group of its own.
 */
#include "src/app/fz-menu-export.h"

static const char introspection[] = "<node><interface name='org.gtk.Menus'>"
                                    "<method name='Start'>"
                                    "<arg type='au' name='groups' direction='in'/>"
                                    "<arg type='a(uuaa{sv})' name='content' direction='out'/>"
                                    "</method>"
                                    "<method name='End'>"
                                    "<arg type='au' name='groups' direction='in'/>"
                                    "</method>"
                                    "<signal name='Changed'>"
                                    "<arg type='a(uuuuaa{sv})' name='changes'/>"
                                    "</signal>"
                                    "</interface></node>";

/* One list of items. */
typedef struct {
  guint32 group;
  guint32 menu;
  GPtrArray *items; /* GVariant, a{sv} */
} Level;

struct FzMenuExport {
  GDBusConnection *bus;
  char *path;
  GPtrArray *levels; /* as told last */
  guint id;
};

/* -- reading the menu -- */

static void
level_free (gpointer data)
{
  Level *level = data;

  g_ptr_array_unref (level->items);
  g_free (level);
}

typedef struct {
  GPtrArray *levels;
  GArray *n_menus; /* guint32, for each group: how many menus it has so far */
} Reading;

static void read_level (Reading *reading, GMenuModel *model, guint32 group, guint32 menu);

static guint32
next_menu (Reading *reading, guint32 group)
{
  return g_array_index (reading->n_menus, guint32, group)++;
}

static guint32
next_group (Reading *reading)
{
  guint32 none = 0;

  g_array_append_val (reading->n_menus, none);
  return reading->n_menus->len - 1;
}

static void
read_links (
    Reading *reading, GMenuModel *model, int position, guint32 group, GVariantBuilder *builder)
{
  g_autoptr (GMenuLinkIter) links = g_menu_model_iterate_item_links (model, position);
  g_autoptr (GMenuModel) target = NULL;
  const char *name;

  while (g_menu_link_iter_get_next (links, &name, &target)) {
    g_autofree char *key = g_strconcat (":", name, NULL);
    guint32 of = g_str_equal (name, G_MENU_LINK_SECTION) ? group : next_group (reading);
    guint32 menu = next_menu (reading, of);

    g_variant_builder_add (builder, "{sv}", key, g_variant_new ("(uu)", of, menu));
    read_level (reading, target, of, menu);
    g_clear_object (&target);
  }
}

static GVariant *
read_item (Reading *reading, GMenuModel *model, int position, guint32 group)
{
  g_autoptr (GMenuAttributeIter) attributes =
      g_menu_model_iterate_item_attributes (model, position);
  g_autoptr (GVariant) value = NULL;
  GVariantBuilder builder;
  const char *name;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  while (g_menu_attribute_iter_get_next (attributes, &name, &value)) {
    g_variant_builder_add (&builder, "{sv}", name, value);
    g_clear_pointer (&value, g_variant_unref);
  }
  read_links (reading, model, position, group, &builder);
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static void
read_level (Reading *reading, GMenuModel *model, guint32 group, guint32 menu)
{
  Level *level = g_new0 (Level, 1);

  level->group = group;
  level->menu = menu;
  level->items = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  g_ptr_array_add (reading->levels, level);
  for (int i = 0; i < g_menu_model_get_n_items (model); i++)
    g_ptr_array_add (level->items, read_item (reading, model, i, group));
}

static GPtrArray *
read_menu (GMenuModel *model)
{
  g_autoptr (GArray) n_menus = g_array_new (FALSE, FALSE, sizeof (guint32));
  Reading reading = { g_ptr_array_new_with_free_func (level_free), n_menus };
  guint32 group = next_group (&reading);

  read_level (&reading, model, group, next_menu (&reading, group));
  return reading.levels;
}

/* -- telling -- */

static void
add_items (GVariantBuilder *builder, const Level *level, guint first, guint n)
{
  g_variant_builder_open (builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = first; i < first + n; i++)
    g_variant_builder_add_value (builder, level->items->pdata[i]);
  g_variant_builder_close (builder);
}

static bool
asks_for (GVariant *groups, guint32 group)
{
  gsize n;
  const guint32 *asked = g_variant_get_fixed_array (groups, &n, sizeof *asked);

  for (gsize i = 0; i < n; i++)
    if (asked[i] == group)
      return true;
  return false;
}

/* What there is of @groups, each once; of what there is not, nothing. */
static GVariant *
answer_start (const FzMenuExport *self, GVariant *groups)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(uuaa{sv})"));
  for (guint i = 0; i < self->levels->len; i++) {
    const Level *level = self->levels->pdata[i];

    if (level->items->len == 0 || !asks_for (groups, level->group))
      continue;
    g_variant_builder_open (&builder, G_VARIANT_TYPE ("(uuaa{sv})"));
    g_variant_builder_add (&builder, "u", level->group);
    g_variant_builder_add (&builder, "u", level->menu);
    add_items (&builder, level, 0, level->items->len);
    g_variant_builder_close (&builder);
  }
  return g_variant_new ("(a(uuaa{sv}))", &builder);
}

static void
on_call (GDBusConnection *bus,
         const char *sender,
         const char *path,
         const char *interface,
         const char *method,
         GVariant *parameters,
         GDBusMethodInvocation *invocation,
         gpointer user_data)
{
  g_autoptr (GVariant) groups = g_variant_get_child_value (parameters, 0);

  g_dbus_method_invocation_return_value (
      invocation, g_str_equal (method, "Start") ? answer_start (user_data, groups) : NULL);
}

/* The end of @now that is as it was stays out of it, and so does the beginning. False: no change.
 */
static bool
add_change (GVariantBuilder *changes, const Level *before, const Level *now)
{
  const Level *either = now != NULL ? now : before;
  guint n_before = before != NULL ? before->items->len : 0;
  guint n_now = now != NULL ? now->items->len : 0;
  guint first = 0;

  while (first < n_before && first < n_now &&
         g_variant_equal (before->items->pdata[first], now->items->pdata[first]))
    first++;
  while (n_before > first && n_now > first &&
         g_variant_equal (before->items->pdata[n_before - 1], now->items->pdata[n_now - 1])) {
    n_before--;
    n_now--;
  }
  if (n_before == first && n_now == first)
    return false;
  g_variant_builder_open (changes, G_VARIANT_TYPE ("(uuuuaa{sv})"));
  g_variant_builder_add (changes, "u", either->group);
  g_variant_builder_add (changes, "u", either->menu);
  g_variant_builder_add (changes, "u", first);
  g_variant_builder_add (changes, "u", n_before - first);
  add_items (changes, either, first, n_now - first);
  g_variant_builder_close (changes);
  return true;
}

static const Level *
find_level (GPtrArray *levels, const Level *like)
{
  for (guint i = 0; i < levels->len; i++) {
    const Level *level = levels->pdata[i];

    if (level->group == like->group && level->menu == like->menu)
      return level;
  }
  return NULL;
}

/* (transfer floating): NULL if nothing is different */
static GVariant *
compare (GPtrArray *before, GPtrArray *now)
{
  GVariantBuilder changes;
  bool any = false;

  g_variant_builder_init (&changes, G_VARIANT_TYPE ("a(uuuuaa{sv})"));
  for (guint i = now->len; i-- > 0;) /* what is linked to stands before what links to it */
    any |= add_change (&changes, find_level (before, now->pdata[i]), now->pdata[i]);
  for (guint i = 0; i < before->len; i++)
    if (find_level (now, before->pdata[i]) == NULL)
      any |= add_change (&changes, before->pdata[i], NULL);
  if (any)
    return g_variant_new ("(a(uuuuaa{sv}))", &changes);
  g_variant_builder_clear (&changes);
  return NULL;
}

void
fz_menu_export_show (FzMenuExport *self, GMenuModel *menu)
{
  g_autoptr (GPtrArray) before = g_steal_pointer (&self->levels);
  GVariant *changes;

  self->levels = read_menu (menu);
  changes = compare (before, self->levels);
  if (changes != NULL) /* fails only where there is no bus any more */
    (void) g_dbus_connection_emit_signal (
        self->bus, NULL, self->path, "org.gtk.Menus", "Changed", changes, NULL);
}

/* -- life -- */

FzMenuExport *
fz_menu_export_new (GDBusConnection *bus, const char *path, GError **error)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_call };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (introspection, NULL);
  g_autoptr (FzMenuExport) self = g_new0 (FzMenuExport, 1);

  g_assert (node != NULL);
  self->bus = g_object_ref (bus);
  self->path = g_strdup (path);
  self->levels = g_ptr_array_new_with_free_func (level_free);
  self->id = g_dbus_connection_register_object (
      bus, path, node->interfaces[0], &vtable, self, NULL, error);
  return self->id != 0 ? g_steal_pointer (&self) : NULL;
}

void
fz_menu_export_free (FzMenuExport *self)
{
  if (self->id != 0)
    g_dbus_connection_unregister_object (self->bus, self->id);
  g_object_unref (self->bus);
  g_ptr_array_unref (self->levels);
  g_free (self->path);
  g_free (self);
}
