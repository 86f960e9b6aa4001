/* fz-credential-store.c: see fz-credential-store.h */
#include "src/app/fz-credential-store.h"

#include "src/app/fz-app-log.h"
#include "src/app/fz-sealed-file.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <libsecret/secret.h>
#include <sodium.h>
#include <string.h>

/* A keyring that asks a person gets this long; the session goes on meanwhile. */
#define KEYRING_TIMEOUT_S 120

#define FORGOTTEN_NAME "keyring-forgotten"

struct _FzCredentialStore {
  GObject parent_instance;

  FzCredential *memory; /* what the keyring did not take, or not yet */
  FzKept kept;
  char *reason;
  char *path;          /* of the encrypted file */
  char *forgotten;     /* path of the note that what is in the keyring is not to be used */
  char *label;         /* of the item in the keyring, as its password manager shows it */
  bool was_in_keyring; /* an item was there when we last looked */
  bool is_left_over;   /* an item is there that should be gone */
  struct Job *running; /* at the keyring; one at a time, so that none overtakes another */
  struct Job *next;    /* the newest wish, for when that is done */
};

enum { PROP_0, PROP_KEPT, N_PROPS };

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (FzCredentialStore, fz_credential_store, G_TYPE_OBJECT)

static const SecretSchema schema = {
  .name = "dev.firezone.Client.Token",
  .flags = SECRET_SCHEMA_NONE,
  .attributes = {
      { "account", SECRET_SCHEMA_ATTRIBUTE_STRING },
      { "actor", SECRET_SCHEMA_ATTRIBUTE_STRING },
      { "api-url", SECRET_SCHEMA_ATTRIBUTE_STRING },
      { NULL, 0 },
  },
};

/* A wish about the keyring: to save, or only to clear. */
typedef struct Job {
  FzCredentialStore *store;
  FzCredential *credential; /* to be saved; NULL: to clear only */
  GCancellable *cancellable;
  guint timeout_id;
  GList *items;  /* SecretRetrievable, still to be deleted */
  GError *error; /* the first; NULL if none yet */
} Job;

static gboolean
on_timeout (gpointer user_data)
{
  Job *job = user_data;

  job->timeout_id = 0;
  g_cancellable_cancel (job->cancellable);
  return G_SOURCE_REMOVE;
}

static Job *
job_new (FzCredentialStore *self, const FzCredential *credential)
{
  Job *job = g_new0 (Job, 1);

  job->store = g_object_ref (self);
  job->credential = credential != NULL ? fz_credential_copy (credential) : NULL;
  job->cancellable = g_cancellable_new ();
  return job;
}

static void
job_free (Job *job)
{
  if (job == NULL)
    return;
  g_clear_handle_id (&job->timeout_id, g_source_remove);
  g_object_unref (job->cancellable);
  g_object_unref (job->store);
  fz_credential_free (job->credential);
  g_list_free_full (job->items, g_object_unref);
  g_clear_error (&job->error);
  g_free (job);
}

/* Takes @error. */
static void
note_error (Job *job, GError *error)
{
  if (job->error == NULL)
    job->error = error;
  else
    g_clear_error (&error);
}

/* Somebody wants something newer: what comes of this job tells nothing any more. */
static bool
is_outdated (const Job *job)
{
  return job->store->next != NULL;
}

static void
set_kept (FzCredentialStore *self, FzKept kept, const char *reason)
{
  g_free (self->reason);
  self->reason = g_strdup (reason);
  self->kept = kept;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_KEPT]);
}

/* A file of an earlier sign-in says what is no longer so. */
static void
remove_file (FzCredentialStore *self)
{
  g_unlink (self->path);
}

static void
log_trouble (const char *event, const char *message, const GError *error)
{
  FzLog log = fz_app_log_for ("keyring");

  fz_log (&log, FZ_LOG_WARNING, event, message, FZ_KV_TEXT ("error", error->message));
}

/* -- what should be gone, and may not be --
 *
 * A keyring may refuse to delete, stay locked or not answer, and the app may end meanwhile. So a
 * note is made in a file before anything is asked of the keyring, and goes only once a search has
 * found nothing more. While it is there, no start takes the token of somebody who has signed out.
 */

static void
note_forgotten (FzCredentialStore *self)
{
  g_autofree char *folder = g_path_get_dirname (self->forgotten);
  g_autoptr (GError) error = NULL;

  (void) g_mkdir_with_parents (folder, 0700); /* writing fails then, and says why */
  if (!g_file_set_contents_full (
          self->forgotten, self->label, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error))
    log_trouble ("sign-out-not-noted", "a sign-out cannot be written down", error);
}

