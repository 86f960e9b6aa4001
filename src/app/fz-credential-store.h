/* fz-credential-store.h
 *
 * Where the token stays between two starts of the app: the Secret Service, one item. Where there is
 * no such service, or it stays locked, the token is kept in memory until the app ends, and "kept"
 * says so; nothing waits for a keyring that does not answer. Who wants to keep it all the same
 * gives a passphrase: then it is in an encrypted file (fz-sealed-file.h), which the next start asks
 * to be opened.
 *
 * A keyring may also keep what it is told to delete. Then nobody uses that token any more, also
 * after a restart of the app, and there is a "left over", told until it is gone.
 *
 * Property "kept" (FzKept as uint), notified for what is left over as well. Main thread.
 */
#pragma once

#include "src/app/fz-sign-in.h"

#include <gio/gio.h>

typedef enum {
  FZ_KEPT_NOWHERE,    /* there is none, as far as we know */
  FZ_KEPT_IN_KEYRING, /* survives a restart */
  FZ_KEPT_IN_MEMORY,  /* the keyring would not have it: gone when the app ends */
  FZ_KEPT_IN_FILE,    /* encrypted; in memory as well while the app runs */
} FzKept;

#define FZ_TYPE_CREDENTIAL_STORE (fz_credential_store_get_type ())
G_DECLARE_FINAL_TYPE (FzCredentialStore, fz_credential_store, FZ, CREDENTIAL_STORE, GObject)

FzCredentialStore *fz_credential_store_new (void);

FzKept fz_credential_store_get_kept (FzCredentialStore *self);

/* Whether the keyring keeps, or may keep, a sign-in that should be gone. */
bool fz_credential_store_has_left_over (FzCredentialStore *self);

/* Of the keyring's item, as a password manager shows it; in any language; "" if not known. */
const char *fz_credential_store_get_label (FzCredentialStore *self);

/* English, why the keyring does not have it, or has it still; "" if nothing is wrong. */
const char *fz_credential_store_get_reason (FzCredentialStore *self);

/* May ask the person to unlock the keyring. */
void fz_credential_store_load (FzCredentialStore *self,
                               GCancellable *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer user_data);

/* (transfer full): NULL without @error: there is none. NULL with it: the keyring cannot be read. */
FzCredential *
fz_credential_store_load_finish (FzCredentialStore *self, GAsyncResult *result, GError **error);

/* Replaces what is there. The result is told by "kept". */
void fz_credential_store_save (FzCredentialStore *self, const FzCredential *credential);

/* Whether there is an encrypted file, and its passphrase is to be asked for. */
bool fz_credential_store_is_sealed (FzCredentialStore *self);

/* Writes what is kept in memory to the encrypted file. */
void fz_credential_store_seal (FzCredentialStore *self,
                               const char *passphrase,
                               GAsyncReadyCallback callback,
                               gpointer user_data);
bool
fz_credential_store_seal_finish (FzCredentialStore *self, GAsyncResult *result, GError **error);

/* Opens the file: from then on load gives what was in it. */
void fz_credential_store_unseal (FzCredentialStore *self,
                                 const char *passphrase,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data);
bool
fz_credential_store_unseal_finish (FzCredentialStore *self, GAsyncResult *result, GError **error);

/* Wipes it everywhere. What cannot be wiped is left over, and not used again. */
void fz_credential_store_clear (FzCredentialStore *self);

/* Tries once more to get rid of what is left over; what is kept stays. */
void fz_credential_store_clear_again (FzCredentialStore *self);
