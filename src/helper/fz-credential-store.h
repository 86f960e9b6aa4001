/* fz-credential-store.h
 *
 * Keeps the credential with the service manager (its descriptor store), and
 * nowhere on disk: a service that was killed finds it again at its next start,
 * one that was stopped does not. Each writing is a descriptor of its own name,
 * sent before the former is taken back, so that a kill between the two loses
 * nothing. Without a service manager everything here is a no-op.
 *
 * The unit needs FileDescriptorStoreMax=8.
 */
#pragma once

#include "src/base/fz-log.h"
#include "src/helper/fz-credential.h"

typedef struct FzCredentialStore FzCredentialStore;

/* Takes what the manager has kept out of the process's environment: first thing in main, once. */
FzCredentialStore *fz_credential_store_new (void);
void fz_credential_store_free (FzCredentialStore *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzCredentialStore, fz_credential_store_free)

/* The newest that was kept; NULL: none. What cannot be read is logged and dropped. Call it once. */
FzCredential *
fz_credential_store_restore (FzCredentialStore *self, FzWish *out_wish, const FzLog *log);

void fz_credential_store_save (FzCredentialStore *self,
                               const FzCredential *credential,
                               const FzWish *wish,
                               const FzLog *log);

/* The manager forgets it. */
void fz_credential_store_forget (FzCredentialStore *self);