static bool
is_forgotten (FzCredentialStore *self)
{
  return g_file_test (self->forgotten, G_FILE_TEST_EXISTS);
}

static void
set_left_over (FzCredentialStore *self, bool is_left_over, const char *reason)
{
  if (is_left_over) {
    g_free (self->reason);
    self->reason = g_strdup (reason);
  }
  if (self->is_left_over == is_left_over)
    return;
  self->is_left_over = is_left_over;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_KEPT]);
}

static void
set_label (FzCredentialStore *self, char *label)
{
  if (label == NULL)
    return;
  g_free (self->label);
  self->label = label;
}

/* Where nobody keeps secrets, nobody has ours; but one that was there may come back with it. */
static bool
is_without_keyring (FzCredentialStore *self, const GError *error)
{
  return !self->was_in_keyring &&
         (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
          g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER));
}

static void
log_left_over (const GError *error)
{
  FzLog log = fz_app_log_for ("keyring");

  fz_log (&log,
          FZ_LOG_WARNING,
          "keyring-not-cleared",
          "the keyring may keep a sign-in that should be gone",
          FZ_KV_TEXT ("error", error != NULL ? error->message : "it is there all the same"));
}

/* @old: an item that should be gone, if one was found; @error: of the search */
static void
settle (Job *job, SecretRetrievable *old, bool is_stored, const GError *error)
{
  FzCredentialStore *self = job->store;
  const GError *told = job->error != NULL ? job->error : error;
  bool is_gone = error == NULL || is_stored || is_without_keyring (self, error);

  if (old == NULL && is_gone) {
    g_unlink (self->forgotten);
    self->was_in_keyring = is_stored;
    set_left_over (self, false, "");
    return;
  }
  if (old == NULL && job->credential != NULL && !self->was_in_keyring)
    return; /* none is known, and none was to be deleted */
  if (old != NULL)
    set_label (self, secret_retrievable_get_label (old));
  log_left_over (told);
  set_left_over (self, true, told != NULL ? told->message : "it is there all the same");
}

static gpointer
find_newest (GList *items)
{
  SecretRetrievable *newest = NULL;

  for (GList *i = items; i != NULL; i = i->next)
    if (newest == NULL ||
        secret_retrievable_get_modified (i->data) > secret_retrievable_get_modified (newest))
      newest = i->data;
  return newest;
}

/* One of @items that is not the newest, or the newest if @is_all; NULL: there is none. */
static gpointer
find_left_over (GList *items, bool is_all)
{
  gpointer newest = find_newest (items);

  for (GList *i = items; i != NULL; i = i->next)
    if (is_all || i->data != newest)
      return i->data;
  return NULL;
}

/* -- saving and clearing: old items first, so that there is never more than one --
 *
 *   clear:  look, unlocking ──► delete ──► look again
 *   save:   look ──► delete ──► store ──► look again
 *
 * Deleting may do nothing without a word, hence the second look. A save does not begin by
 * unlocking, since storing asks for that anyway, and to be asked twice is once too often.
 */

static void on_looked (GObject *source, GAsyncResult *result, gpointer user_data);

static guint
patience_s (void)
{
  const char *text = g_getenv ("FZ_KEYRING_SECONDS"); /* for tests */

  return text != NULL ? (guint) g_ascii_strtoull (text, NULL, 10) : KEYRING_TIMEOUT_S;
}

static void
run_next (FzCredentialStore *self)
{
  Job *job = self->next;

  if (self->running != NULL || job == NULL)
    return;
  self->running = g_steal_pointer (&self->next);
  job->timeout_id = g_timeout_add_seconds (patience_s (), on_timeout, job);
  note_forgotten (self);
  secret_password_search (&schema,
                          SECRET_SEARCH_ALL |
                              (job->credential == NULL ? SECRET_SEARCH_UNLOCK : SECRET_SEARCH_NONE),
                          job->cancellable,
                          on_looked,
                          job,
                          NULL);
}

static void
finish (Job *job)
{
  g_autoptr (FzCredentialStore) self = g_object_ref (job->store);

  self->running = NULL;
  job_free (job);
  run_next (self);
}

/* What is under way loses its interest in the answer, so that a keyring that waits for a person
 * holds nobody up. */
static void
enqueue (FzCredentialStore *self, Job *job)
{
  job_free (self->next);
  self->next = job;
  if (self->running != NULL)
    g_cancellable_cancel (self->running->cancellable);
  run_next (self);
}

