/* main.c
 *
 * firezone-portal.
 */
#include "src/server/fz-cli.h"

#include <fcntl.h>
#include <unistd.h>

/* So that no database and no socket gets the number that output is written to. */
static void
fill_standard_descriptors (void)
{
  int fd;

  do
    fd = open ("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0)
    close (fd);
}

int
main (int argc, char **argv)
{
  fill_standard_descriptors ();
  return fz_cli_run (argc, argv);
}
