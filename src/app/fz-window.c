/* fz-window.c: see fz-window.h */
#include "src/app/fz-window.h"

struct _FzWindow {
  AdwApplicationWindow parent_instance;

  AdwViewStack *stack;
};

G_DEFINE_FINAL_TYPE (FzWindow, fz_window, ADW_TYPE_APPLICATION_WINDOW)

void
fz_window_show_page (FzWindow *self, const char *page)
{
  adw_view_stack_set_visible_child_name (self->stack, page);
}

static void
fz_window_class_init (FzWindowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  gtk_widget_class_set_template_from_resource (widget_class, "/dev/firezone/Client/fz-window.ui");
  gtk_widget_class_bind_template_child (widget_class, FzWindow, stack);
}

static void
fz_window_init (FzWindow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}

FzWindow *
fz_window_new (FzApplication *application)
{
  return g_object_new (FZ_TYPE_WINDOW, "application", application, NULL);
}
