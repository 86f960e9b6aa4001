/* main.c
 *
 * firezone-portal.
 */
#include "src/server/fz-cli.h"

int
main (int argc, char **argv)
{
  return fz_cli_run (argc, argv);
}
