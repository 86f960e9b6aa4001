/* fz-cli-arguments.h
 *
 * The options of one management command: parsed by a parser that is made from the
 * verb's table in fz-manage, and put together as the members of its request. What is
 * secret comes from a file, the terminal (asked for twice, without echo) or standard input, never
 * from the command line.
 */
#pragma once

#include "src/server/fz-manage.h"

/* Options that every command takes. */
typedef struct {
  char *database;
  char *account;
  gboolean is_json;
} FzCliCommon;

void fz_cli_common_clear (FzCliCommon *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzCliCommon, fz_cli_common_clear)

/* @self is filled when @context parses, and outlives it. */
void fz_cli_common_add (FzCliCommon *self, GOptionContext *context, bool with_account);

/**
 * fz_cli_arguments_parse:
 * @argv: as for main(); [0] is the program's name
 * @common: zeroed; filled also where this fails, as far as it got. Clear it.
 *
 * Asks for secrets last, so that nobody types in vain. --help prints and ends the process.
 *
 * Returns: (transfer full): what fz_manage_run() takes; NULL with G_OPTION_ERROR: the command line
 *   makes no sense; with another error: what it names cannot be had
 */
JsonObject *fz_cli_arguments_parse (
    const FzManageVerb *verb, int argc, char **argv, FzCliCommon *common, GError **error);
