#include "src/ipc/fz-ipc-tree.h"

#include "src/ipc/fz-ipc-names.h"
#include "src/ipc/fz-ipc-tree-private.h"
#include "src/ipc/fz-tunnel1-generated.h"

#include <string.h>

#define PROPERTIES_MAX       64u /* bits of FzIpcObject.changed */
#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"

struct FzIpcObject {
  FzIpcTree *tree;
  FzIpcPicture *picture; /* what it holds; replies that are being written see an earlier one */
  FzIpcAudience audience;
  uint64_t changed; /* bit i: property i differs from what was told */
  bool is_new;      /* nobody has been told that it exists */
  bool is_dirty;    /* in the tree's list of what to tell */
};

typedef struct {
  char *path;
  const char *interface;
  FzIpcAudience audience;
} Removal;

struct FzIpcTree {
  FzIpcTreeEvents events;
  gpointer user_data;
  GHashTable *objects; /* path -> FzIpcObject, all but the Manager; owns */
  FzIpcObject *manager;
  GPtrArray *dirty;    /* FzIpcObject, borrowed */
  GPtrArray *removals; /* Removal, owned */
  GSource *flush;      /* waits for the end of the turn */
};

/* -- one object -- */

static void
free_object (FzIpcObject *self)
{
  fz_ipc_picture_unref (self->picture);
  g_free (self);
}

static void
free_removal (Removal *removal)
{
  g_free (removal->path);
  g_free (removal);
}

static FzIpcObject *
make_object (FzIpcTree *tree, const char *path, GDBusInterfaceInfo *info, FzIpcAudience audience)
{
  FzIpcObject *self = g_new0 (FzIpcObject, 1);

  self->tree = tree;
  self->picture = fz_ipc_picture_new (path, info);
  self->audience = audience;
  g_assert (self->picture->n_values <= PROPERTIES_MAX);
  return self;
}

/* The property's index; their number if there is none of this name. */
static unsigned
find_property (const FzIpcObject *self, const char *name)
{
  GDBusPropertyInfo **properties = self->picture->info->properties;
  unsigned i = 0;

  while (i < self->picture->n_values && strcmp (properties[i]->name, name) != 0)
    i++;
  return i;
}

/* What names a person or a private network, or may repeat a portal's words about them, on an
 * object that everybody sees. */
static bool
is_private_property (const FzIpcObject *self, unsigned i)
{
  static const char *const names[] = { "Account", "Actor", "PortalUrl", "StateDetail", NULL };

  return self->audience == FZ_IPC_PUBLIC && self == self->tree->manager &&
         g_strv_contains (names, self->picture->info->properties[i]->name);
}

static void
mark_dirty (FzIpcObject *self)
{
  if (!self->is_dirty)
    g_ptr_array_add (self->tree->dirty, self);
  self->is_dirty = true;
  fz_ipc_tree_queue_flush (self->tree);
}

/* Takes @value. */
static void
change (FzIpcObject *self, unsigned i, GVariant *value)
{
  self->picture = fz_ipc_picture_set (self->picture, i, g_variant_ref_sink (value));
  self->changed |= UINT64_C (1) << i;
  mark_dirty (self);
}

/* Index of a property that is there and has the type. */
static unsigned
require_property (const FzIpcObject *self, const char *property, const char *type)
{
  unsigned i = find_property (self, property);

  g_assert (i < self->picture->n_values);
  g_assert (strcmp (self->picture->info->properties[i]->signature, type) == 0);
  return i;
}

void
fz_ipc_object_set (FzIpcObject *self, const char *property, GVariant *value)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (value);
  unsigned i = require_property (self, property, g_variant_get_type_string (sunk));

  if (!g_variant_equal (self->picture->values[i], sunk))
    change (self, i, sunk);
}

/* The shorthands make no value to find out that it is the same: thousands are, each second. */

