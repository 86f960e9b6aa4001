/* fz-log-filter-bar.c: see the header */
#include "src/app/log/fz-log-filter-bar.h"

#include <glib/gi18n.h>
#include <string.h>

#define SECONDS_TEXT 16u /* length of "2026-03-01 09:12": the seconds may be missing */

/* As the template's list has them. */
static const FzLogLevel levels[] = {
  FZ_LOG_TRACE, FZ_LOG_DEBUG, FZ_LOG_INFO, FZ_LOG_WARNING, FZ_LOG_ERROR,
};

static const int64_t spans_s[] = { 0, 60, 300, 1800, 3600, 86400, -1 };

#define SPAN_CUSTOM (G_N_ELEMENTS (spans_s) - 1)

struct _FzLogFilterBar {
  AdwBin parent_instance;

  GtkSearchEntry *search;
  GtkToggleButton *more_button;
  GtkDropDown *level;
  GtkEntry *target;
  GtkDropDown *span;
  GtkBox *custom;
  GtkEntry *from;
  GtkEntry *until;

  FzLogQuery *query;
  int64_t last_time_us;
  bool is_clearing;
};

enum {
  CHANGED,
  N_SIGNALS,
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (FzLogFilterBar, fz_log_filter_bar, ADW_TYPE_BIN)

/* "2026-03-01 09:12:44", local time. Empty is no bound; what cannot be read is marked. */
static void
read_time (GtkEntry *entry, int64_t *out_us)
{
  g_autofree char *text = g_strstrip (g_strdup (gtk_editable_get_text (GTK_EDITABLE (entry))));
  g_autoptr (GTimeZone) zone = g_time_zone_new_local ();
  g_autoptr (GDateTime) time = NULL;
  bool is_bad = false;

  if (text[0] != '\0') {
    g_autofree char *whole =
        strlen (text) == SECONDS_TEXT ? g_strconcat (text, ":00", NULL) : g_strdup (text);

    time = g_date_time_new_from_iso8601 (whole, zone);
    is_bad = time == NULL;
  }
  if (time != NULL)
    *out_us = g_date_time_to_unix (time) * G_USEC_PER_SEC + g_date_time_get_microsecond (time);
  if (is_bad)
    gtk_widget_add_css_class (GTK_WIDGET (entry), "error");
  else
    gtk_widget_remove_css_class (GTK_WIDGET (entry), "error");
  gtk_accessible_update_state (GTK_ACCESSIBLE (entry),
                               GTK_ACCESSIBLE_STATE_INVALID,
                               is_bad ? GTK_ACCESSIBLE_INVALID_TRUE : GTK_ACCESSIBLE_INVALID_FALSE,
                               -1);
}

static void
read_span (FzLogFilterBar *self, FzLogQuery *query)
{
  guint chosen = gtk_drop_down_get_selected (self->span);

  gtk_widget_set_visible (GTK_WIDGET (self->custom), chosen == SPAN_CUSTOM);
  if (chosen == SPAN_CUSTOM) {
    read_time (self->from, &query->from_us);
    read_time (self->until, &query->until_us);
  } else if (chosen > 0 && chosen < SPAN_CUSTOM && self->last_time_us != FZ_LOG_TIME_UNKNOWN) {
    query->from_us = self->last_time_us - spans_s[chosen] * G_USEC_PER_SEC;
  }
}

/* The button inside a drop-down takes the focus, and would be called by its type. */
static void
name_drop_down (GtkDropDown *drop_down, const char *what)
{
  GObject *item = gtk_drop_down_get_selected_item (drop_down);
  GtkWidget *button = gtk_widget_get_first_child (GTK_WIDGET (drop_down));
  g_autofree char *name =
      g_strdup_printf ("%s: %s", what, gtk_string_object_get_string (GTK_STRING_OBJECT (item)));

  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, name, -1);
}

static void
read_all (FzLogFilterBar *self)
{
  g_autoptr (FzLogQuery) query = fz_log_query_new ();
  guint level;

  if (self->is_clearing || self->search == NULL)
    return;
  name_drop_down (self->level, _ ("Level"));
  name_drop_down (self->span, _ ("Time"));
  level = gtk_drop_down_get_selected (self->level);
  query->least = levels[MIN (level, G_N_ELEMENTS (levels) - 1)];
  fz_log_query_set_target_prefix (query, gtk_editable_get_text (GTK_EDITABLE (self->target)));
  fz_log_query_set_text (query, gtk_editable_get_text (GTK_EDITABLE (self->search)));
  read_span (self, query);
  if (fz_log_query_equal (query, self->query))
    return;
  fz_log_query_free (self->query);
  self->query = g_steal_pointer (&query);
  g_signal_emit (self, signals[CHANGED], 0);
}

