/* fz-manage-password.c
 *
 * Commands about passwords. The hash is made right here on the main thread: a
 * tenth of a second that an administrator's command may cost.
 */
#include "src/crypto/fz-crypto.h"
#include "src/crypto/fz-password.h"
#include "src/server/fz-manage-private.h"
#include "src/server/fz-password-desk.h"

#include <string.h>

#define GENERATED_LETTERS 20u /* of 31: 99 bits */

const FzManageOption fz_password_set_options[] = {
  FZ_OPTION_WHICH,
  { "password", "TEXT", FZ_OPTION_PROMPT, "the password, typed twice or on standard input" },
  { "generate", NULL, 0, "make a password and print it, this once" },
  { "sign-out", NULL, 0, "also end what was signed in with the old password" },
  FZ_OPTIONS_END
};

const FzManageOption fz_password_remove_options[] = {
  FZ_OPTION_WHICH, { "sign-out", NULL, 0, "also end what was signed in with it" }, FZ_OPTIONS_END
};

/* Letters and digits that look alike on no screen, in groups: "k3vp7-…". g_free. */
static char *
generate_password (FzManage *self)
{
  static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789";
  GString *out = g_string_new (NULL);

  for (unsigned i = 0; i < GENERATED_LETTERS; i++) {
    if (i > 0 && i % 5 == 0)
      g_string_append_c (out, '-');
    g_string_append_c (out, letters[fz_rng_below (fz_store_rng (self->store), sizeof letters - 1)]);
  }
  return g_string_free (out, FALSE);
}

static FzCredential *
find_person (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autofree char *id =
      fz_manage_find_option (self, FZ_THING_ACTOR, account_id, args, "which", error);
  g_autoptr (GError) local_error = NULL;
  FzCredential *person;

  if (id == NULL)
    return NULL;
  person = fz_store_credential_load (self->store, id, &local_error);
  if (local_error != NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));
  else if (person == NULL)
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "a service account does not sign in; make it a token with \"firezone-portal token "
                 "create --client\"");
  return person;
}

static bool
hash_password (const char *password, char out[FZ_PASSWORD_HASH_MAX], GError **error)
{
  const FzPasswordCost cost = fz_password_cost_default ();

  if (fz_password_hash (password, &cost, out))
    return true;
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_FAILED,
               "there is not enough memory to hash a password (%zu MiB)",
               cost.memory_bytes >> 20);
  return false;
}

/* With both or none of @password and --generate it makes no sense. */
static char *
choose_password (FzManage *self, const FzCredential *person, JsonObject *args, GError **error)
{
  const char *given = fz_json_text (args, "password");
  bool is_generated = fz_json_bool (args, "generate", false);
  g_autofree char *password = NULL;

  if ((given != NULL) == is_generated) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "give a password on standard input, or --generate, and not both");
    return NULL;
  }
  if (is_generated)
    return generate_password (self);
  if (!fz_store_password_check (person, given, error))
    return NULL;
  password = fz_password_normalize (given);
  if (!fz_store_password_check (person, password, error))
    return NULL;
  return g_steal_pointer (&password);
}

static bool
store_password (
    FzManage *self, const FzCredential *person, const char *hash, JsonObject *args, GError **error)
{
  g_auto (FzTransaction) transaction = { NULL };

  return fz_transaction_begin (&transaction, fz_store_database (self->store), error) &&
         fz_store_password_put (self->store, person->actor_id, hash, error) &&
         (!fz_json_bool (args, "sign-out", false) ||
          fz_store_actor_sign_out (self->store, person->actor_id, error)) &&
         fz_transaction_commit (&transaction, error);
}

JsonNode *
fz_manage_password_set (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autoptr (FzCredential) person = find_person (self, account_id, args, error);
  g_autofree char *password = NULL;
  char hash[FZ_PASSWORD_HASH_MAX];
  JsonNode *node;

  if (person == NULL)
    return NULL;
  if (person->email == NULL) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "%s has no e-mail address to sign in with; add it with \"firezone-portal actor "
                 "update --email\"",
                 person->name);
    return NULL;
  }
  password = choose_password (self, person, args, error);
  if (password == NULL || !hash_password (password, hash, error) ||
      !store_password (self, person, hash, args, error))
    return NULL;
  node = fz_manage_show_id (self, FZ_THING_ACTOR, account_id, person->actor_id, error);
  if (node != NULL && fz_json_bool (args, "generate", false))
    json_object_set_string_member (json_node_get_object (node), "generated_password", password);
  fz_wipe (password, strlen (password));
  return node;
}

JsonNode *
fz_manage_password_remove (FzManage *self, const char *account_id, JsonObject *args, GError **error)
{
  g_autoptr (FzCredential) person = find_person (self, account_id, args, error);

  if (person == NULL || !store_password (self, person, NULL, args, error))
    return NULL;
  return fz_manage_show_id (self, FZ_THING_ACTOR, account_id, person->actor_id, error);
}
