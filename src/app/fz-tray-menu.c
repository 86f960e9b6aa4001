/* fz-tray-menu.c: see fz-tray-menu.h */
#include "src/app/fz-tray-menu.h"

#include "src/app/fz-status.h"
#include "src/app/fz-words.h"

#include <glib/gi18n.h>

struct _FzTrayMenu {
  GObject parent_instance;

  FzTunnelModel *tunnel;
  FzAccount *account;
  GMenu *menu;
  char *said;             /* what @menu was built from, in one text */
  FzMenuExport *exported; /* of the application; NULL: there is no bus */
};

G_DEFINE_FINAL_TYPE (FzTrayMenu, fz_tray_menu, G_TYPE_OBJECT)

/* -- which resources -- */

/* Puts @item into its place among the first by name. One comparison for most of thousands. */
static void
keep_first (GPtrArray *first, FzResourceItem *item)
{
  guint i = first->len;

  while (i > 0 && g_utf8_collate (fz_resource_item_get_name (item),
                                  fz_resource_item_get_name (first->pdata[i - 1])) < 0)
    i--;
  if (i >= FZ_TRAY_MENU_RESOURCES_MAX)
    return;
  g_ptr_array_insert (first, (int) i, g_object_ref (item));
  if (first->len > FZ_TRAY_MENU_RESOURCES_MAX)
    g_ptr_array_set_size (first, FZ_TRAY_MENU_RESOURCES_MAX);
}

/* The favourites, or the first by name; never the Internet, which has an item of its own.
 * @out_is_favourites: which of the two */
static GPtrArray *
pick_resources (FzTunnelModel *tunnel, bool *out_is_favourites)
{
  GListModel *resources = fz_tunnel_model_get_resources (tunnel);
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GPtrArray) favourites = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < g_list_model_get_n_items (resources); i++) {
    g_autoptr (FzResourceItem) item = g_list_model_get_item (resources, i);

    if (fz_resource_item_is_internet (item))
      continue;
    if (fz_resource_item_is_favourite (item))
      keep_first (favourites, item);
    keep_first (all, item);
  }
  *out_is_favourites = favourites->len > 0;
  return g_ptr_array_ref (favourites->len > 0 ? favourites : all);
}

/* -- building -- */

static void
append_section (GMenu *menu, const char *title, GMenu *section)
{
  if (g_menu_model_get_n_items (G_MENU_MODEL (section)) > 0)
    g_menu_append_section (menu, title, G_MENU_MODEL (section));
}

static void
append_with_target (GMenu *menu, const char *label, const char *action, const char *target)
{
  g_autoptr (GMenuItem) item = g_menu_item_new (label, NULL);

  g_menu_item_set_action_and_target (item, action, "s", target);
  g_menu_append_item (menu, item);
}

/* Menus of panels know no mnemonics, and an underscore in a name is one. */
static char *
dup_plain (const char *label)
{
  g_auto (GStrv) parts = g_strsplit (label, "_", -1);

  return g_strjoinv ("", parts);
}

static char *
dup_escaped (const char *name)
{
  g_auto (GStrv) parts = g_strsplit (name, "_", -1);

  return g_strjoinv ("__", parts);
}

static GMenu *
make_resource (FzResourceItem *item)
{
  GMenu *menu = g_menu_new ();
  const char *state = fz_words_resource_state (fz_resource_item_get_state (item));
  g_autofree char *rtt = fz_words_dup_rtt (fz_resource_item_get_rtt_us (item));
  g_autofree char *line =
      rtt[0] != '\0' ? g_strdup_printf ("%s · %s", state, rtt) : g_strdup (state);
  g_autofree char *address = dup_escaped (fz_resource_item_get_address (item));
  g_autofree char *copy =
      g_strdup_printf (_ ("Copy %s"), address); /* Translators: %s is an address */

  g_menu_append (menu, line, NULL);
  append_with_target (menu, copy, "app.copy-address", fz_resource_item_get_id (item));
  append_with_target (menu, _ ("Details"), "app.show-resource", fz_resource_item_get_id (item));
  return menu;
}

static void
append_resources (GMenu *menu, FzTunnelModel *tunnel)
{
  bool is_favourites;
  g_autoptr (GPtrArray) picked = pick_resources (tunnel, &is_favourites);
  g_autoptr (GMenu) section = g_menu_new ();

  for (guint i = 0; i < picked->len; i++) {
    g_autoptr (GMenu) submenu = make_resource (picked->pdata[i]);
    g_autofree char *name = dup_escaped (fz_resource_item_get_name (picked->pdata[i]));

    g_menu_append_submenu (section, name, G_MENU_MODEL (submenu));
  }
  if (picked->len > 0)
    g_menu_append (section, _ ("All Resources…"), "app.show-resources");
  append_section (menu, is_favourites ? _ ("Favourites") : _ ("Resources"), section);
}

