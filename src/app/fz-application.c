/* fz-application.c: see fz-application.h */
#include "src/app/fz-application.h"

#include "src/app/fz-ui.h"
#include "src/app/fz-window.h"

struct _FzApplication {
  AdwApplication parent_instance;

  FzTunnelModel *tunnel;
};

G_DEFINE_FINAL_TYPE (FzApplication, fz_application, ADW_TYPE_APPLICATION)

static void
activate (GApplication *application)
{
  FzApplication *self = FZ_APPLICATION (application);
  GtkWindow *window = gtk_application_get_active_window (GTK_APPLICATION (self));

  if (window == NULL)
    window = GTK_WINDOW (fz_window_new (self));
  gtk_window_present (window);
}

static void
startup (GApplication *application)
{
  FzApplication *self = FZ_APPLICATION (application);

  G_APPLICATION_CLASS (fz_application_parent_class)->startup (application);
  self->tunnel = fz_tunnel_model_new (NULL);
}

static void
dispose (GObject *object)
{
  g_clear_object (&FZ_APPLICATION (object)->tunnel);
  G_OBJECT_CLASS (fz_application_parent_class)->dispose (object);
}

static void
fz_application_class_init (FzApplicationClass *klass)
{
  fz_ui_register_resource ();
  G_OBJECT_CLASS (klass)->dispose = dispose;
  G_APPLICATION_CLASS (klass)->startup = startup;
  G_APPLICATION_CLASS (klass)->activate = activate;
}

static void
fz_application_init (FzApplication *self)
{
}

FzApplication *
fz_application_new (void)
{
  return g_object_new (FZ_TYPE_APPLICATION, "application-id", FZ_APPLICATION_ID, NULL);
}

FzTunnelModel *
fz_application_get_tunnel (FzApplication *self)
{
  return self->tunnel;
}
