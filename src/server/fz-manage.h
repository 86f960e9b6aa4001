/* fz-manage.h
 *
 * The management commands, once: a table of nouns and verbs with their options,
 * and functions over the store that carry them out. The command line makes its
 * parser and its help from the table; the running portal executes the same
 * entries when a request comes in over the control socket.
 */
#pragma once

#include "src/server/fz-hub.h"
#include "src/server/fz-store.h"

#include <glib.h>
#include <json-glib/json-glib.h>

typedef enum {
  FZ_OPTION_REQUIRED = 1 << 0,
  FZ_OPTION_MANY = 1 << 1,       /* may be given several times; an array in the arguments */
  FZ_OPTION_POSITIONAL = 1 << 2, /* a word of its own rather than "--name VALUE" */
  FZ_OPTION_FILE = 1 << 3,       /* the value is a file; its trimmed content is the argument */
  FZ_OPTION_OR_WORD = 1 << 4,    /* "--name VALUE", or the word of its own */
  FZ_OPTION_PROMPT = 1 << 5,     /* a secret: asked for on the terminal, else the first line of
                                    standard input; not if the switch "generate" is given */
} FzOptionFlags;

typedef struct {
  const char *name;        /* without dashes; also the member of the arguments */
  const char *placeholder; /* NULL for a switch */
  unsigned flags;          /* FzOptionFlags */
  const char *help;
} FzManageOption;

typedef struct {
  FzStore *store;
  FzHub *hub; /* NULL when no portal runs */
  const char *database_path;
  int64_t started_at; /* unix seconds, of the running portal */
} FzManage;

typedef struct {
  const char *noun;
  const char *verb; /* one word or two; NULL if the noun stands alone: "init" */
  const char *summary;
  const char *columns; /* for tables, with commas between; NULL: not a list */
  bool needs_account;
  bool is_change;                /* everybody connected is brought up to date afterwards */
  const FzManageOption *options; /* ends with an entry without name */
  JsonNode *(*run) (FzManage *self, const char *account_id, JsonObject *args, GError **error);
} FzManageVerb;

/* All of them, ending with an entry without noun; grouped by noun. */
const FzManageVerb *const *fz_manage_tables (void);

const FzManageVerb *fz_manage_find (const char *noun, const char *verb);

/**
 * fz_manage_run:
 * @args: members as the options of the verb say, and "account" where there are several
 *
 * Carries out one command. Unknown members and missing ones are refused.
 *
 * Returns: (transfer full): an array for lists, else an object; NULL with @error
 */
JsonNode *
fz_manage_run (FzManage *self, const FzManageVerb *verb, JsonObject *args, GError **error);