/* The end of a job: what the keyring has now. */
static void
on_looked_again (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Job *job = user_data;
  FzCredentialStore *self = job->store;
  bool is_stored = job->credential != NULL && job->error == NULL;
  GError *error = NULL;
  GList *items = secret_password_search_finish (result, &error);

  if (!is_outdated (job))
    settle (job, find_left_over (items, !is_stored), is_stored, error);
  self->was_in_keyring |= items != NULL;
  g_clear_error (&error);
  g_list_free_full (items, g_object_unref);
  finish (job);
}

static void
look_again (Job *job)
{
  secret_password_search (&schema, SECRET_SEARCH_ALL, job->cancellable, on_looked_again, job, NULL);
}

static void
on_stored (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Job *job = user_data;
  FzCredentialStore *self = job->store;
  GError *error = NULL;

  if (secret_password_store_finish (result, &error)) {
    g_clear_error (&job->error); /* of clearing: the looks will tell */
    if (!is_outdated (job)) {
      g_clear_pointer (&self->memory, fz_credential_free);
      remove_file (self);
      g_unlink (self->forgotten);
      self->was_in_keyring = true;
      set_kept (self, FZ_KEPT_IN_KEYRING, "");
    }
  } else if (!is_outdated (job)) {
    log_trouble ("keyring-refused", "the keyring does not keep the token", error);
    set_kept (self, FZ_KEPT_IN_MEMORY, error->message);
  }
  note_error (job, error);
  look_again (job);
}

static void
store (Job *job)
{
  FzCredential *credential = job->credential;

  /* Translators: name of an entry in the desktop's password manager; %s is an account's name */
  set_label (
      job->store,
      g_strdup_printf (_ ("Firezone sign-in for %s"),
                       credential->account[0] != '\0' ? credential->account : credential->api_url));
  secret_password_store (&schema,
                         SECRET_COLLECTION_DEFAULT,
                         job->store->label,
                         credential->token,
                         job->cancellable,
                         on_stored,
                         job,
                         "account",
                         credential->account,
                         "actor",
                         credential->actor,
                         "api-url",
                         credential->api_url,
                         NULL);
}

static void delete_next (Job *job);

static void
on_deleted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Job *job = user_data;
  GError *error = NULL;

  (void) secret_item_delete_finish (SECRET_ITEM (source), result, &error);
  note_error (job, error);
  delete_next (job);
}

static void
on_cleared (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Job *job = user_data;
  GError *error = NULL;

  (void) secret_password_clear_finish (result, &error);
  note_error (job, error);
  delete_next (job);
}

/* One by one: libsecret 0.20 answers twice where it clears several and one is refused. Only the
 * file that stands in for the service in a sandbox knows no single items. */
static void
delete_next (Job *job)
{
  g_autoptr (SecretRetrievable) item = NULL;

  if (is_outdated (job)) {
    finish (job);
  } else if (job->items == NULL) {
    if (job->credential != NULL)
      store (job);
    else
      look_again (job);
  } else {
    item = job->items->data;
    job->items = g_list_delete_link (job->items, job->items);
    if (SECRET_IS_ITEM (item))
      secret_item_delete (SECRET_ITEM (item), job->cancellable, on_deleted, job);
    else
      secret_password_clear (&schema, job->cancellable, on_cleared, job, NULL);
  }
}

static void
on_looked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Job *job = user_data;
  GError *error = NULL;

  job->items = secret_password_search_finish (result, &error);
  job->store->was_in_keyring |= job->items != NULL;
  note_error (job, error);
  delete_next (job);
}

void
fz_credential_store_save (FzCredentialStore *self, const FzCredential *credential)
{
  FzCredential *copy = fz_credential_copy (credential);

  fz_credential_free (self->memory);
  self->memory = copy;
  remove_file (self);
  enqueue (self, job_new (self, credential));
}

void
fz_credential_store_clear (FzCredentialStore *self)
{
  g_clear_pointer (&self->memory, fz_credential_free);
  remove_file (self);
  set_kept (self, FZ_KEPT_NOWHERE, "");
  enqueue (self, job_new (self, NULL));
}

/* The newest, which is to stay, came out of the keyring: all go, and it goes in again. */
static void
on_loaded_to_clear (GObject *source, GAsyncResult *result, gpointer user_data)
{
  FzCredentialStore *self = FZ_CREDENTIAL_STORE (source);
  g_autoptr (FzCredential) credential = fz_credential_store_load_finish (self, result, NULL);

  if (self->kept == FZ_KEPT_IN_KEYRING && credential != NULL)
    fz_credential_store_save (self, credential);
}

