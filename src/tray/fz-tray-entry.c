/* fz-tray-entry.c: see the header */

#include "src/tray/fz-tray-entry.h"

#include <string.h>

typedef struct {
  GActionGroup *actions;
  FzTrayModelFunc on_model;
  gpointer user_data;
  GPtrArray *entries;
} Walk;

void
fz_tray_entry_free (FzTrayEntry *entry)
{
  if (entry == NULL)
    return;
  g_free (entry->label);
  g_free (entry->action);
  g_clear_pointer (&entry->target, g_variant_unref);
  g_clear_object (&entry->submenu);
  g_free (entry);
}

static FzTrayEntry *
add_entry (Walk *walk, FzTrayEntryKind kind, const char *label)
{
  FzTrayEntry *entry = g_new0 (FzTrayEntry, 1);

  entry->kind = kind;
  entry->label = g_strdup (label);
  g_ptr_array_add (walk->entries, entry);
  return entry;
}

/* Two sections meet in one line; a menu begins with none. */
static void
add_separator (Walk *walk)
{
  const FzTrayEntry *last;

  if (walk->entries->len == 0)
    return;
  last = walk->entries->pdata[walk->entries->len - 1];
  if (last->kind != FZ_TRAY_SEPARATOR)
    add_entry (walk, FZ_TRAY_SEPARATOR, NULL);
}

/* What the action says of itself; an action that does not exist (yet) cannot be clicked. */
static void
ask_action (const Walk *walk, FzTrayEntry *entry)
{
  g_autoptr (GVariant) state = NULL;
  gboolean is_enabled = FALSE;

  if (!g_action_group_query_action (
          walk->actions, entry->action, &is_enabled, NULL, NULL, NULL, &state))
    return;
  entry->is_enabled = is_enabled;
  if (state == NULL)
    return;
  if (entry->target != NULL) {
    entry->kind = FZ_TRAY_RADIO;
    entry->is_marked = g_variant_equal (entry->target, state);
  } else if (g_variant_is_of_type (state, G_VARIANT_TYPE_BOOLEAN)) {
    entry->kind = FZ_TRAY_CHECK;
    entry->is_marked = g_variant_get_boolean (state);
  }
}

static void
read_item (Walk *walk, GMenuModel *model, int i)
{
  g_autofree char *label = NULL;
  g_autofree char *action = NULL;
  const char *dot;
  FzTrayEntry *entry;

  g_menu_model_get_item_attribute (model, i, G_MENU_ATTRIBUTE_LABEL, "s", &label);
  entry = add_entry (walk, FZ_TRAY_PLAIN, label != NULL ? label : "");
  entry->submenu = g_menu_model_get_item_link (model, i, G_MENU_LINK_SUBMENU);
  if (entry->submenu != NULL) {
    entry->kind = FZ_TRAY_SUBMENU;
    entry->is_enabled = true;
    return;
  }
  g_menu_model_get_item_attribute (model, i, G_MENU_ATTRIBUTE_ACTION, "s", &action);
  dot = action != NULL ? strchr (action, '.') : NULL;
  if (dot == NULL)
    return;
  entry->action = g_strdup (dot + 1);
  entry->target = g_menu_model_get_item_attribute_value (model, i, G_MENU_ATTRIBUTE_TARGET, NULL);
  ask_action (walk, entry);
}

static void
walk_model (Walk *walk, GMenuModel *model)
{
  walk->on_model (model, walk->user_data);
  for (int i = 0, n = g_menu_model_get_n_items (model); i < n; i++) {
    g_autoptr (GMenuModel) section = g_menu_model_get_item_link (model, i, G_MENU_LINK_SECTION);
    g_autofree char *title = NULL;

    if (section == NULL) {
      read_item (walk, model, i);
      continue;
    }
    add_separator (walk);
    g_menu_model_get_item_attribute (model, i, G_MENU_ATTRIBUTE_LABEL, "s", &title);
    if (title != NULL)
      add_entry (walk, FZ_TRAY_PLAIN, title);
    walk_model (walk, section);
    add_separator (walk);
  }
}

GPtrArray *
fz_tray_entries_new (GMenuModel *model,
                     GActionGroup *actions,
                     FzTrayModelFunc on_model,
                     gpointer user_data)
{
  Walk walk = { actions, on_model, user_data, NULL };

  walk.entries = g_ptr_array_new_with_free_func ((GDestroyNotify) fz_tray_entry_free);
  walk_model (&walk, model);
  if (walk.entries->len > 0 &&
      ((FzTrayEntry *) walk.entries->pdata[walk.entries->len - 1])->kind == FZ_TRAY_SEPARATOR)
    g_ptr_array_set_size (walk.entries, (int) walk.entries->len - 1);
  return walk.entries;
}
