/* fz-remote-object.c: see fz-remote-object.h */
#include "src/app/fz-remote-object.h"

typedef struct {
  GValue *values; /* one for each field of the class */
} FzRemoteObjectPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (FzRemoteObject, fz_remote_object, G_TYPE_OBJECT)

static GValue *
value_of (FzRemoteObject *self, size_t field)
{
  FzRemoteObjectPrivate *priv = fz_remote_object_get_instance_private (self);

  g_assert (field < FZ_REMOTE_OBJECT_GET_CLASS (self)->n_fields);
  return &priv->values[field];
}

static void
set_empty (GValue *value, GType type)
{
  if (G_VALUE_TYPE (value) != 0)
    g_value_unset (value);
  g_value_init (value, type);
  if (type == G_TYPE_STRING)
    g_value_set_static_string (value, "");
  else if (type == G_TYPE_STRV)
    g_value_take_boxed (value, g_new0 (char *, 1));
}

static bool
is_same (const GValue *a, const GValue *b)
{
  GType type = G_VALUE_TYPE (a);

  if (type == G_TYPE_STRING)
    return g_strcmp0 (g_value_get_string (a), g_value_get_string (b)) == 0;
  if (type == G_TYPE_STRV)
    return g_strv_equal (g_value_get_boxed (a), g_value_get_boxed (b));
  if (type == G_TYPE_UINT)
    return g_value_get_uint (a) == g_value_get_uint (b);
  if (type == G_TYPE_UINT64)
    return g_value_get_uint64 (a) == g_value_get_uint64 (b);
  if (type == G_TYPE_BOOLEAN)
    return g_value_get_boolean (a) == g_value_get_boolean (b);
  if (g_value_get_variant (a) == NULL || g_value_get_variant (b) == NULL)
    return g_value_get_variant (a) == g_value_get_variant (b);
  return g_variant_equal (g_value_get_variant (a), g_value_get_variant (b));
}

/* False if @variant is of another type than the field. */
static bool
read_variant (GVariant *variant, GType type, GValue *out)
{
  bool is_text = g_variant_is_of_type (variant, G_VARIANT_TYPE_STRING) ||
                 g_variant_is_of_type (variant, G_VARIANT_TYPE_OBJECT_PATH);

  g_value_init (out, type);
  if (type == G_TYPE_STRING && is_text)
    g_value_set_string (out, g_variant_get_string (variant, NULL));
  else if (type == G_TYPE_UINT && g_variant_is_of_type (variant, G_VARIANT_TYPE_UINT32))
    g_value_set_uint (out, g_variant_get_uint32 (variant));
  else if (type == G_TYPE_UINT64 && g_variant_is_of_type (variant, G_VARIANT_TYPE_UINT64))
    g_value_set_uint64 (out, g_variant_get_uint64 (variant));
  else if (type == G_TYPE_BOOLEAN && g_variant_is_of_type (variant, G_VARIANT_TYPE_BOOLEAN))
    g_value_set_boolean (out, g_variant_get_boolean (variant));
  else if (type == G_TYPE_STRV && g_variant_is_of_type (variant, G_VARIANT_TYPE_STRING_ARRAY))
    g_value_take_boxed (out, g_variant_dup_strv (variant, NULL));
  else if (type == G_TYPE_VARIANT && g_variant_is_of_type (variant, G_VARIANT_TYPE_VARDICT))
    g_value_set_variant (out, variant);
  else {
    g_value_unset (out);
    return false;
  }
  return true;
}

/* Takes @fresh. */
static bool
replace (FzRemoteObject *self, size_t field, GValue *fresh)
{
  GValue *value = value_of (self, field);

  if (is_same (value, fresh)) {
    g_value_unset (fresh);
    return false;
  }
  g_value_unset (value);
  *value = *fresh;
  g_object_notify (G_OBJECT (self), FZ_REMOTE_OBJECT_GET_CLASS (self)->fields[field].property);
  return true;
}

static void
tell (FzRemoteObject *self)
{
  FzRemoteObjectClass *klass = FZ_REMOTE_OBJECT_GET_CLASS (self);

  if (klass->changed != NULL)
    klass->changed (self);
}

static size_t
find_field (FzRemoteObjectClass *klass, const char *member)
{
  size_t i = 0;

  while (i < klass->n_fields && g_strcmp0 (klass->fields[i].member, member) != 0)
    i++;
  return i;
}

bool
fz_remote_object_apply (FzRemoteObject *self, GVariant *properties)
{
  FzRemoteObjectClass *klass = FZ_REMOTE_OBJECT_GET_CLASS (self);
  bool any = false;
  const char *member;
  GVariant *variant;
  GVariantIter iter;

  g_object_freeze_notify (G_OBJECT (self));
  g_variant_iter_init (&iter, properties);
  while (g_variant_iter_loop (&iter, "{&sv}", &member, &variant)) {
    size_t field = find_field (klass, member);
    GValue fresh = G_VALUE_INIT;

    if (field < klass->n_fields && read_variant (variant, klass->fields[field].type, &fresh))
      any |= replace (self, field, &fresh);
  }
  g_object_thaw_notify (G_OBJECT (self));

  if (any)
    tell (self);
  return any;
}

