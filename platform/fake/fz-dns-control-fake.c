/* fz-dns-control-fake.c
 *
 * One machine per control, found again by a table: the public object is the
 * common one. The backend is a part of the machine.
 */
#include "platform/fake/fz-dns-control-fake.h"

#include "platform/fz-dns-control-private.h"

typedef struct {
  FzDnsMachine machine;
  FzDnsBackend backend;
  FzDnsMode mode;
  FzIp asked[FZ_DNS_SERVERS_MAX]; /* ours, if any */
  size_t n_asked;
  char *search_domain;
  const FzDnsSettings *settings; /* of the apply in progress */
  GArray *upstreams;
  GString *calls;
  FzDnsError fail_code;
  unsigned n_failing;
  bool answers;
  bool is_silent;
  guint detect_id;
  guint apply_id;
  guint probe_id;
} Fake;

static GHashTable *fakes; /* FzDnsControl → Fake, both borrowed; the tests' one thread */

static Fake *
fake_of (const FzDnsControl *control)
{
  Fake *fake = g_hash_table_lookup (fakes, control);

  g_assert (fake != NULL);
  return fake;
}

static Fake *
fake_of_backend (FzDnsBackend *backend)
{
  return fake_of (backend->control);
}

static void
note_call (Fake *self, const char *name)
{
  g_string_append_printf (self->calls, "%s%s", self->calls->len > 0 ? " " : "", name);
}

/* -- backend -- */

static bool
is_in_force (const Fake *self)
{
  if (self->n_asked != self->settings->n_servers ||
      g_strcmp0 (self->search_domain, self->settings->search_domain) != 0)
    return false;
  for (size_t i = 0; i < self->n_asked; i++)
    if (!fz_ip_equal (&self->asked[i], &self->settings->servers[i]))
      return false;
  return true;
}

static gboolean
on_apply (gpointer user_data)
{
  Fake *self = user_data;
  bool has_changed;

  self->apply_id = 0;
  if (self->n_failing > 0) {
    g_autoptr (GError) error =
        g_error_new_literal (FZ_DNS_ERROR, (int) self->fail_code, "made to fail");

    self->n_failing--;
    fz_dns_control_take_applied (self->backend.control, false, error);
    return G_SOURCE_REMOVE;
  }
  has_changed = !is_in_force (self);
  self->n_asked = self->settings->n_servers;
  for (size_t i = 0; i < self->n_asked; i++)
    self->asked[i] = self->settings->servers[i];
  g_free (self->search_domain);
  self->search_domain = g_strdup (self->settings->search_domain);
  fz_dns_control_take_applied (self->backend.control, has_changed, NULL);
  return G_SOURCE_REMOVE;
}

static void
apply (FzDnsBackend *backend, const FzDnsSettings *settings)
{
  Fake *self = fake_of_backend (backend);

  note_call (self, "apply");
  self->settings = settings;
  self->apply_id = g_idle_add (on_apply, self);
}

static void
revert (FzDnsBackend *backend, bool waits)
{
  Fake *self = fake_of_backend (backend);

  note_call (self, waits ? "revert-now" : "revert");
  g_clear_handle_id (&self->apply_id, g_source_remove);
  g_clear_pointer (&self->search_domain, g_free);
  self->n_asked = 0;
}

static void
read_upstreams (FzDnsBackend *backend)
{
  fz_dns_control_take_upstreams (backend->control, fake_of_backend (backend)->upstreams);
}

static void
flush (FzDnsBackend *backend)
{
  note_call (fake_of_backend (backend), "flush");
}

static void
free_backend (FzDnsBackend *backend)
{
  g_clear_handle_id (&fake_of_backend (backend)->apply_id, g_source_remove);
}

static const FzDnsBackendFunctions backend_functions = {
  .free = free_backend,
  .apply = apply,
  .revert = revert,
  .read_upstreams = read_upstreams,
  .flush = flush,
};

/* -- machine -- */

static gboolean
on_detect (gpointer user_data)
{
  Fake *self = user_data;

  self->detect_id = 0;
  self->backend = (FzDnsBackend){ &backend_functions, self->machine.control };
  fz_dns_control_take_backend (self->machine.control, self->mode, &self->backend);
  return G_SOURCE_REMOVE;
}

