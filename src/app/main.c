/* main.c
 *
 * firezone-client-gui: translations, then the application runs until nobody needs it.
 */
#include "src/app/fz-application.h"

#include <glib/gi18n.h>
#include <locale.h>

int
main (int argc, char **argv)
{
  g_autoptr (FzApplication) app = NULL;
  const char *localedir = g_getenv ("FZ_LOCALEDIR"); /* the build tree's, for tests */

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, localedir != NULL ? localedir : FZ_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);

  app = fz_application_new ();
  return g_application_run (G_APPLICATION (app), argc, argv);
}
