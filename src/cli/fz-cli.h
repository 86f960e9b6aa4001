/* fz-cli.h
 *
 * firezone, the command line: one run is one verb of the table (fz-cli-verbs.h), its options and
 * arguments, and a connection to the tunnel service that is made when the verb first asks for it.
 *
 * Everything on one thread. Standard output is for results, standard error for words about
 * failures.
 */
#pragma once

#include "src/ipc/fz-tunnel1-generated.h"

#include <gio/gio.h>
#include <stdbool.h>

/* Documented in firezone(1); scripts rely on them. */
typedef enum {
  FZ_CLI_OK = 0,
  FZ_CLI_ERROR = 1,
  FZ_CLI_USAGE = 2,
  FZ_CLI_NOT_CONNECTED = 3,
  FZ_CLI_NOT_AUTHORIZED = 4,
  FZ_CLI_TIMEOUT = 5,
} FzCliExit;

#define FZ_CLI_SCHEMA 1 /* of all JSON; rises when a member goes or changes its meaning */

typedef struct FzCliVerb FzCliVerb;

typedef struct {
  const FzCliVerb *verb;
  GHashTable *options; /* long name -> text; flags hold "" */
  char **arguments;    /* what is left; never NULL */
  GDBusConnection *bus;
  FzTunnel1Manager *manager;
} FzCli;

bool fz_cli_has (const FzCli *self, const char *option);
const char *fz_cli_get (const FzCli *self, const char *option); /* NULL: not given */

/* The verb's own words about a wrong command line, on standard error; returns FZ_CLI_USAGE. */
int fz_cli_usage (const FzCli *self, const char *format, ...) G_GNUC_PRINTF (2, 3);

/**
 * fz_cli_get_seconds:
 * @option: name of one that takes seconds, "5" or "0.5"
 * @fallback_ms: if it is not given
 *
 * Returns: false after words on standard error
 */
bool
fz_cli_get_seconds (const FzCli *self, const char *option, unsigned fallback_ms, unsigned *out_ms);