/* Escape: what was searched for goes, and the list has the keys. */
static void
on_stop_search (FzLogFilterBar *self)
{
  gtk_editable_set_text (GTK_EDITABLE (self->search), "");
  gtk_widget_activate_action (GTK_WIDGET (self), "log.focus-list", NULL);
}

const FzLogQuery *
fz_log_filter_bar_get_query (FzLogFilterBar *self)
{
  return self->query;
}

void
fz_log_filter_bar_set_last_time (FzLogFilterBar *self, int64_t time_us)
{
  bool was_unknown = self->last_time_us == FZ_LOG_TIME_UNKNOWN;

  self->last_time_us = time_us;
  if (was_unknown)
    read_all (self);
}

void
fz_log_filter_bar_clear (FzLogFilterBar *self)
{
  self->is_clearing = true;
  gtk_editable_set_text (GTK_EDITABLE (self->search), "");
  gtk_editable_set_text (GTK_EDITABLE (self->target), "");
  gtk_editable_set_text (GTK_EDITABLE (self->from), "");
  gtk_editable_set_text (GTK_EDITABLE (self->until), "");
  gtk_drop_down_set_selected (self->level, 0);
  gtk_drop_down_set_selected (self->span, 0);
  self->is_clearing = false;
  read_all (self);
}

void
fz_log_filter_bar_focus_search (FzLogFilterBar *self)
{
  gtk_widget_grab_focus (GTK_WIDGET (self->search));
  gtk_editable_select_region (GTK_EDITABLE (self->search), 0, -1);
}

void
fz_log_filter_bar_set_compact (FzLogFilterBar *self, bool is_compact)
{
  gtk_toggle_button_set_active (self->more_button,
                                !is_compact || !fz_log_query_is_all (self->query));
}

void
fz_log_filter_bar_capture_keys (FzLogFilterBar *self, GtkWidget *widget)
{
  gtk_search_entry_set_key_capture_widget (self->search, widget);
}

static void
dispose (GObject *object)
{
  FzLogFilterBar *self = FZ_LOG_FILTER_BAR (object);

  if (self->search != NULL)
    gtk_search_entry_set_key_capture_widget (self->search, NULL);
  G_OBJECT_CLASS (fz_log_filter_bar_parent_class)->dispose (object);
}

static void
finalize (GObject *object)
{
  fz_log_query_free (FZ_LOG_FILTER_BAR (object)->query);
  G_OBJECT_CLASS (fz_log_filter_bar_parent_class)->finalize (object);
}

static void
fz_log_filter_bar_class_init (FzLogFilterBarClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = dispose;
  G_OBJECT_CLASS (klass)->finalize = finalize;
  signals[CHANGED] = g_signal_new (
      "changed", FZ_TYPE_LOG_FILTER_BAR, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/dev/firezone/Client/log/fz-log-filter-bar.ui");
  gtk_widget_class_bind_template_child (widget_class, FzLogFilterBar, search);
  gtk_widget_class_bind_template_child (widget_class, FzLogFilterBar, more_button);
  gtk_widget_class_bind_template_child (widget_class, FzLogFilterBar, level);
  gtk_widget_class_bind_template_child (widget_class, FzLogFilterBar, target);
  gtk_widget_class_bind_template_child (widget_class, FzLogFilterBar, span);
  gtk_widget_class_bind_template_child (widget_class, FzLogFilterBar, custom);
  gtk_widget_class_bind_template_child (widget_class, FzLogFilterBar, from);
  gtk_widget_class_bind_template_child (widget_class, FzLogFilterBar, until);
  gtk_widget_class_bind_template_callback (widget_class, read_all);
  gtk_widget_class_bind_template_callback (widget_class, on_stop_search);
}

static void
fz_log_filter_bar_init (FzLogFilterBar *self)
{
  self->query = fz_log_query_new ();
  self->last_time_us = FZ_LOG_TIME_UNKNOWN;
  gtk_widget_init_template (GTK_WIDGET (self));
  read_all (self);
}
