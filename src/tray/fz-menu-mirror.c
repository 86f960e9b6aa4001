/* fz-menu-mirror.c: see the header */

#include "src/tray/fz-menu-mirror.h"

#include "src/tray/fz-tray-entry.h"

#include <glib/gi18n-lib.h>
#include <stdbool.h>

#define SYNC_MS 50u /* bursts of changes become one */

typedef struct {
  GMenuModel *model; /* held: a section that is dropped falls silent */
  gulong id;
} Watch;

struct FzMenuMirror {
  GtkWidget *menu;
  GMenuModel *model;     /* NULL: the app is away */
  GActionGroup *actions; /* NULL: likewise */
  GPtrArray *watches;    /* of Watch */
  guint sync_id;
  bool is_syncing; /* marks that are set then are not clicks */
  void (*on_start) (gpointer);
  void (*on_quit) (gpointer);
  gpointer user_data;
};

static void queue_sync (FzMenuMirror *self);

/* -- clicks -- */

static void
on_activate (GtkMenuItem *item, gpointer user_data)
{
  FzMenuMirror *self = user_data;
  const FzTrayEntry *entry = g_object_get_data (G_OBJECT (item), "entry");

  if (self->is_syncing || entry == NULL || entry->action == NULL || self->actions == NULL)
    return;
  g_action_group_activate_action (self->actions, entry->action, entry->target);
  /* GTK has moved the mark by itself; what is so is the action's to say */
  queue_sync (self);
}

static void
on_start_clicked (GtkMenuItem *item, gpointer user_data)
{
  FzMenuMirror *self = user_data;

  self->on_start (self->user_data);
}

static void
on_quit_clicked (GtkMenuItem *item, gpointer user_data)
{
  FzMenuMirror *self = user_data;

  self->on_quit (self->user_data);
}

/* -- rows -- */

static GtkWidget *
make_row (FzMenuMirror *self, FzTrayEntryKind kind)
{
  GtkWidget *row = NULL;

  switch (kind) {
  case FZ_TRAY_SEPARATOR:
    return gtk_separator_menu_item_new ();
  case FZ_TRAY_PLAIN:
    row = gtk_menu_item_new_with_label ("");
    break;
  case FZ_TRAY_CHECK:
  case FZ_TRAY_RADIO:
    row = gtk_check_menu_item_new_with_label ("");
    gtk_check_menu_item_set_draw_as_radio (GTK_CHECK_MENU_ITEM (row), kind == FZ_TRAY_RADIO);
    break;
  case FZ_TRAY_SUBMENU:
    row = gtk_menu_item_new_with_label ("");
    gtk_menu_item_set_submenu (GTK_MENU_ITEM (row), gtk_menu_new ());
    return row;
  }
  g_signal_connect (row, "activate", G_CALLBACK (on_activate), self);
  return row;
}

static void
show_entry (FzMenuMirror *self, GtkWidget *row, const FzTrayEntry *entry)
{
  if (entry->kind == FZ_TRAY_SEPARATOR)
    return;
  if (g_strcmp0 (gtk_menu_item_get_label (GTK_MENU_ITEM (row)), entry->label) != 0)
    gtk_menu_item_set_label (GTK_MENU_ITEM (row), entry->label);
  gtk_widget_set_sensitive (row, entry->is_enabled);
  if (GTK_IS_CHECK_MENU_ITEM (row))
    gtk_check_menu_item_set_active (GTK_CHECK_MENU_ITEM (row), entry->is_marked);
}

static void
free_watch (gpointer data)
{
  Watch *watch = data;

  g_signal_handler_disconnect (watch->model, watch->id);
  g_object_unref (watch->model);
  g_free (watch);
}

static void
watch_model (GMenuModel *model, gpointer user_data)
{
  FzMenuMirror *self = user_data;
  Watch *watch = g_new0 (Watch, 1);

  watch->model = g_object_ref (model);
  watch->id = g_signal_connect_swapped (model, "items-changed", G_CALLBACK (queue_sync), self);
  g_ptr_array_add (self->watches, watch);
}

static FzTrayEntryKind
kind_of (GtkWidget *row)
{
  return (FzTrayEntryKind) GPOINTER_TO_INT (g_object_get_data (G_OBJECT (row), "kind"));
}