void
fz_ipc_object_set_text (FzIpcObject *self, const char *property, const char *value)
{
  unsigned i = require_property (self, property, "s");
  const char *text = value != NULL ? value : "";

  if (strcmp (g_variant_get_string (self->picture->values[i], NULL), text) != 0)
    change (self, i, g_variant_new_string (text));
}

void
fz_ipc_object_set_u32 (FzIpcObject *self, const char *property, uint32_t value)
{
  unsigned i = require_property (self, property, "u");

  if (g_variant_get_uint32 (self->picture->values[i]) != value)
    change (self, i, g_variant_new_uint32 (value));
}

void
fz_ipc_object_set_u64 (FzIpcObject *self, const char *property, uint64_t value)
{
  unsigned i = require_property (self, property, "t");

  if (g_variant_get_uint64 (self->picture->values[i]) != value)
    change (self, i, g_variant_new_uint64 (value));
}

void
fz_ipc_object_set_path (FzIpcObject *self, const char *property, const char *value)
{
  unsigned i = require_property (self, property, "o");

  if (strcmp (g_variant_get_string (self->picture->values[i], NULL), value) != 0)
    change (self, i, g_variant_new_object_path (value));
}

GVariant *
fz_ipc_object_get (const FzIpcObject *self, const char *property)
{
  unsigned i = find_property (self, property);

  g_assert (i < self->picture->n_values);
  return self->picture->values[i];
}

const char *
fz_ipc_object_get_path (const FzIpcObject *self)
{
  return self->picture->path;
}

GDBusInterfaceInfo *
fz_ipc_object_get_info (const FzIpcObject *self)
{
  return self->picture->info;
}

/* -- through a caller's eyes -- */

bool
fz_ipc_object_is_visible (const FzIpcObject *self, bool is_privileged)
{
  return is_privileged || self->audience == FZ_IPC_PUBLIC;
}

static GVariant *
view_at (const FzIpcObject *self, unsigned i, bool is_privileged)
{
  if (is_private_property (self, i) && !is_privileged)
    return g_variant_ref_sink (fz_ipc_picture_make_zero (self->picture->info, i));
  return g_variant_ref (self->picture->values[i]);
}

GVariant *
fz_ipc_object_view (const FzIpcObject *self, const char *property, bool is_privileged)
{
  unsigned i = find_property (self, property);

  return i < self->picture->n_values ? view_at (self, i, is_privileged) : NULL;
}

static void
add_property (GVariantBuilder *builder, const FzIpcObject *self, unsigned i, bool is_privileged)
{
  g_autoptr (GVariant) value = view_at (self, i, is_privileged);

  g_variant_builder_add (builder, "{sv}", self->picture->info->properties[i]->name, value);
}

GVariant *
fz_ipc_object_view_all (const FzIpcObject *self, bool is_privileged)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sv}"));

  for (unsigned i = 0; i < self->picture->n_values; i++)
    add_property (&builder, self, i, is_privileged);
  return g_variant_builder_end (&builder);
}

GPtrArray *
fz_ipc_tree_dup_managed (FzIpcTree *self, bool is_privileged)
{
  GPtrArray *out = g_ptr_array_new_full (g_hash_table_size (self->objects),
                                         (GDestroyNotify) fz_ipc_picture_unref);
  FzIpcObject *object;
  GHashTableIter iter;

  g_hash_table_iter_init (&iter, self->objects);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &object))
    if (fz_ipc_object_is_visible (object, is_privileged))
      g_ptr_array_add (out, fz_ipc_picture_ref (object->picture));
  return out;
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

