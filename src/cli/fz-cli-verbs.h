/* fz-cli-verbs.h
 *
 * The one table of verbs: parsing, help, completion for three shells and the tests of the manual
 * page all read it.
 */
#pragma once

#include "src/cli/fz-cli.h"

/* What a word can be; completion offers accordingly. */
typedef enum {
  FZ_CLI_WORD_NONE,
  FZ_CLI_WORD_RESOURCE, /* asked of the service */
  FZ_CLI_WORD_CHOICE,   /* one of choices */
  FZ_CLI_WORD_FILE,
  FZ_CLI_WORD_TEXT, /* anything */
} FzCliWord;

typedef struct {
  const char *name; /* long */
  char letter;      /* 0: none */
  FzCliWord word;   /* NONE: a flag */
  const char *word_name;
  const char *choices; /* of CHOICE, divided by blanks */
  const char *summary; /* N_() */
} FzCliOption;

struct FzCliVerb {
  const char *name;
  const char *summary; /* N_(); NULL: not shown */
  FzCliWord word;      /* of its arguments */
  const char *word_name;
  const char *choices;
  unsigned n_words_min;
  unsigned n_words_max;
  const FzCliOption *options; /* ends with a NULL name; may be NULL */
  int (*run) (FzCli *cli);
};

/* Ends with a NULL name. */
const FzCliVerb *fz_cli_verbs_get (void);
const FzCliVerb *fz_cli_verbs_find (const char *name);

/* Reads the words behind the verb; FZ_CLI_OK, or FZ_CLI_USAGE after words on standard error. Sets
 * *out_is_help where help was asked for and has been printed. */
int fz_cli_verbs_parse (FzCli *cli, int argc, char **argv, bool *out_is_help);

void fz_cli_verbs_print_help (void);

/* The verbs. */
int fz_cli_status (FzCli *cli);
int fz_cli_connect (FzCli *cli);
int fz_cli_disconnect (FzCli *cli);
int fz_cli_reconnect (FzCli *cli);
int fz_cli_toggle (FzCli *cli);
int fz_cli_wait (FzCli *cli);
int fz_cli_sign_in (FzCli *cli);
int fz_cli_sign_out (FzCli *cli);
int fz_cli_resources (FzCli *cli);
int fz_cli_ping (FzCli *cli);
int fz_cli_logs (FzCli *cli);
int fz_cli_export (FzCli *cli);
int fz_cli_diagnose (FzCli *cli);
int fz_cli_metrics (FzCli *cli);
int fz_cli_config (FzCli *cli);
int fz_cli_completion (FzCli *cli);
int fz_cli_complete (FzCli *cli); /* for the scripts of completion: names of resources */
