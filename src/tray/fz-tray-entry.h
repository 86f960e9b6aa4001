/* fz-tray-entry.h
 *
 * The menu as data: a GMenuModel and the actions it names, flattened into the
 * rows that a panel can show. Sections become separators, their titles rows
 * that cannot be clicked; an action's state makes a check mark or a radio mark.
 * No GTK here.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef enum {
  FZ_TRAY_SEPARATOR,
  FZ_TRAY_PLAIN,
  FZ_TRAY_CHECK,
  FZ_TRAY_RADIO,
  FZ_TRAY_SUBMENU,
} FzTrayEntryKind;

typedef struct {
  FzTrayEntryKind kind;
  bool is_enabled;
  bool is_marked;      /* CHECK, RADIO */
  char *label;         /* NULL: SEPARATOR */
  char *action;        /* without the prefix "app."; NULL: nothing happens */
  GVariant *target;    /* the action's parameter; NULL: none */
  GMenuModel *submenu; /* SUBMENU */
} FzTrayEntry;

void fz_tray_entry_free (FzTrayEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzTrayEntry, fz_tray_entry_free)

/* Called with each model that one level consists of: the level itself and its sections. */
typedef void (*FzTrayModelFunc) (GMenuModel *model, gpointer user_data);

/**
 * fz_tray_entries_new:
 * @actions: what the entries' actions are asked for
 * @on_model: whatever changes in one of these models changes the entries
 *
 * One level; submenus are levels of their own.
 *
 * Returns: (element-type FzTrayEntry): frees its entries
 */
GPtrArray *fz_tray_entries_new (GMenuModel *model,
                                GActionGroup *actions,
                                FzTrayModelFunc on_model,
                                gpointer user_data);