GPtrArray *
fz_ipc_tree_dup_children (FzIpcTree *self, const char *path, bool is_privileged)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  GPtrArray *out = g_ptr_array_new_with_free_func (g_free);
  size_t n = strlen (path);
  FzIpcObject *object;
  GHashTableIter iter;

  g_hash_table_iter_init (&iter, self->objects);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &object)) {
    const char *full = object->picture->path;
    char *name;

    if (!fz_ipc_object_is_visible (object, is_privileged) || strncmp (full, path, n) != 0 ||
        full[n] != '/')
      continue;
    name = g_strndup (full + n + 1, strcspn (full + n + 1, "/"));
    if (g_hash_table_contains (seen, name)) { /* adding it would keep the newer key */
      g_free (name);
    } else {
      g_hash_table_add (seen, name);
      g_ptr_array_add (out, name);
    }
  }
  g_ptr_array_sort (out, compare_names);
  return out;
}

/* -- telling -- */

static void
emit (FzIpcTree *self,
      const char *destination,
      FzIpcAudience audience,
      const char *path,
      const char *interface,
      const char *signal,
      GVariant *parameters)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (parameters);

  self->events.emit (destination, audience, path, interface, signal, sunk, self->user_data);
}

static void
tell_removed (FzIpcTree *self,
              const char *destination,
              FzIpcAudience audience,
              const char *path,
              const char *interface)
{
  const char *const interfaces[] = { interface, NULL };

  emit (self,
        destination,
        audience,
        FZ_IPC_PATH,
        FZ_IPC_OBJECT_MANAGER,
        "InterfacesRemoved",
        g_variant_new ("(o^as)", path, interfaces));
}

static void
tell_added (const FzIpcObject *object, const char *destination)
{
  FzIpcTree *tree = object->tree;

  tree->events.emit_added (destination, object->audience, object->picture, tree->user_data);
}

/* The properties of @which whose audience is @audience. */
static void
tell_properties (const FzIpcObject *object,
                 uint64_t which,
                 FzIpcAudience audience,
                 const char *destination,
                 bool is_privileged)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sv}"));
  bool is_any = false;

  for (unsigned i = 0; i < object->picture->n_values; i++) {
    FzIpcAudience needed = is_private_property (object, i) ? FZ_IPC_PRIVATE : object->audience;

    if ((which >> i & 1) == 0 || needed != audience)
      continue;
    add_property (&builder, object, i, is_privileged);
    is_any = true;
  }
  if (!is_any) {
    g_variant_builder_clear (&builder);
    return;
  }
  emit (object->tree,
        destination,
        audience,
        object->picture->path,
        PROPERTIES_INTERFACE,
        "PropertiesChanged",
        g_variant_new (
            "(sa{sv}@as)", object->picture->info->name, &builder, g_variant_new_strv (NULL, 0)));
}

static void
tell_object (FzIpcObject *object)
{
  uint64_t changed = object->changed;

  object->is_dirty = false;
  object->changed = 0;
  if (object->is_new) {
    object->is_new = false;
    tell_added (object, NULL);
    return;
  }
  tell_properties (object, changed, FZ_IPC_PUBLIC, NULL, true);
  tell_properties (object, changed, FZ_IPC_PRIVATE, NULL, true);
}

void
fz_ipc_tree_flush (FzIpcTree *self)
{
  if (self->flush == NULL)
    return;
  g_source_destroy (self->flush);
  g_clear_pointer (&self->flush, g_source_unref);

  for (unsigned i = 0; i < self->removals->len; i++) {
    const Removal *removal = self->removals->pdata[i];

    tell_removed (self, NULL, removal->audience, removal->path, removal->interface);
  }
  g_ptr_array_set_size (self->removals, 0);
  for (unsigned i = 0; i < self->dirty->len; i++)
    tell_object (self->dirty->pdata[i]);
  g_ptr_array_set_size (self->dirty, 0);
  self->events.flushed (self->user_data);
}

static gboolean
on_turn_ends (gpointer user_data)
{
  fz_ipc_tree_flush (user_data);
  return G_SOURCE_REMOVE;
}

void
fz_ipc_tree_queue_flush (FzIpcTree *self)
{
  if (self->flush != NULL)
    return;
  self->flush = g_idle_source_new ();
  g_source_set_priority (self->flush, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->flush, on_turn_ends, self, NULL);
  g_source_attach (self->flush, NULL);
}

