/* fz-hand-over.c
 *
 * What the app does once the browser has come back: gives the token on standard
 * input to the tunnel service, for the portal named by the argument. Run as the
 * person, inside their session.
 */
#include "src/ipc/fz-ipc-credential.h"
#include "src/ipc/fz-ipc-names.h"
#include "src/ipc/fz-tunnel1-generated.h"

#include <gio/gunixfdlist.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
hand_over (const char *token, const char *api_url, GError **error)
{
  FzTunnel1Manager *manager;
  g_autoptr (GUnixFDList) descriptors = NULL;
  GVariantBuilder options;
  bool is_done;
  int fd = fz_ipc_credential_seal (token, error);

  if (fd < 0)
    return false;
  descriptors = g_unix_fd_list_new_from_array (&fd, 1); /* closes it */
  manager = fz_tunnel1_manager_proxy_new_for_bus_sync (G_BUS_TYPE_SYSTEM,
                                                       G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES,
                                                       FZ_IPC_BUS_NAME,
                                                       FZ_IPC_PATH,
                                                       NULL,
                                                       error);
  if (manager == NULL)
    return false;
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "api-url", g_variant_new_string (api_url));
  is_done = fz_tunnel1_manager_call_set_credential_sync (manager,
                                                         g_variant_new_handle (0),
                                                         g_variant_builder_end (&options),
                                                         descriptors,
                                                         NULL,
                                                         NULL,
                                                         error);
  g_object_unref (manager);
  return is_done;
}

int
main (int argc, char **argv)
{
  char token[FZ_IPC_CREDENTIAL_BYTES_MAX + 1] = "";
  g_autoptr (GError) error = NULL;

  if (argc != 2 || fgets (token, sizeof token, stdin) == NULL) {
    fprintf (stderr, "usage: fz-hand-over API-URL, the token on standard input\n");
    return 2;
  }
  token[strcspn (token, "\n")] = '\0';
  if (hand_over (token, argv[1], &error))
    return EXIT_SUCCESS;
  fprintf (stderr, "fz-hand-over: %s\n", error->message);
  return EXIT_FAILURE;
}
