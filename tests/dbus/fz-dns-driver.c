/* fz-dns-driver.c
 *
 * The real DNS control for tests: does what its standard input says, a line
 * each, and writes what it is told as JSON, a line each. Its end is a clean one; a test kills it
 * for the other kind.
 *
 *   fz-dns-driver MODE
 *   set IFNAME DOMAIN|- ADDRESS…  clear  check  flush  probe NAME  quit
 */
#include "platform/fz-dns-control.h"

#include <glib-unix.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  FzDnsControl *control;
  GMainLoop *loop;
  GString *input;
} Driver;

static const char *
state_name (FzDnsState state)
{
  switch (state) {
  case FZ_DNS_STATE_IDLE:
    return "idle";
  case FZ_DNS_STATE_APPLYING:
    return "applying";
  case FZ_DNS_STATE_ACTIVE:
    return "active";
  case FZ_DNS_STATE_DEGRADED:
    return "degraded";
  }
  g_assert_not_reached ();
}

static void
print_upstreams (const Driver *self)
{
  const FzDnsUpstream *upstreams = NULL;
  size_t n = fz_dns_control_get_upstreams (self->control, &upstreams);

  for (size_t i = 0; i < n; i++) {
    char text[FZ_IP_TEXT_MAX];

    printf ("%s\"%s\"", i > 0 ? "," : "", fz_ip_format (&upstreams[i].address.ip, text));
  }
}

static void
print (const Driver *self, const char *event, const char *text)
{
  g_autofree char *escaped = g_strdup (text != NULL ? text : "");

  for (char *at = escaped; *at != '\0'; at++)
    if (!g_ascii_isprint (*at) || *at == '"' || *at == '\\')
      *at = '?';
  printf ("{\"event\":\"%s\",\"mode\":\"%s\",\"state\":\"%s\",\"text\":\"%s\",\"upstreams\":[",
          event,
          fz_dns_mode_name (fz_dns_control_get_mode (self->control)),
          state_name (fz_dns_control_get_state (self->control)),
          escaped);
  print_upstreams (self);
  printf ("]}\n");
  fflush (stdout);
}

static void
on_changed (gpointer user_data)
{
  print (user_data, "changed", NULL);
}

static void
on_upstreams (gpointer user_data)
{
  print (user_data, "upstreams", NULL);
}

static void
on_failed (const GError *error, gpointer user_data)
{
  print (user_data, "failed", error->message);
}

static void
on_recovered (gpointer user_data)
{
  print (user_data, "recovered", NULL);
}

static void
on_probed (const GError *error, gpointer user_data)
{
  print (user_data, "probed", error != NULL ? error->message : NULL);
}

static void
set (Driver *self, char **words)
{
  FzIp servers[FZ_DNS_SERVERS_MAX];
  FzDnsSettings settings = { .servers = servers };

  settings.ifname = words[1];
  settings.ifindex = if_nametoindex (words[1]);
  settings.search_domain = strcmp (words[2], "-") != 0 ? words[2] : NULL;
  for (char **at = words + 3; *at != NULL; at++)
    if (fz_ip_parse (*at, &servers[settings.n_servers]))
      settings.n_servers++;
  fz_dns_control_set (self->control, &settings);
}

static void
act (Driver *self, const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", -1);

  if (g_str_has_prefix (line, "set ") && g_strv_length (words) > 3)
    set (self, words);
  else if (strcmp (line, "clear") == 0)
    fz_dns_control_clear (self->control);
  else if (strcmp (line, "check") == 0)
    fz_dns_control_check (self->control);
  else if (strcmp (line, "flush") == 0)
    fz_dns_control_flush (self->control);
  else if (g_str_has_prefix (line, "probe "))
    fz_dns_control_probe (self->control, words[1], on_probed, self);
  else
    g_main_loop_quit (self->loop);
}

static gboolean
on_input (int fd, GIOCondition condition, gpointer user_data)
{
  Driver *self = user_data;
  char buffer[4096];
  ssize_t n = read (fd, buffer, sizeof buffer);
  char *end;

  if (n <= 0) {
    g_main_loop_quit (self->loop);
    return G_SOURCE_REMOVE;
  }
  g_string_append_len (self->input, buffer, n);
  while ((end = strchr (self->input->str, '\n')) != NULL) {
    g_autofree char *line = g_strndup (self->input->str, (gsize) (end - self->input->str));

    g_string_erase (self->input, 0, (gssize) strlen (line) + 1);
    act (self, line);
  }
  return G_SOURCE_CONTINUE;
}

/* The log, for whoever wants to know why a test fails: FZ_DNS_LOG=1. */
static bool
wants (void *context, const char *target, FzLogLevel level)
{
  return g_getenv ("FZ_DNS_LOG") != NULL;
}

static void
write_record (void *context, const FzLogRecord *record)
{
  fprintf (stderr, "%s: %s", record->event, record->message);
  for (size_t i = 0; i < record->n_fields; i++)
    if (record->fields[i].type == FZ_KV_TYPE_TEXT)
      fprintf (stderr, " %s=%s", record->fields[i].key, record->fields[i].text);
  fprintf (stderr, "\n");
}

int
main (int argc, char **argv)
{
  const FzDnsCallbacks callbacks = {
    .on_changed = on_changed,
    .on_upstreams = on_upstreams,
    .on_failed = on_failed,
    .on_recovered = on_recovered,
  };
  const FzLogSink sink = { wants, write_record, NULL };
  FzDnsControlConfig config = { .log = { &sink, "test" } };
  Driver self = { 0 };

  if (argc != 2 || !fz_dns_mode_parse (argv[1], &config.mode))
    return 2;
  self.loop = g_main_loop_new (NULL, FALSE);
  self.input = g_string_new (NULL);
  self.control = fz_dns_control_linux_new (&config);
  fz_dns_control_set_callbacks (self.control, &callbacks, &self);
  g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP, on_input, &self);
  g_main_loop_run (self.loop);
  fz_dns_control_free (self.control);
  g_string_free (self.input, TRUE);
  g_main_loop_unref (self.loop);
  return 0;
}