void
fz_remote_object_reset (FzRemoteObject *self)
{
  FzRemoteObjectClass *klass = FZ_REMOTE_OBJECT_GET_CLASS (self);
  bool any = false;

  g_object_freeze_notify (G_OBJECT (self));
  for (size_t i = 0; i < klass->n_fields; i++) {
    GValue fresh = G_VALUE_INIT;

    if (klass->fields[i].member == NULL)
      continue;
    set_empty (&fresh, klass->fields[i].type);
    any |= replace (self, i, &fresh);
  }
  g_object_thaw_notify (G_OBJECT (self));

  if (any)
    tell (self);
}

const char *
fz_remote_object_get_text (FzRemoteObject *self, size_t field)
{
  return g_value_get_string (value_of (self, field));
}

const char *const *
fz_remote_object_get_texts (FzRemoteObject *self, size_t field)
{
  return g_value_get_boxed (value_of (self, field));
}

uint64_t
fz_remote_object_get_number (FzRemoteObject *self, size_t field)
{
  const GValue *value = value_of (self, field);

  if (G_VALUE_HOLDS_UINT (value))
    return g_value_get_uint (value);
  return G_VALUE_HOLDS_BOOLEAN (value) ? (uint64_t) g_value_get_boolean (value)
                                       : g_value_get_uint64 (value);
}

GVariant *
fz_remote_object_get_variant (FzRemoteObject *self, size_t field)
{
  return g_value_get_variant (value_of (self, field));
}

void
fz_remote_object_set_number (FzRemoteObject *self, size_t field, uint64_t value)
{
  GType type = FZ_REMOTE_OBJECT_GET_CLASS (self)->fields[field].type;
  GValue fresh = G_VALUE_INIT;

  g_value_init (&fresh, type);
  if (type == G_TYPE_BOOLEAN)
    g_value_set_boolean (&fresh, value != 0);
  else if (type == G_TYPE_UINT)
    g_value_set_uint (&fresh, (guint) value);
  else
    g_value_set_uint64 (&fresh, value);
  if (replace (self, field, &fresh))
    tell (self);
}

void
fz_remote_object_set_text (FzRemoteObject *self, size_t field, const char *value)
{
  GValue fresh = G_VALUE_INIT;

  g_value_init (&fresh, G_TYPE_STRING);
  g_value_set_string (&fresh, value);
  if (replace (self, field, &fresh))
    tell (self);
}

static void
get_property (GObject *object, guint id, GValue *out, GParamSpec *pspec)
{
  g_value_copy (value_of (FZ_REMOTE_OBJECT (object), id - 1), out);
}

static GParamSpec *
make_pspec (const FzRemoteField *field)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;
  const char *name = field->property;

  if (field->type == G_TYPE_STRING)
    return g_param_spec_string (name, NULL, NULL, NULL, flags);
  if (field->type == G_TYPE_UINT)
    return g_param_spec_uint (name, NULL, NULL, 0, G_MAXUINT, 0, flags);
  if (field->type == G_TYPE_UINT64)
    return g_param_spec_uint64 (name, NULL, NULL, 0, G_MAXUINT64, 0, flags);
  if (field->type == G_TYPE_BOOLEAN)
    return g_param_spec_boolean (name, NULL, NULL, FALSE, flags);
  if (field->type == G_TYPE_STRV)
    return g_param_spec_boxed (name, NULL, NULL, G_TYPE_STRV, flags);
  g_assert (field->type == G_TYPE_VARIANT);
  return g_param_spec_variant (name, NULL, NULL, G_VARIANT_TYPE_VARDICT, NULL, flags);
}

void
fz_remote_object_class_describe (FzRemoteObjectClass *klass,
                                 const FzRemoteField *fields,
                                 size_t n_fields)
{
  klass->fields = fields;
  klass->n_fields = n_fields;
  G_OBJECT_CLASS (klass)->get_property = get_property; /* GObject does not inherit it */
  for (size_t i = 0; i < n_fields; i++)
    g_object_class_install_property (
        G_OBJECT_CLASS (klass), (guint) i + 1, make_pspec (&fields[i]));
}

static void
constructed (GObject *object)
{
  FzRemoteObjectClass *klass = FZ_REMOTE_OBJECT_GET_CLASS (object);
  FzRemoteObjectPrivate *priv = fz_remote_object_get_instance_private (FZ_REMOTE_OBJECT (object));

  priv->values = g_new0 (GValue, klass->n_fields);
  for (size_t i = 0; i < klass->n_fields; i++)
    set_empty (&priv->values[i], klass->fields[i].type);
  G_OBJECT_CLASS (fz_remote_object_parent_class)->constructed (object);
}

static void
finalize (GObject *object)
{
  FzRemoteObjectClass *klass = FZ_REMOTE_OBJECT_GET_CLASS (object);
  FzRemoteObjectPrivate *priv = fz_remote_object_get_instance_private (FZ_REMOTE_OBJECT (object));

  for (size_t i = 0; priv->values != NULL && i < klass->n_fields; i++)
    g_value_unset (&priv->values[i]);
  g_free (priv->values);
  G_OBJECT_CLASS (fz_remote_object_parent_class)->finalize (object);
}

static void
fz_remote_object_class_init (FzRemoteObjectClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = constructed;
  object_class->finalize = finalize;
}

static void
fz_remote_object_init (FzRemoteObject *self)
{
}
