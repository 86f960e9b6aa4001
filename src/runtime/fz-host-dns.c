/* fz-host-dns.c: see the header */

#include "src/runtime/fz-host-dns.h"

#include "src/runtime/fz-dns-carrier.h"
#include "src/runtime/fz-metric-rows.h"
#include "src/runtime/fz-name-lookup.h"
#include "src/runtime/fz-site-dns.h"

struct FzHostDns {
  void (*on_command) (const FzCommand *command, gpointer user_data);
  gpointer user_data;
  FzDnsCarrier *carrier;     /* clients; else NULL */
  FzNameLookup *name_lookup; /* gateways; else NULL */
  FzSiteDns *site_dns;       /* gateways; else NULL */
  FzIp own_ips[2];           /* of the device; FZ_IP_NONE: not told yet */
};

static void
on_dns_answer (uint32_t id, const uint8_t *message, size_t length, gpointer user_data)
{
  FzHostDns *self = user_data;
  FzCommand command = {
    .kind = FZ_COMMAND_DNS_ANSWER,
    .dns_answer = { .id = id, .message = message, .length = length },
  };

  self->on_command (&command, self->user_data);
}

static void
on_name_resolved (uint32_t id, const FzIp *ips, size_t n_ips, bool is_failed, gpointer user_data)
{
  FzHostDns *self = user_data;
  FzCommand command = {
    .kind = FZ_COMMAND_DOMAIN_RESOLVED,
    .domain_resolved = { .id = id, .ips = ips, .n_ips = n_ips, .is_failed = is_failed },
  };

  self->on_command (&command, self->user_data);
}

FzHostDns *
fz_host_dns_new (const FzHostDnsConfig *config)
{
  FzHostDns *self = g_new0 (FzHostDns, 1);

  self->on_command = config->on_command;
  self->user_data = config->user_data;
  if (config->role == FZ_ROLE_CLIENT)
    self->carrier = fz_dns_carrier_new (config->is_marked, on_dns_answer, self);
  if (config->role == FZ_ROLE_GATEWAY) {
    self->name_lookup = fz_name_lookup_new (on_name_resolved, self);
    self->site_dns = fz_site_dns_new (config->device, NULL, &config->log);
  }
  return self;
}

void
fz_host_dns_free (FzHostDns *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->carrier, fz_dns_carrier_free);
  g_clear_pointer (&self->name_lookup, fz_name_lookup_free);
  g_clear_pointer (&self->site_dns, fz_site_dns_free);
  g_free (self);
}

void
fz_host_dns_handle_event (FzHostDns *self, const FzEvent *event)
{
  if (self == NULL)
    return;
  if (event->kind == FZ_EVENT_DNS_QUERY && event->dns_query.doh_url == NULL &&
      self->carrier != NULL)
    fz_dns_carrier_ask (self->carrier, event);
  if (event->kind == FZ_EVENT_RESOLVE_DOMAIN && self->name_lookup != NULL)
    fz_name_lookup_ask (self->name_lookup, event->resolve_domain.id, event->resolve_domain.domain);
  if (event->kind == FZ_EVENT_INTERFACE_CHANGED) {
    self->own_ips[0] = event->interface_changed.interface.ipv4;
    self->own_ips[1] = event->interface_changed.interface.ipv6;
    fz_host_dns_listen_again (self);
  }
}

void
fz_host_dns_listen_again (FzHostDns *self)
{
  if (self != NULL && self->site_dns != NULL)
    fz_site_dns_listen (
        self->site_dns, self->own_ips, G_N_ELEMENTS (self->own_ips), FZ_SITE_DNS_PORT);
}

void
fz_host_dns_reset (FzHostDns *self)
{
  if (self != NULL && self->carrier != NULL)
    fz_dns_carrier_reset (self->carrier);
}

void
fz_host_dns_add_metrics (const FzHostDns *self, FzMetrics *metrics)
{
  static const FzMetricFamily asked = FZ_COUNTER_FAMILY (
      "site_dns_questions", "Clients' questions passed on to the site's own resolver.");
  static const FzMetricFamily dropped =
      FZ_COUNTER_FAMILY ("site_dns_dropped",
                         "Clients' questions for the site's own resolver dropped: "
                         "a client's share, or all, were under way.");
  FzSiteDnsCounts counts;

  if (self == NULL || self->site_dns == NULL)
    return;
  counts = fz_site_dns_get_counts (self->site_dns);
  fz_metrics_add (metrics, &asked, NULL, "site_dns", "questions", counts.n_asked);
  fz_metrics_add (metrics, &dropped, NULL, "site_dns", "dropped", counts.n_dropped);
}