void
fz_ipc_tree_show_private (FzIpcTree *self, const char *name, bool is_here)
{
  FzIpcObject *object;
  GHashTableIter iter;

  fz_ipc_tree_flush (self);
  tell_properties (self->manager, UINT64_MAX, FZ_IPC_PRIVATE, name, is_here);
  g_hash_table_iter_init (&iter, self->objects);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &object)) {
    if (object->audience == FZ_IPC_PUBLIC)
      continue;
    if (is_here)
      tell_added (object, name);
    else
      tell_removed (self, name, FZ_IPC_PRIVATE, object->picture->path, object->picture->info->name);
  }
}

/* -- the tree -- */

FzIpcTree *
fz_ipc_tree_new (const FzIpcTreeEvents *events, gpointer user_data)
{
  FzIpcTree *self = g_new0 (FzIpcTree, 1);

  self->events = *events;
  self->user_data = user_data;
  self->objects =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) free_object);
  self->dirty = g_ptr_array_new ();
  self->removals = g_ptr_array_new_with_free_func ((GDestroyNotify) free_removal);
  self->manager =
      make_object (self, FZ_IPC_PATH, fz_tunnel1_manager_interface_info (), FZ_IPC_PUBLIC);
  return self;
}

void
fz_ipc_tree_free (FzIpcTree *self)
{
  if (self->flush != NULL) {
    g_source_destroy (self->flush);
    g_source_unref (self->flush);
  }
  g_hash_table_unref (self->objects);
  g_ptr_array_unref (self->dirty);
  g_ptr_array_unref (self->removals);
  free_object (self->manager);
  g_free (self);
}

FzIpcObject *
fz_ipc_tree_add (FzIpcTree *self,
                 const char *path,
                 GDBusInterfaceInfo *info,
                 FzIpcAudience audience)
{
  FzIpcObject *object;

  g_assert (g_variant_is_object_path (path));
  g_assert (g_str_has_prefix (path, FZ_IPC_PATH "/"));
  g_assert (!g_hash_table_contains (self->objects, path));
  object = make_object (self, path, info, audience);
  object->is_new = true;
  g_hash_table_insert (self->objects, object->picture->path, object);
  mark_dirty (object);
  return object;
}

void
fz_ipc_tree_remove (FzIpcTree *self, FzIpcObject *object)
{
  g_assert (object != self->manager);
  if (object->is_dirty)
    g_ptr_array_remove (self->dirty, object);
  if (!object->is_new) {
    Removal *removal = g_new0 (Removal, 1);

    removal->path = g_strdup (object->picture->path);
    removal->interface = object->picture->info->name;
    removal->audience = object->audience;
    g_ptr_array_add (self->removals, removal);
    fz_ipc_tree_queue_flush (self);
  }
  g_hash_table_remove (self->objects, object->picture->path);
}

FzIpcObject *
fz_ipc_tree_lookup (FzIpcTree *self, const char *path)
{
  return strcmp (path, FZ_IPC_PATH) == 0 ? self->manager
                                         : g_hash_table_lookup (self->objects, path);
}

FzIpcObject *
fz_ipc_tree_get_manager (FzIpcTree *self)
{
  return self->manager;
}

/* -- paths -- */

char *
fz_ipc_dup_resource_path (const char *id)
{
  g_autofree char *name = g_strdelimit (g_strdup (id), "-", '_');

  return g_strconcat (FZ_IPC_PATH "/resource/", name, NULL);
}

char *
fz_ipc_dup_gateway_path (unsigned n)
{
  return g_strdup_printf (FZ_IPC_PATH "/gateway/%u", n);
}

char *
fz_ipc_dup_relay_path (unsigned n)
{
  return g_strdup_printf (FZ_IPC_PATH "/relay/%u", n);
}