void
fz_credential_store_clear_again (FzCredentialStore *self)
{
  if (!self->is_left_over)
    return;
  set_left_over (self, false, "");
  if (self->kept == FZ_KEPT_IN_KEYRING)
    fz_credential_store_load (self, NULL, on_loaded_to_clear, NULL);
  else
    enqueue (self, job_new (self, NULL));
}

/* -- loading -- */

static FzCredential *
make_credential (SecretRetrievable *item, SecretValue *value)
{
  g_autoptr (GHashTable) attributes = secret_retrievable_get_attributes (item);
  const char *account = g_hash_table_lookup (attributes, "account");
  const char *actor = g_hash_table_lookup (attributes, "actor");
  const char *api_url = g_hash_table_lookup (attributes, "api-url");
  const char *token = secret_value_get_text (value);

  if (token == NULL || token[0] == '\0')
    return NULL;
  return fz_credential_new (token,
                            account != NULL ? account : "",
                            actor != NULL ? actor : "",
                            api_url != NULL ? api_url : "");
}

static void
on_retrieved (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  FzCredentialStore *self = g_task_get_source_object (task);
  GError *error = NULL;
  SecretValue *value =
      secret_retrievable_retrieve_secret_finish (SECRET_RETRIEVABLE (source), result, &error);
  FzCredential *credential;

  if (value == NULL) {
    /* A locked keyring that the person left locked gives neither a value nor an error. */
    if (error == NULL)
      error = g_error_new_literal (SECRET_ERROR, SECRET_ERROR_IS_LOCKED, "the keyring is locked");
    set_kept (self, FZ_KEPT_NOWHERE, error->message);
    g_task_return_error (task, error);
    return;
  }
  credential = make_credential (SECRET_RETRIEVABLE (source), value);
  secret_value_unref (value);
  self->was_in_keyring = true;
  set_kept (self, credential != NULL ? FZ_KEPT_IN_KEYRING : FZ_KEPT_NOWHERE, "");
  g_task_return_pointer (task, credential, (GDestroyNotify) fz_credential_free);
}

static void
on_found (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  FzCredentialStore *self = g_task_get_source_object (task);
  GError *error = NULL;
  GList *items = secret_password_search_finish (result, &error);
  SecretRetrievable *newest, *old;

  if (error != NULL) {
    log_trouble ("keyring-unreadable", "the keyring cannot be read", error);
    set_kept (self, FZ_KEPT_NOWHERE, error->message);
    g_task_return_error (task, error);
    return;
  }
  if (items == NULL) {
    set_kept (self, FZ_KEPT_NOWHERE, "");
    g_task_return_pointer (task, NULL, NULL);
    return;
  }
  newest = find_newest (items);
  old = find_left_over (items, false);
  set_label (self, secret_retrievable_get_label (old != NULL ? old : newest));
  set_left_over (self, old != NULL, "there is more than one");
  secret_retrievable_retrieve_secret (
      newest, g_task_get_cancellable (task), on_retrieved, g_object_ref (task));
  g_list_free_full (items, g_object_unref);
}

void
fz_credential_store_load (FzCredentialStore *self,
                          GCancellable *cancellable,
                          GAsyncReadyCallback callback,
                          gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  if (self->memory != NULL) {
    g_task_return_pointer (
        task, fz_credential_copy (self->memory), (GDestroyNotify) fz_credential_free);
    return;
  }
  if (is_forgotten (self)) {
    if (self->running == NULL && !self->is_left_over)
      enqueue (self, job_new (self, NULL));
    g_task_return_pointer (task, NULL, NULL);
    return;
  }
  secret_password_search (&schema,
                          SECRET_SEARCH_ALL | SECRET_SEARCH_UNLOCK | SECRET_SEARCH_LOAD_SECRETS,
                          cancellable,
                          on_found,
                          g_steal_pointer (&task),
                          NULL);
}

FzCredential *
fz_credential_store_load_finish (FzCredentialStore *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* -- the encrypted file; keys take their time, so on a thread of their own -- */

typedef struct {
  char *path;
  char *passphrase;         /* in guarded memory */
  FzCredential *credential; /* to be written, or what was read */
} Sealing;

static void
sealing_free (gpointer data)
{
  Sealing *sealing = data;

  g_free (sealing->path);
  sodium_free (sealing->passphrase);
  fz_credential_free (sealing->credential);
  g_free (sealing);
}

static GTask *
sealing_new (FzCredentialStore *self,
             const char *passphrase,
             GAsyncReadyCallback callback,
             gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);
  Sealing *sealing = g_new0 (Sealing, 1);
  size_t size = strlen (passphrase) + 1;

  g_assert (sodium_init () >= 0);
  sealing->path = g_strdup (self->path);
  sealing->passphrase = sodium_malloc (size);
  g_assert (sealing->passphrase != NULL);
  memcpy (sealing->passphrase, passphrase, size);
  g_task_set_task_data (task, sealing, sealing_free);
  return task;
}