/* Rows of the same kind are kept, in order; from the first that differs on they are made anew. */
static void
sync_level (FzMenuMirror *self, GMenuModel *model, GtkWidget *menu)
{
  g_autoptr (GPtrArray) entries = fz_tray_entries_new (model, self->actions, watch_model, self);
  g_autoptr (GList) rows = gtk_container_get_children (GTK_CONTAINER (menu));
  GList *left = rows;

  g_ptr_array_set_free_func (entries, NULL); /* each goes to its row */
  for (guint i = 0; i < entries->len; i++) {
    FzTrayEntry *entry = entries->pdata[i];
    GtkWidget *row;

    if (left != NULL && kind_of (left->data) == entry->kind) {
      row = left->data;
      left = left->next;
    } else {
      for (; left != NULL; left = left->next)
        gtk_widget_destroy (left->data);
      row = make_row (self, entry->kind);
      g_object_set_data (G_OBJECT (row), "kind", GINT_TO_POINTER (entry->kind));
      gtk_menu_shell_append (GTK_MENU_SHELL (menu), row);
      gtk_widget_show (row);
    }
    g_object_set_data_full (G_OBJECT (row), "entry", entry, (GDestroyNotify) fz_tray_entry_free);
    show_entry (self, row, entry);
    if (entry->kind == FZ_TRAY_SUBMENU)
      sync_level (self, entry->submenu, gtk_menu_item_get_submenu (GTK_MENU_ITEM (row)));
  }
  for (; left != NULL; left = left->next)
    gtk_widget_destroy (left->data);
}

static void
add_own_row (FzMenuMirror *self, const char *label, GCallback on_click)
{
  GtkWidget *row = gtk_menu_item_new_with_label (label);

  /* of no kind that entries have: gone with the first menu of the app's */
  g_object_set_data (G_OBJECT (row), "kind", GINT_TO_POINTER (-1));
  g_signal_connect (row, "activate", on_click, self);
  gtk_menu_shell_append (GTK_MENU_SHELL (self->menu), row);
  gtk_widget_show (row);
}

static void
show_app_away (FzMenuMirror *self)
{
  g_autoptr (GList) rows = gtk_container_get_children (GTK_CONTAINER (self->menu));

  for (GList *left = rows; left != NULL; left = left->next)
    gtk_widget_destroy (left->data);
  add_own_row (self, _ ("Start Firezone"), G_CALLBACK (on_start_clicked));
  add_own_row (self, _ ("Quit"), G_CALLBACK (on_quit_clicked));
}

static gboolean
sync_now (gpointer user_data)
{
  FzMenuMirror *self = user_data;
  GPtrArray *before = g_steal_pointer (&self->watches);

  self->sync_id = 0;
  self->watches = g_ptr_array_new_with_free_func (free_watch);
  self->is_syncing = true;
  if (self->model != NULL)
    sync_level (self, self->model, self->menu);
  else
    show_app_away (self);
  self->is_syncing = false;
  g_ptr_array_unref (before); /* not sooner: what is in both stays subscribed */
  return G_SOURCE_REMOVE;
}

static void
queue_sync (FzMenuMirror *self)
{
  if (self->sync_id == 0)
    self->sync_id = g_timeout_add (SYNC_MS, sync_now, self);
}

/* -- public -- */

FzMenuMirror *
fz_menu_mirror_new (GCallback on_start, GCallback on_quit, gpointer user_data)
{
  FzMenuMirror *self = g_new0 (FzMenuMirror, 1);

  self->menu = g_object_ref_sink (gtk_menu_new ());
  self->watches = g_ptr_array_new_with_free_func (free_watch);
  self->on_start = (void (*) (gpointer)) on_start;
  self->on_quit = (void (*) (gpointer)) on_quit;
  self->user_data = user_data;
  show_app_away (self);
  return self;
}

static void
forget_source (FzMenuMirror *self)
{
  if (self->actions != NULL)
    g_signal_handlers_disconnect_by_data (self->actions, self);
  g_ptr_array_set_size (self->watches, 0);
  g_clear_object (&self->model);
  g_clear_object (&self->actions);
}

void
fz_menu_mirror_free (FzMenuMirror *self)
{
  if (self == NULL)
    return;
  forget_source (self);
  g_clear_handle_id (&self->sync_id, g_source_remove);
  g_clear_pointer (&self->watches, g_ptr_array_unref);
  gtk_widget_destroy (self->menu);
  g_clear_object (&self->menu);
  g_free (self);
}

GtkMenu *
fz_menu_mirror_get_widget (FzMenuMirror *self)
{
  return GTK_MENU (self->menu);
}

void
fz_menu_mirror_set_source (FzMenuMirror *self, GMenuModel *model, GActionGroup *actions)
{
  static const char *const signals[] = {
    "action-added", "action-removed", "action-enabled-changed", "action-state-changed"
  };

  forget_source (self);
  if (model != NULL) {
    self->model = g_object_ref (model);
    self->actions = g_object_ref (actions);
    for (size_t i = 0; i < G_N_ELEMENTS (signals); i++)
      g_signal_connect_swapped (actions, signals[i], G_CALLBACK (queue_sync), self);
  }
  queue_sync (self);
}
