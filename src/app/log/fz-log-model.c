/* fz-log-model.c: see the header */
#include "src/app/log/fz-log-model.h"

struct _FzLogRow {
  GObject parent_instance;

  FzLogModel *model; /* not owned; NULL: no longer in it */
  guint position;    /* in the model */
  FzLogIndex *index;
  uint32_t line;
  FzLogEntry *entry; /* NULL until somebody looks */
};

struct _FzLogModel {
  GObject parent_instance;

  FzLogIndex *index;
  GArray *rows; /* NULL: all */
  uint32_t n_lines;
  GHashTable *items; /* by position; those that somebody holds, none of them owned */
};

/* -- a row -- */

static guint changed_signal;

G_DEFINE_FINAL_TYPE (FzLogRow, fz_log_row, G_TYPE_OBJECT)

static void
row_finalize (GObject *object)
{
  FzLogRow *self = FZ_LOG_ROW (object);

  if (self->model != NULL)
    g_hash_table_remove (self->model->items, GUINT_TO_POINTER (self->position));
  fz_log_entry_free (self->entry);
  fz_log_index_unref (self->index);
  G_OBJECT_CLASS (fz_log_row_parent_class)->finalize (object);
}

static void
fz_log_row_class_init (FzLogRowClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = row_finalize;
  changed_signal = g_signal_new (
      "changed", FZ_TYPE_LOG_ROW, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
fz_log_row_init (FzLogRow *self)
{
}

uint32_t
fz_log_row_get_line (FzLogRow *self)
{
  return self->line;
}

const FzLogEntry *
fz_log_row_get_entry (FzLogRow *self)
{
  if (self->entry == NULL)
    self->entry = fz_log_entry_read (self->index, self->line);
  return self->entry;
}

/* -- all of them -- */

static GType
get_item_type (GListModel *list)
{
  return FZ_TYPE_LOG_ROW;
}

static guint
get_n_items (GListModel *list)
{
  FzLogModel *self = FZ_LOG_MODEL (list);

  return self->rows != NULL ? self->rows->len : self->n_lines;
}

static uint32_t
line_at (FzLogModel *self, guint position)
{
  return self->rows != NULL ? g_array_index (self->rows, uint32_t, position) : position;
}

static gpointer
get_item (GListModel *list, guint position)
{
  FzLogModel *self = FZ_LOG_MODEL (list);
  FzLogRow *row = g_hash_table_lookup (self->items, GUINT_TO_POINTER (position));

  if (position >= get_n_items (list))
    return NULL;
  if (row != NULL)
    return g_object_ref (row);
  row = g_object_new (FZ_TYPE_LOG_ROW, NULL);
  row->model = self;
  row->position = position;
  row->index = fz_log_index_ref (self->index);
  row->line = line_at (self, position);
  g_hash_table_insert (self->items, GUINT_TO_POINTER (position), row);
  return row;
}

static void
list_model_init (GListModelInterface *iface)
{
  iface->get_item_type = get_item_type;
  iface->get_n_items = get_n_items;
  iface->get_item = get_item;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (FzLogModel,
                               fz_log_model,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL, list_model_init))

/* Rows from @position on are no longer ours; who holds one still has its line. */
static void
forget_from (FzLogModel *self, guint position)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->items);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    FzLogRow *row = value;

    if (row->position < position)
      continue;
    row->model = NULL;
    g_hash_table_iter_remove (&iter);
  }
}

static void
finalize (GObject *object)
{
  FzLogModel *self = FZ_LOG_MODEL (object);

  forget_from (self, 0);
  g_hash_table_unref (self->items);
  g_clear_pointer (&self->rows, g_array_unref);
  fz_log_index_unref (self->index);
  G_OBJECT_CLASS (fz_log_model_parent_class)->finalize (object);
}

static void
fz_log_model_class_init (FzLogModelClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = finalize;
}

static void
fz_log_model_init (FzLogModel *self)
{
  self->items = g_hash_table_new (NULL, NULL);
}

FzLogModel *
fz_log_model_new (FzLogIndex *index, GArray *rows, uint32_t n_lines)
{
  FzLogModel *self = g_object_new (FZ_TYPE_LOG_MODEL, NULL);

  self->index = fz_log_index_ref (index);
  self->rows = rows;
  self->n_lines = n_lines;
  return self;
}

/* Rows that are other lines by now; they are told when the list is whole again. */
static GPtrArray *
move_rows (FzLogModel *self)
{
  GPtrArray *moved = g_ptr_array_new_with_free_func (g_object_unref);
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->items);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    FzLogRow *row = value;
    uint32_t line = line_at (self, row->position);

    if (row->line == line && row->index == self->index)
      continue;
    if (row->index != self->index) {
      fz_log_index_unref (row->index);
      row->index = fz_log_index_ref (self->index);
    }
    row->line = line;
    g_clear_pointer (&row->entry, fz_log_entry_free);
    g_ptr_array_add (moved, g_object_ref (row));
  }
  return moved;
}

void
fz_log_model_replace (FzLogModel *self, FzLogIndex *index, GArray *rows, uint32_t n_lines)
{
  const guint before = get_n_items (G_LIST_MODEL (self));
  const guint after = rows != NULL ? rows->len : n_lines;
  const guint kept = MIN (before, after);
  g_autoptr (GPtrArray) moved = NULL;

  fz_log_index_ref (index);
  fz_log_index_unref (self->index);
  self->index = index;
  g_clear_pointer (&self->rows, g_array_unref);
  self->rows = rows;
  self->n_lines = n_lines;
  forget_from (self, kept);
  moved = move_rows (self);
  if (before != after)
    g_list_model_items_changed (G_LIST_MODEL (self), kept, before - kept, after - kept);
  for (guint i = 0; i < moved->len; i++)
    g_signal_emit (moved->pdata[i], changed_signal, 0);
}

FzLogIndex *
fz_log_model_get_index (FzLogModel *self)
{
  return self->index;
}

const GArray *
fz_log_model_get_rows (FzLogModel *self)
{
  return self->rows;
}

uint32_t
fz_log_model_get_n_lines (FzLogModel *self)
{
  return self->n_lines;
}

uint32_t
fz_log_model_get_line (FzLogModel *self, guint row)
{
  g_assert (row < get_n_items (G_LIST_MODEL (self)));
  return line_at (self, row);
}

void
fz_log_model_extend (FzLogModel *self, const GArray *rows, uint32_t first, uint32_t n_lines)
{
  const guint before = get_n_items (G_LIST_MODEL (self));
  guint kept = before;

  self->n_lines = n_lines;
  if (self->rows == NULL) {
    kept = MIN (before, first);
  } else {
    while (kept > 0 && g_array_index (self->rows, uint32_t, kept - 1) >= first)
      kept--;
    g_array_set_size (self->rows, kept);
    g_array_append_vals (self->rows, rows->data, rows->len);
  }
  forget_from (self, kept);
  if (before != kept || get_n_items (G_LIST_MODEL (self)) != kept)
    g_list_model_items_changed (
        G_LIST_MODEL (self), kept, before - kept, get_n_items (G_LIST_MODEL (self)) - kept);
}

uint32_t
fz_log_model_find_line (FzLogModel *self, uint32_t line)
{
  uint32_t low = 0, high;

  if (self->rows == NULL)
    return MIN (line, self->n_lines);
  high = self->rows->len;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;

    if (g_array_index (self->rows, uint32_t, middle) < line)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}
