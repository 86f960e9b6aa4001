/* fz-sim-names.c: see the header */

#include "tests/sim/fz-sim-names.h"

#include "src/proto/fz-dns.h"

#include <glib.h>
#include <string.h>

void
fz_sim_names_set (FzSimNames *self, const char *name, const char *ips)
{
  unsigned i = 0;

  while (i < self->n && strcmp (self->names[i].name, name) != 0)
    i++;
  g_assert (i < FZ_SIM_NAMES_MAX);
  self->names[i] = (FzSimName){ name, ips };
  self->n = MAX (self->n, i + 1);
}

int
fz_sim_names_find (const FzSimNames *self, const char *name, FzIp ips[FZ_SIM_IPS_MAX])
{
  int n = 0;

  for (unsigned i = 0; i < self->n; i++) {
    g_auto (GStrv) texts = NULL;

    if (strcmp (self->names[i].name, name) != 0)
      continue;
    if (self->names[i].ips == NULL)
      return -1;
    texts = g_strsplit (self->names[i].ips, " ", -1);
    for (char **text = texts; *text != NULL; text++)
      if (**text != '\0')
        g_assert_true (fz_ip_parse (*text, &ips[n++]));
  }
  return n;
}

static size_t
select_family (FzIp *ips, int n, FzIpFamily family)
{
  size_t n_selected = 0;

  for (int i = 0; i < n; i++)
    if (ips[i].family == family)
      ips[n_selected++] = ips[i];
  return n_selected;
}

size_t
fz_sim_names_answer (const FzSimNames *self, FzSpan query, uint8_t out[512])
{
  FzDnsAnswer answer = { .ttl_s = 300 };
  FzDnsQuery parsed;
  FzIp ips[FZ_SIM_IPS_MAX];
  int n;

  g_assert_cmpint (fz_dns_parse_query (query, &parsed), ==, FZ_DROP_NONE);
  n = fz_sim_names_find (self, parsed.name, ips);
  if (n < 0)
    return 0;
  answer.code = n == 0 ? FZ_DNS_NXDOMAIN : FZ_DNS_NO_ERROR;
  answer.ips = ips;
  answer.n_ips = select_family (ips, n, parsed.type == FZ_DNS_TYPE_A ? FZ_IP_V4 : FZ_IP_V6);
  return fz_dns_write_answer (query, &parsed, &answer, out, 512);
}
