/* fz-qr.c: see fz-qr.h */
#include "src/app/fz-qr.h"

#include <qrencode.h>

struct _FzQr {
  GObject parent_instance;

  QRcode *code;
};

static void paintable_init (GdkPaintableInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (FzQr,
                               fz_qr,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (GDK_TYPE_PAINTABLE, paintable_init))

/* Whole pixels per module, or the finest codes blur. */
static void
snapshot (GdkPaintable *paintable, GdkSnapshot *gdk_snapshot, double width, double height)
{
  GtkSnapshot *out = GTK_SNAPSHOT (gdk_snapshot);
  const QRcode *code = FZ_QR (paintable)->code;
  const GdkRGBA black = { 0, 0, 0, 1 };
  float side = (float) MAX (1, (int) (MIN (width, height) / code->width));
  float left = (float) (int) ((width - side * code->width) / 2);
  float top = (float) (int) ((height - side * code->width) / 2);

  for (int y = 0; y < code->width; y++)
    for (int x = 0; x < code->width; x++)
      if (code->data[y * code->width + x] & 1)
        gtk_snapshot_append_color (
            out,
            &black,
            &GRAPHENE_RECT_INIT (left + side * (float) x, top + side * (float) y, side, side));
}

static double
get_aspect_ratio (GdkPaintable *paintable)
{
  return 1.0;
}

static GdkPaintableFlags
get_flags (GdkPaintable *paintable)
{
  return GDK_PAINTABLE_STATIC_CONTENTS | GDK_PAINTABLE_STATIC_SIZE;
}

static void
paintable_init (GdkPaintableInterface *iface)
{
  iface->snapshot = snapshot;
  iface->get_intrinsic_aspect_ratio = get_aspect_ratio;
  iface->get_flags = get_flags;
}

FzQr *
fz_qr_new (const char *text)
{
  QRcode *code = QRcode_encodeString8bit (text, 0, QR_ECLEVEL_L);
  FzQr *self;

  if (code == NULL)
    return NULL;
  self = g_object_new (FZ_TYPE_QR, NULL);
  self->code = code;
  return self;
}

static void
finalize (GObject *object)
{
  QRcode_free (FZ_QR (object)->code);
  G_OBJECT_CLASS (fz_qr_parent_class)->finalize (object);
}

static void
fz_qr_class_init (FzQrClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = finalize;
}

static void
fz_qr_init (FzQr *self)
{
}