static void
build (FzTrayMenu *self, GMenu *menu, const FzStatus *status)
{
  g_autoptr (GMenu) top = g_menu_new ();
  g_autoptr (GMenu) bottom = g_menu_new ();
  bool is_up = fz_tunnel_model_is_ours (self->tunnel) &&
               fz_tunnel_model_get_state (self->tunnel) != FZ_TUNNEL_OFFLINE &&
               fz_tunnel_model_get_state (self->tunnel) != FZ_TUNNEL_SIGNED_OUT;
  g_autofree char *action = status->label != NULL ? dup_plain (status->label) : NULL;
  g_autofree char *line = dup_escaped (status->tray);

  g_menu_append (top, line, NULL);
  if (fz_account_is_signed_in (self->account)) {
    g_autofree char *who = dup_escaped (status->signed_in.title);

    g_menu_append (top, who, NULL);
  }
  if (action != NULL)
    g_menu_append (top, action, status->action);
  if (fz_tunnel_model_get_internet (self->tunnel) != FZ_INTERNET_UNAVAILABLE)
    g_menu_append (top, _ ("Route All Internet Traffic"), "app.internet-resource");
  append_section (menu, NULL, top);

  append_resources (menu, self->tunnel);

  g_menu_append (bottom, _ ("Open Firezone"), "app.show-window");
  if (fz_account_is_signed_in (self->account))
    g_menu_append (bottom, _ ("Sign Out"), "app.sign-out");
  g_menu_append (bottom, is_up ? _ ("Disconnect and Quit") : _ ("Quit"), "app.quit");
  append_section (menu, NULL, bottom);
}

/* Everything that the menu shows, so that a change of counters does not rebuild it under somebody's
 * pointer. */
static char *
describe (FzTrayMenu *self, const FzStatus *status)
{
  bool is_favourites;
  g_autoptr (GPtrArray) picked = pick_resources (self->tunnel, &is_favourites);
  GString *said = g_string_new (status->tray);

  g_string_append_printf (said,
                          "\n%s\n%s\n%d %d %d",
                          status->action != NULL ? status->action : "",
                          status->signed_in.title,
                          fz_tunnel_model_get_internet (self->tunnel),
                          fz_tunnel_model_get_state (self->tunnel),
                          is_favourites);
  for (guint i = 0; i < picked->len; i++)
    g_string_append_printf (said,
                            "\n%s %s %s %d",
                            fz_resource_item_get_id (picked->pdata[i]),
                            fz_resource_item_get_name (picked->pdata[i]),
                            fz_resource_item_get_address (picked->pdata[i]),
                            fz_resource_item_get_state (picked->pdata[i]));
  return g_string_free (said, FALSE);
}

static void
on_changed (gpointer source, gpointer user_data)
{
  FzTrayMenu *self = user_data;
  g_auto (FzStatus) status = { 0 };
  g_autofree char *said = NULL;

  fz_status_read (&status, self->tunnel, self->account);
  said = describe (self, &status);
  if (g_strcmp0 (said, self->said) == 0)
    return;
  g_free (self->said);
  self->said = g_steal_pointer (&said);
  g_menu_remove_all (self->menu);
  build (self, self->menu, &status);
  if (self->exported != NULL)
    fz_menu_export_show (self->exported, G_MENU_MODEL (self->menu));
}

/* -- life -- */

GMenuModel *
fz_tray_menu_get_model (FzTrayMenu *self)
{
  return G_MENU_MODEL (self->menu);
}

FzTrayMenu *
fz_tray_menu_new (FzTunnelModel *tunnel, FzAccount *account, FzMenuExport *exported)
{
  FzTrayMenu *self = g_object_new (FZ_TYPE_TRAY_MENU, NULL);

  self->tunnel = g_object_ref (tunnel);
  self->account = g_object_ref (account);
  self->exported = exported;
  g_signal_connect_object (tunnel, "changed", G_CALLBACK (on_changed), self, 0);
  g_signal_connect_object (account, "changed", G_CALLBACK (on_changed), self, 0);
  on_changed (NULL, self);
  return self;
}

static void
finalize (GObject *object)
{
  FzTrayMenu *self = FZ_TRAY_MENU (object);

  g_clear_object (&self->tunnel);
  g_clear_object (&self->account);
  g_clear_object (&self->menu);
  g_free (self->said);
  G_OBJECT_CLASS (fz_tray_menu_parent_class)->finalize (object);
}

static void
fz_tray_menu_class_init (FzTrayMenuClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = finalize;
}

static void
fz_tray_menu_init (FzTrayMenu *self)
{
  self->menu = g_menu_new ();
}