static void
seal_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Sealing *sealing = data;
  GError *error = NULL;

  if (fz_sealed_file_write (sealing->path, sealing->passphrase, sealing->credential, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
unseal_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Sealing *sealing = data;
  GError *error = NULL;

  sealing->credential = fz_sealed_file_read (sealing->path, sealing->passphrase, &error);
  if (sealing->credential != NULL)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

void
fz_credential_store_seal (FzCredentialStore *self,
                          const char *passphrase,
                          GAsyncReadyCallback callback,
                          gpointer user_data)
{
  g_autoptr (GTask) task = sealing_new (self, passphrase, callback, user_data);
  Sealing *sealing = g_task_get_task_data (task);

  if (self->memory == NULL) {
    g_task_return_new_error (
        task, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no sign-in that could be kept");
    return;
  }
  sealing->credential = fz_credential_copy (self->memory);
  g_task_run_in_thread (task, seal_in_thread);
}

bool
fz_credential_store_seal_finish (FzCredentialStore *self, GAsyncResult *result, GError **error)
{
  const Sealing *sealing = g_task_get_task_data (G_TASK (result));

  if (!g_task_propagate_boolean (G_TASK (result), error))
    return false;
  /* signed out, or signed in anew, while the key was made: the file is out of date already */
  if (self->memory == NULL || strcmp (self->memory->token, sealing->credential->token) != 0)
    remove_file (self);
  else
    set_kept (self, FZ_KEPT_IN_FILE, "");
  return true;
}

void
fz_credential_store_unseal (FzCredentialStore *self,
                            const char *passphrase,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_autoptr (GTask) task = sealing_new (self, passphrase, callback, user_data);

  g_task_run_in_thread (task, unseal_in_thread);
}

bool
fz_credential_store_unseal_finish (FzCredentialStore *self, GAsyncResult *result, GError **error)
{
  Sealing *sealing = g_task_get_task_data (G_TASK (result));

  if (!g_task_propagate_boolean (G_TASK (result), error))
    return false;
  if (self->memory != NULL || self->kept == FZ_KEPT_IN_KEYRING)
    return true; /* somebody has signed in meanwhile */
  self->memory = g_steal_pointer (&sealing->credential);
  set_kept (self, FZ_KEPT_IN_FILE, "");
  return true;
}

bool
fz_credential_store_is_sealed (FzCredentialStore *self)
{
  return self->kept == FZ_KEPT_NOWHERE && g_file_test (self->path, G_FILE_TEST_IS_REGULAR);
}

/* -- life -- */

FzKept
fz_credential_store_get_kept (FzCredentialStore *self)
{
  return self->kept;
}

bool
fz_credential_store_has_left_over (FzCredentialStore *self)
{
  return self->is_left_over;
}

const char *
fz_credential_store_get_label (FzCredentialStore *self)
{
  return self->label;
}

const char *
fz_credential_store_get_reason (FzCredentialStore *self)
{
  return self->reason;
}

FzCredentialStore *
fz_credential_store_new (void)
{
  return g_object_new (FZ_TYPE_CREDENTIAL_STORE, NULL);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  g_assert (id == PROP_KEPT);
  g_value_set_uint (value, FZ_CREDENTIAL_STORE (object)->kept);
}

static void
finalize (GObject *object)
{
  FzCredentialStore *self = FZ_CREDENTIAL_STORE (object);

  fz_credential_free (self->memory);
  g_free (self->reason);
  g_free (self->path);
  g_free (self->forgotten);
  g_free (self->label);
  G_OBJECT_CLASS (fz_credential_store_parent_class)->finalize (object);
}

static void
fz_credential_store_class_init (FzCredentialStoreClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = finalize;
  object_class->get_property = get_property;
  properties[PROP_KEPT] = g_param_spec_uint (
      "kept", NULL, NULL, 0, FZ_KEPT_IN_FILE, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
fz_credential_store_init (FzCredentialStore *self)
{
  g_autofree char *folder = NULL;

  self->reason = g_strdup ("");
  self->path = fz_sealed_file_dup_path ();
  folder = g_path_get_dirname (self->path);
  self->forgotten = g_build_filename (folder, FORGOTTEN_NAME, NULL);
  if (!g_file_get_contents (self->forgotten, &self->label, NULL, NULL))
    self->label = g_strdup ("");
}
