/* fz-remote-list.c: see fz-remote-list.h */
#include "src/app/fz-remote-list.h"

struct _FzRemoteList {
  GObject parent_instance;

  GType item_type;
  GPtrArray *shown;    /* what the list model says */
  GPtrArray *pending;  /* appended to @shown at the end of this turn */
  GHashTable *gone;    /* items of @shown that are taken out then */
  GHashTable *by_path; /* path -> item, of both but @gone; owns path, not item */
  guint flush_id;
};

static void list_model_init (GListModelInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (FzRemoteList,
                               fz_remote_list,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL, list_model_init))

static GType
get_item_type (GListModel *model)
{
  return FZ_REMOTE_LIST (model)->item_type;
}

static guint
get_n_items (GListModel *model)
{
  return FZ_REMOTE_LIST (model)->shown->len;
}

static gpointer
get_item (GListModel *model, guint position)
{
  FzRemoteList *self = FZ_REMOTE_LIST (model);

  return position < self->shown->len ? g_object_ref (self->shown->pdata[position]) : NULL;
}

static void
list_model_init (GListModelInterface *iface)
{
  iface->get_item_type = get_item_type;
  iface->get_n_items = get_n_items;
  iface->get_item = get_item;
}

static bool
is_gone (FzRemoteList *self, guint position)
{
  return g_hash_table_contains (self->gone, self->shown->pdata[position]);
}

/* Takes out what is gone and tells it as one change, from the first of them to the last. */
static void
flush_gone (FzRemoteList *self)
{
  g_autoptr (GPtrArray) kept = NULL;
  guint first = 0, end = self->shown->len, n_between;

  if (g_hash_table_size (self->gone) == 0)
    return;
  while (!is_gone (self, first))
    first++;
  while (!is_gone (self, end - 1))
    end--;
  kept = g_ptr_array_new_full (self->shown->len, g_object_unref);
  for (guint i = 0; i < self->shown->len; i++)
    if (i < first || i >= end || !is_gone (self, i))
      g_ptr_array_add (kept, g_object_ref (self->shown->pdata[i]));
  n_between = end - first - g_hash_table_size (self->gone);
  g_hash_table_remove_all (self->gone);
  g_ptr_array_unref (self->shown);
  self->shown = g_steal_pointer (&kept);
  g_list_model_items_changed (G_LIST_MODEL (self), first, end - first, n_between);
}

static void
flush (FzRemoteList *self)
{
  guint n_before, n_added = self->pending->len;

  g_clear_handle_id (&self->flush_id, g_source_remove);
  flush_gone (self);
  n_before = self->shown->len;
  if (n_added == 0)
    return;
  g_ptr_array_extend_and_steal (self->shown, g_steal_pointer (&self->pending));
  self->pending = g_ptr_array_new_with_free_func (g_object_unref);
  g_list_model_items_changed (G_LIST_MODEL (self), n_before, 0, n_added);
}

static gboolean
on_turn_over (gpointer user_data)
{
  FzRemoteList *self = user_data;

  self->flush_id = 0;
  flush (self);
  return G_SOURCE_REMOVE;
}

/* After everything that has arrived already, and before the next frame. */
static void
queue_flush (FzRemoteList *self)
{
  if (self->flush_id == 0)
    self->flush_id = g_idle_add_full (G_PRIORITY_HIGH_IDLE, on_turn_over, self, NULL);
}

/* (transfer full) */
static gpointer
make_item (FzRemoteList *self, const char *path, GVariant *properties)
{
  gpointer item = g_object_new (self->item_type, NULL);

  fz_remote_object_apply (item, properties);
  g_hash_table_insert (self->by_path, g_strdup (path), item);
  return item;
}

void
fz_remote_list_add (FzRemoteList *self, const char *path, GVariant *properties)
{
  gpointer item = g_hash_table_lookup (self->by_path, path);

  if (item != NULL) {
    fz_remote_object_apply (item, properties);
    return;
  }
  g_ptr_array_add (self->pending, make_item (self, path, properties));
  queue_flush (self);
}

void
fz_remote_list_remove (FzRemoteList *self, const char *path)
{
  gpointer item = g_hash_table_lookup (self->by_path, path);

  if (item == NULL)
    return;
  g_hash_table_remove (self->by_path, path);
  if (self->pending->len > 0 && g_ptr_array_remove (self->pending, item))
    return;
  g_hash_table_add (self->gone, item);
  queue_flush (self);
}

void
fz_remote_list_replace (FzRemoteList *self, GHashTable *objects)
{
  g_autoptr (GPtrArray) gone = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer path, properties;

  g_hash_table_iter_init (&iter, self->by_path);
  while (g_hash_table_iter_next (&iter, &path, NULL))
    if (!g_hash_table_contains (objects, path))
      g_ptr_array_add (gone, path);
  if (gone->len == g_hash_table_size (self->by_path)) {
    fz_remote_list_remove_all (self);
    g_ptr_array_set_size (gone, 0);
  }
  for (guint i = 0; i < gone->len; i++)
    fz_remote_list_remove (self, gone->pdata[i]);

  g_hash_table_iter_init (&iter, objects);
  while (g_hash_table_iter_next (&iter, &path, &properties))
    fz_remote_list_add (self, path, properties);
  flush (self);
}

void
fz_remote_list_remove_all (FzRemoteList *self)
{
  guint n = self->shown->len;

  g_clear_handle_id (&self->flush_id, g_source_remove);
  g_hash_table_remove_all (self->by_path);
  g_hash_table_remove_all (self->gone);
  g_ptr_array_set_size (self->pending, 0);
  g_ptr_array_set_size (self->shown, 0);
  if (n > 0)
    g_list_model_items_changed (G_LIST_MODEL (self), 0, n, 0);
}

gpointer
fz_remote_list_lookup (FzRemoteList *self, const char *path)
{
  return g_hash_table_lookup (self->by_path, path);
}

FzRemoteList *
fz_remote_list_new (GType item_type)
{
  FzRemoteList *self = g_object_new (FZ_TYPE_REMOTE_LIST, NULL);

  g_assert (g_type_is_a (item_type, FZ_TYPE_REMOTE_OBJECT));
  self->item_type = item_type;
  return self;
}

static void
finalize (GObject *object)
{
  FzRemoteList *self = FZ_REMOTE_LIST (object);

  g_clear_handle_id (&self->flush_id, g_source_remove);
  g_hash_table_unref (self->gone);
  g_hash_table_unref (self->by_path);
  g_ptr_array_unref (self->pending);
  g_ptr_array_unref (self->shown);
  G_OBJECT_CLASS (fz_remote_list_parent_class)->finalize (object);
}

static void
fz_remote_list_class_init (FzRemoteListClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = finalize;
}

static void
fz_remote_list_init (FzRemoteList *self)
{
  self->item_type = FZ_TYPE_REMOTE_OBJECT;
  self->shown = g_ptr_array_new_with_free_func (g_object_unref);
  self->pending = g_ptr_array_new_with_free_func (g_object_unref);
  self->gone = g_hash_table_new (NULL, NULL);
  self->by_path = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}
