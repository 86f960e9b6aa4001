/* main.c: firezone-client-tunnel */
#include "src/helper/fz-helper-main.h"

int
main (int argc, char **argv)
{
  return fz_helper_main (argc, argv, &fz_helper_world_linux);
}