static void
detect (FzDnsMachine *machine, FzDnsMode wanted, unsigned failed)
{
  Fake *self = (Fake *) (void *) machine;

  note_call (self, "detect");
  self->mode = wanted;
  if (wanted == FZ_DNS_MODE_AUTO)
    self->mode = failed & 1u << FZ_DNS_MODE_RESOLVED ? FZ_DNS_MODE_FILE : FZ_DNS_MODE_RESOLVED;
  self->detect_id = g_idle_add (on_detect, self);
}

static gboolean
on_probe (gpointer user_data)
{
  Fake *self = user_data;
  g_autoptr (GError) error = NULL;

  self->probe_id = 0;
  if (!self->answers)
    error = g_error_new_literal (FZ_DNS_ERROR, FZ_DNS_ERROR_FAILED, "no such name");
  fz_dns_control_take_answer (self->machine.control, error);
  return G_SOURCE_REMOVE;
}

static void
probe (FzDnsMachine *machine, const char *name)
{
  Fake *self = (Fake *) (void *) machine;

  (void) name;
  g_clear_handle_id (&self->probe_id, g_source_remove);
  if (!self->is_silent)
    self->probe_id = g_idle_add (on_probe, self);
}

static void
free_fake (FzDnsMachine *machine)
{
  Fake *self = (Fake *) (void *) machine;

  g_hash_table_remove (fakes, machine->control);
  if (g_hash_table_size (fakes) == 0)
    g_clear_pointer (&fakes, g_hash_table_unref);
  g_clear_handle_id (&self->detect_id, g_source_remove);
  g_clear_handle_id (&self->apply_id, g_source_remove);
  g_clear_handle_id (&self->probe_id, g_source_remove);
  g_array_unref (self->upstreams);
  g_string_free (self->calls, TRUE);
  g_free (self->search_domain);
  g_free (self);
}

static const FzDnsMachineFunctions machine_functions = {
  .free = free_fake,
  .detect = detect,
  .probe = probe,
};

/* -- public -- */

FzDnsControl *
fz_dns_control_fake_new (const FzDnsControlConfig *config)
{
  Fake *self = g_new0 (Fake, 1);
  FzDnsControl *control;

  self->machine.functions = &machine_functions;
  self->upstreams = fz_dns_upstreams_new ();
  self->calls = g_string_new (NULL);
  self->answers = true;
  control = fz_dns_control_new_for (config, &self->machine);
  if (fakes == NULL)
    fakes = g_hash_table_new (NULL, NULL);
  g_hash_table_insert (fakes, control, self);
  return control;
}

void
fz_dns_control_fake_set_upstreams (FzDnsControl *self, const FzDnsUpstream *list, size_t n)
{
  Fake *fake = fake_of (self);

  g_array_set_size (fake->upstreams, 0);
  for (size_t i = 0; i < n; i++)
    fz_dns_upstreams_add (fake->upstreams, &list[i]);
  if (fake->backend.functions != NULL)
    fz_dns_control_take_upstreams (self, fake->upstreams);
}

void
fz_dns_control_fake_overwrite (FzDnsControl *self)
{
  fake_of (self)->n_asked = 0;
  fz_dns_control_note_change (self);
}

void
fz_dns_control_fake_fail (FzDnsControl *self, unsigned n, FzDnsError code)
{
  fake_of (self)->n_failing = n;
  fake_of (self)->fail_code = code;
}

void
fz_dns_control_fake_set_answers (FzDnsControl *self, bool answers)
{
  fake_of (self)->answers = answers;
}

void
fz_dns_control_fake_set_silent (FzDnsControl *self, bool is_silent)
{
  fake_of (self)->is_silent = is_silent;
}

size_t
fz_dns_control_fake_get_asked (const FzDnsControl *self, const FzIp **out)
{
  *out = fake_of (self)->asked;
  return fake_of (self)->n_asked;
}

const char *
fz_dns_control_fake_get_search_domain (const FzDnsControl *self)
{
  return fake_of (self)->search_domain;
}

char *
fz_dns_control_fake_dup_calls (const FzDnsControl *self)
{
  return g_strdup (fake_of (self)->calls->str);
}
