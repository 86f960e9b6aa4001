#include "src/ipc/fz-ipc-picture.h"

#include <string.h>

static FzIpcPicture *
alloc_picture (GRefString *path, GDBusInterfaceInfo *info, unsigned n_values)
{
  FzIpcPicture *self = g_malloc0 (sizeof *self + n_values * sizeof self->values[0]);

  g_atomic_ref_count_init (&self->refs);
  self->path = path;
  self->info = info;
  self->n_values = n_values;
  return self;
}

static unsigned
count_properties (GDBusInterfaceInfo *info)
{
  unsigned n = 0;

  while (info->properties != NULL && info->properties[n] != NULL)
    n++;
  return n;
}

GVariant *
fz_ipc_picture_make_zero (GDBusInterfaceInfo *info, unsigned i)
{
  const char *signature = info->properties[i]->signature;

  switch (*signature) {
  case 'b':
    return g_variant_new_boolean (FALSE);
  case 'u':
    return g_variant_new_uint32 (0);
  case 't':
    return g_variant_new_uint64 (0);
  case 's':
    return g_variant_new_string ("");
  case 'o':
    return g_variant_new_object_path ("/");
  default:
    return g_variant_new_array (G_VARIANT_TYPE (signature + 1), NULL, 0);
  }
}

FzIpcPicture *
fz_ipc_picture_new (const char *path, GDBusInterfaceInfo *info)
{
  FzIpcPicture *self = alloc_picture (g_ref_string_new (path), info, count_properties (info));

  for (unsigned i = 0; i < self->n_values; i++)
    self->values[i] = g_variant_ref_sink (fz_ipc_picture_make_zero (info, i));
  return self;
}

FzIpcPicture *
fz_ipc_picture_ref (FzIpcPicture *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
fz_ipc_picture_unref (FzIpcPicture *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  for (unsigned i = 0; i < self->n_values; i++)
    g_variant_unref (self->values[i]);
  g_ref_string_release (self->path);
  g_free (self);
}

static FzIpcPicture *
copy_picture (const FzIpcPicture *self)
{
  FzIpcPicture *copy =
      alloc_picture (g_ref_string_acquire (self->path), self->info, self->n_values);

  for (unsigned i = 0; i < self->n_values; i++)
    copy->values[i] = g_variant_ref (self->values[i]);
  return copy;
}

/* References are made by the main thread alone: one that is the only one stays it. */
FzIpcPicture *
fz_ipc_picture_set (FzIpcPicture *self, unsigned i, GVariant *value)
{
  FzIpcPicture *own = self;

  g_assert (i < self->n_values);
  if (!g_atomic_ref_count_compare (&self->refs, 1)) {
    own = copy_picture (self);
    fz_ipc_picture_unref (self);
  }
  g_variant_unref (own->values[i]);
  own->values[i] = value;
  return own;
}

/* a{sa{sv}} of the one interface */
static GVariant *
make_interfaces (const FzIpcPicture *self)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sa{sv}}"));

  g_variant_builder_open (&builder, G_VARIANT_TYPE ("{sa{sv}}"));
  g_variant_builder_add (&builder, "s", self->info->name);
  g_variant_builder_open (&builder, G_VARIANT_TYPE ("a{sv}"));
  for (unsigned i = 0; i < self->n_values; i++)
    g_variant_builder_add (&builder, "{sv}", self->info->properties[i]->name, self->values[i]);
  g_variant_builder_close (&builder);
  g_variant_builder_close (&builder);
  return g_variant_builder_end (&builder);
}

GVariant *
fz_ipc_picture_to_added (const FzIpcPicture *self)
{
  return g_variant_new ("(o@a{sa{sv}})", self->path, make_interfaces (self));
}

GVariant *
fz_ipc_pictures_to_managed (GPtrArray *pictures)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{oa{sa{sv}}}"));

  for (unsigned i = 0; i < pictures->len; i++) {
    const FzIpcPicture *picture = pictures->pdata[i];

    g_variant_builder_add (&builder, "{o@a{sa{sv}}}", picture->path, make_interfaces (picture));
  }
  return g_variant_new ("(a{oa{sa{sv}}})", &builder);
}
