#include "src/cli/fz-cli-agent.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#define AGENT            "pkttyagent"
#define READY_TIMEOUT_MS 5000

static GPid agent;
static bool is_started;

/* It closes its end when it is registered; and when it dies. */
static void
wait_until_ready (int fd)
{
  struct pollfd closed = { .fd = fd, .events = POLLHUP };

  (void) poll (&closed, 1, READY_TIMEOUT_MS);
}

/* In the child: that end of the pipe stays open. */
static void
keep_notify_fd (gpointer user_data)
{
  int fd = GPOINTER_TO_INT (user_data);

  (void) fcntl (fd, F_SETFD, 0);
}

void
fz_cli_agent_start (void)
{
  g_autofree char *process = g_strdup_printf ("%d", (int) getpid ());
  g_autofree char *notify = NULL;
  int ends[2];

  if (is_started || geteuid () == 0 || isatty (STDIN_FILENO) != 1 ||
      !g_unix_open_pipe (ends, FD_CLOEXEC, NULL))
    return;
  is_started = true;
  notify = g_strdup_printf ("%d", ends[1]);
  if (g_spawn_async (NULL,
                     (char *[]){ (char *) AGENT,
                                 (char *) "--fallback",
                                 (char *) "--notify-fd",
                                 notify,
                                 (char *) "--process",
                                 process,
                                 NULL },
                     NULL,
                     G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
                         G_SPAWN_LEAVE_DESCRIPTORS_OPEN | G_SPAWN_CHILD_INHERITS_STDIN,
                     keep_notify_fd,
                     GINT_TO_POINTER (ends[1]),
                     &agent,
                     NULL)) {
    close (ends[1]);
    wait_until_ready (ends[0]);
  } else {
    agent = 0;
    close (ends[1]);
  }
  close (ends[0]);
}

void
fz_cli_agent_stop (void)
{
  if (agent == 0)
    return;
  kill (agent, SIGTERM);
  kill (agent, SIGCONT); /* it may be stopped, waiting for the terminal */
  waitpid (agent, NULL, 0);
  g_spawn_close_pid (agent);
  agent = 0;
}
