/* firezone-client-resolv.c
 *
 * The one thing that the client's service cannot do itself: write below /etc. A
 * program of its own, started by systemd as root when the service connects to its socket, which
 * belongs to the service's user alone (data/firezone-client-resolv.socket).
 *
 * It serves one connection at a time, by the lines of fz-resolv-request.h. What
 * it sets is borrowed: at the end of the connection, clean or by a kill, it
 * restores what was. So nothing that happens to the service leaves a machine
 * whose resolver nobody answers.
 *
 *   firezone-client-resolv             serves the socket handed over by systemd
 *   firezone-client-resolv --restore   undoes what is left, and ends: for ExecStopPost=,
 *                                      package removal, and after a power cut at boot
 */
#include "platform/linux/fz-resolv-request.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define ETC     "/etc"
#define IDLE_MS 5000 /* without a connection; systemd starts us again */

static int signals[2]; /* a pipe: the handler writes, the loops poll */

static void
on_signal (int number)
{
  int saved = errno;

  (void) number;
  (void) !write (signals[1], "", 1);
  errno = saved;
}

static bool
watch_signals (void)
{
  struct sigaction action = { .sa_handler = on_signal };

  signal (SIGPIPE, SIG_IGN);
  return pipe2 (signals, O_CLOEXEC | O_NONBLOCK) == 0 && sigaction (SIGTERM, &action, NULL) == 0 &&
         sigaction (SIGINT, &action, NULL) == 0;
}

/* Until @fd can be read: 1; after @limit_ms: 0; asked to end: -1. */
static int
wait_for (int fd, int limit_ms)
{
  struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = signals[0], .events = POLLIN } };
  int n;

  do
    n = poll (fds, G_N_ELEMENTS (fds), limit_ms);
  while (n < 0 && errno == EINTR);
  if (n < 0 || fds[1].revents != 0)
    return -1;
  return n > 0 ? 1 : 0;
}

static bool
restore (const char *etc)
{
  const FzResolvRequest request = { .is_restore = true };
  g_autoptr (GError) error = NULL;

  if (fz_resolv_request_run (&request, etc, NULL, &error))
    return true;
  fprintf (stderr, SD_ERR "%s\n", error->message);
  return false;
}

/* Whether the reply could be sent. */
static bool
answer (int fd, const char *line)
{
  g_auto (FzResolvRequest) request = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *reply = NULL;

  if (!fz_resolv_request_parse (line, &request))
    error = g_error_new_literal (FZ_DNS_ERROR, FZ_DNS_ERROR_FAILED, "not a request");
  else
    fz_resolv_request_run (&request, ETC, NULL, &error);
  if (error != NULL)
    fprintf (stderr, SD_WARNING "refused or failed: %s\n", error->message);
  reply = fz_resolv_reply_write (error);
  return send (fd, reply, strlen (reply), MSG_NOSIGNAL) == (ssize_t) strlen (reply);
}

/* Until its end, ours, or a line that is too long. False: asked to end. */
static bool
serve (int fd)
{
  char buffer[FZ_RESOLV_REQUEST_MAX + 1];
  size_t used = 0;
  int event;

  while ((event = wait_for (fd, -1)) > 0) {
    ssize_t n = recv (fd, buffer + used, FZ_RESOLV_REQUEST_MAX - used, MSG_DONTWAIT);
    char *end;

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
      continue;
    if (n <= 0)
      break;
    used += (size_t) n;
    while ((end = memchr (buffer, '\n', used)) != NULL) {
      size_t length = (size_t) (end + 1 - buffer);
      g_autofree char *line = g_strndup (buffer, length);

      memmove (buffer, end + 1, used - length);
      used -= length;
      if (!answer (fd, line))
        return true;
    }
    if (used == FZ_RESOLV_REQUEST_MAX)
      break;
  }
  return event >= 0;
}

static int
run (int listener)
{
  bool goes_on = true;
  bool is_clean = true;

  /* What we ourselves left, killed. Whoever waits already had it set and wants it again: restoring
   * in between would let his private names out. */
  if (wait_for (listener, 0) == 0)
    is_clean = restore (ETC);

  while (goes_on && wait_for (listener, IDLE_MS) > 0) {
    int fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
      continue;
    goes_on = serve (fd);
    is_clean = restore (ETC);
    close (fd);
  }
  return is_clean ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main (int argc, char **argv)
{
  if (argc == 2 && strcmp (argv[1], "--restore") == 0)
    return restore (ETC) ? EXIT_SUCCESS : EXIT_FAILURE;
  if (argc == 2 && strcmp (argv[1], "--version") == 0) {
    printf ("firezone-client-resolv %s\n", FZ_VERSION);
    return EXIT_SUCCESS;
  }
  if (argc != 1) {
    fprintf (stderr, "Usage: firezone-client-resolv [--restore]\n");
    return 2;
  }
  if (sd_listen_fds (1) != 1 ||
      sd_is_socket_unix (SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) <= 0) {
    fprintf (stderr, "firezone-client-resolv: started by systemd for its socket, not by hand\n");
    return 2;
  }
  if (!watch_signals ()) {
    perror ("firezone-client-resolv");
    return EXIT_FAILURE;
  }
  return run (SD_LISTEN_FDS_START);
}
