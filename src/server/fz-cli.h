/* fz-cli.h
 *
 * The command line of firezone-portal: "serve", and the management commands of
 * fz-manage with their options, help, tables and JSON output.
 */
#pragma once

/* Exit status: 0 done, 1 it failed, 2 the command line makes no sense. */
int fz_cli_run (int argc, char **argv);
