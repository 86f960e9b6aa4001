#include "platform/linux/fz-resolv-record.h"

#include "platform/fz-platform.h"
#include "platform/linux/fz-resolv-conf.h"
#include "platform/linux/fz-resolv-file.h"

#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

/* Debian's orders records by the interface's name, "tun*" before "eth*", and wants a program's name
 * behind it. */
#define RECORD          FZ_TUN_NAME ".firezone"
#define OPENRESOLV_DIR  "/run/resolvconf/interfaces"
#define DEBIAN_DIR      "/run/resolvconf/interface"
#define DEBIAN_ORDER    "/etc/resolvconf/interface-order"
#define RECORDS_MAX     64u
#define PROGRAM_LIMIT_S "10"

const char *
fz_resolv_record_find_program (void)
{
  static const char *const places[] = {
    "/sbin/resolvconf",
    "/usr/sbin/resolvconf",
    "/bin/resolvconf",
    "/usr/bin/resolvconf",
  };

  for (size_t i = 0; i < G_N_ELEMENTS (places); i++)
    if (access (places[i], X_OK) == 0)
      return places[i];
  return NULL;
}

bool
fz_resolv_record_is_openresolv (void)
{
  return access (DEBIAN_ORDER, F_OK) != 0;
}

const char *
fz_resolv_record_get_folder (void)
{
  return fz_resolv_record_is_openresolv () ? OPENRESOLV_DIR : DEBIAN_DIR;
}

static char *
compose (const FzIp *servers, size_t n_servers, const char *search_domain)
{
  GString *out = g_string_new (NULL);

  for (size_t i = 0; i < n_servers; i++) {
    char ip[FZ_IP_TEXT_MAX];

    g_string_append_printf (out, "nameserver %s\n", fz_ip_format (&servers[i], ip));
  }
  if (search_domain != NULL)
    g_string_append_printf (out, "search %s\n", search_domain);
  return g_string_free (out, FALSE);
}

/* The record as it was given, and a resolv.conf that begins with it or with a resolver of this
 * machine that is fed by it. */
bool
fz_resolv_record_is_in_force (const char *etc,
                              const FzIp *servers,
                              size_t n_servers,
                              const char *search_domain)
{
  g_autofree char *path = g_build_filename (fz_resolv_record_get_folder (), RECORD, NULL);
  g_autofree char *current = fz_resolv_file_dup_current (etc);
  g_autofree char *expected = compose (servers, n_servers, search_domain);
  g_autoptr (GArray) asked = fz_dns_upstreams_new ();
  g_autofree char *record = NULL;
  const FzIp *first;

  if (current == NULL || !g_file_get_contents (path, &record, NULL, NULL) ||
      strcmp (g_strchomp (record), g_strchomp (expected)) != 0)
    return false;
  fz_resolv_conf_read_upstreams (current, asked);
  if (asked->len == 0)
    return false;
  first = &g_array_index (asked, FzDnsUpstream, 0).address.ip;
  return fz_ip_equal (first, &servers[0]) || fz_ip_is_loopback (first);
}

/* A program that hangs is ended by timeout(1), of coreutils. */
static bool
run (const char *const *arguments, const char *input, GError **error)
{
  const char *program = fz_resolv_record_find_program ();
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) local = NULL;
  g_autofree char *said = NULL;

  if (program == NULL) {
    g_set_error_literal (
        error, FZ_DNS_ERROR, FZ_DNS_ERROR_UNSUPPORTED, "resolvconf is not installed");
    return false;
  }
  g_ptr_array_add (argv, (char *) "timeout");
  g_ptr_array_add (argv, (char *) PROGRAM_LIMIT_S);
  g_ptr_array_add (argv, (char *) program);
  for (; *arguments != NULL; arguments++)
    g_ptr_array_add (argv, (char *) *arguments);
  g_ptr_array_add (argv, NULL);

  launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE |
                                 G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_subprocess_launcher_setenv (launcher, "PATH", "/usr/sbin:/usr/bin:/sbin:/bin", TRUE);
  process = g_subprocess_launcher_spawnv (launcher, (const char *const *) argv->pdata, &local);
  if (process != NULL &&
      g_subprocess_communicate_utf8 (process, input, NULL, NULL, &said, &local) &&
      g_subprocess_get_if_exited (process) && g_subprocess_get_exit_status (process) == 0)
    return true;
  g_set_error (error,
               FZ_DNS_ERROR,
               FZ_DNS_ERROR_FAILED,
               "%s failed: %s",
               program,
               local != NULL ? local->message : g_strstrip (said != NULL ? said : (char[]){ "" }));
  return false;
}

bool
fz_resolv_record_install (const FzIp *servers,
                          size_t n_servers,
                          const char *search_domain,
                          GError **error)
{
  static const char *const exclusive[] = { "-x", "-m", "0", "-a", RECORD, NULL };
  static const char *const plain[] = { "-a", RECORD, NULL };
  static const char *const update[] = { "-u", NULL };
  g_autofree char *text = compose (servers, n_servers, search_domain);

  /* A record that is known already makes it leave the file alone, so that is asked for too. */
  return run (fz_resolv_record_is_openresolv () ? exclusive : plain, text, error) &&
         run (update, "", error);
}

bool
fz_resolv_record_remove (GError **error)
{
  static const char *const arguments[] = { "-d", RECORD, NULL };
  g_autofree char *path = g_build_filename (fz_resolv_record_get_folder (), RECORD, NULL);

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return true;
  return run (arguments, "", error);
}

void
fz_resolv_record_read_upstreams (GArray *upstreams)
{
  const char *folder = fz_resolv_record_get_folder ();
  g_autoptr (GDir) records = g_dir_open (folder, 0, NULL);
  const char *name;

  for (unsigned n = 0;
       records != NULL && (name = g_dir_read_name (records)) != NULL && n < RECORDS_MAX;
       n++) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autofree char *text = NULL;

    if (strcmp (name, RECORD) != 0 && g_file_get_contents (path, &text, NULL, NULL))
      fz_resolv_conf_read_upstreams (text, upstreams);
  }
}
