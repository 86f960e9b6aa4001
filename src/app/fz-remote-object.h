/* fz-remote-object.h
 *
 * What one D-Bus object says of itself, as a GObject whose properties carry the same facts: the
 * class names its fields once, and snapshots and change signals are laid over them as they arrive.
 * Only what really changed notifies. A value of another type than the contract's is left out, a
 * member nobody knows is ignored: the other side may be newer than we are.
 *
 * Main thread.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

/* One member of the interface, or (member NULL) something that only we know. */
typedef struct {
  const char *member;   /* on the bus, "AddressNote" */
  const char *property; /* of the GObject, "address-note" */
  GType type;           /* G_TYPE_STRING, _UINT, _UINT64, _BOOLEAN, _STRV, _VARIANT */
} FzRemoteField;

#define FZ_TYPE_REMOTE_OBJECT (fz_remote_object_get_type ())
G_DECLARE_DERIVABLE_TYPE (FzRemoteObject, fz_remote_object, FZ, REMOTE_OBJECT, GObject)

struct _FzRemoteObjectClass {
  GObjectClass parent_class;

  const FzRemoteField *fields; /* static */
  size_t n_fields;
  void (*changed) (
      FzRemoteObject *self); /* after one or more fields of a message changed; may be NULL */
};

/* In a subclass's class_init: installs read-only properties for @fields, which must be static. The
 * n-th field has property id n + 1. */
void fz_remote_object_class_describe (FzRemoteObjectClass *klass,
                                      const FzRemoteField *fields,
                                      size_t n_fields);

/* Lays @properties, an a{sv}, over the fields. Returns whether anything changed. */
bool fz_remote_object_apply (FzRemoteObject *self, GVariant *properties);

/* All fields that come from the bus back to zero, "" and empty. */
void fz_remote_object_reset (FzRemoteObject *self);

/* By the field's index. Text and lists are never NULL; they are borrowed until the field changes.
 */
const char *fz_remote_object_get_text (FzRemoteObject *self, size_t field);
const char *const *fz_remote_object_get_texts (FzRemoteObject *self, size_t field);
uint64_t fz_remote_object_get_number (FzRemoteObject *self, size_t field); /* also G_TYPE_BOOLEAN */
GVariant *fz_remote_object_get_variant (FzRemoteObject *self, size_t field);

/* For fields that only we know. */
void fz_remote_object_set_number (FzRemoteObject *self, size_t field, uint64_t value);
void fz_remote_object_set_text (FzRemoteObject *self, size_t field, const char *value);
