/* fz-privileges.c
 *
 * By the raw system calls: the libraries for this would be one more dependency
 * for forty lines.
 */
#include "src/session/fz-privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The leak checker reads this process like a debugger does. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

void
fz_privileges_forbid_dumps (void)
{
  const struct rlimit none = { 0, 0 };

  setrlimit (RLIMIT_CORE, &none);
  if (!IS_SANITIZED)
    prctl (PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static void
drop_bounding_set (const FzLog *log)
{
  for (int capability = 0; prctl (PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
    if (capability != CAP_NET_ADMIN && prctl (PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) {
      fz_log (log,
              FZ_LOG_DEBUG,
              "bounding-set-kept",
              "cannot drop capabilities from the bounding set",
              FZ_KV_TEXT ("error", g_strerror (errno)));
      return;
    }
}

bool
fz_privileges_keep_net_admin (const FzLog *log, GError **error)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };
  const uint32_t kept = CAP_TO_MASK (CAP_NET_ADMIN);

  drop_bounding_set (log);
  prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (syscall (SYS_capget, &header, data) == 0) {
    bool has_more = false;

    for (size_t i = 0; i < G_N_ELEMENTS (data); i++) {
      uint32_t mask = i == CAP_TO_INDEX (CAP_NET_ADMIN) ? kept : 0;

      has_more = has_more || ((data[i].effective | data[i].permitted) & ~mask) != 0;
      data[i].effective &= mask;
      data[i].permitted &= mask;
      data[i].inheritable = 0;
    }
    /* A unit that grants no more need not allow the call that drops. */
    if ((syscall (SYS_capset, &header, data) == 0 || !has_more) &&
        prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
      return true;
  }
  g_set_error (error,
               G_FILE_ERROR,
               (int) g_file_error_from_errno (errno),
               "cannot drop capabilities: %s",
               g_strerror (errno));
  return false;
}
