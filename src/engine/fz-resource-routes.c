/* fz-resource-routes.c: see the header */

#include "src/engine/fz-resource-routes.h"

#include "src/engine/fz-address-plan.h"

static FzPolicyEntry
make_entry (const FzResource *resource, const FzIpNetwork *network, struct FzPeer *peer)
{
  return (FzPolicyEntry){
    .network = *network,
    .resource = resource->id,
    .filters = resource->filters,
    .n_filters = resource->n_filters,
    .peer = peer,
  };
}

void
fz_resource_routes_append (GArray *entries, const FzResource *resource, struct FzPeer *peer)
{
  FzPolicyEntry entry;

  switch (resource->kind) {
  case FZ_RESOURCE_CIDR:
    entry = make_entry (resource, &resource->network, peer);
    g_array_append_val (entries, entry);
    return;
  case FZ_RESOURCE_INTERNET:
    for (size_t i = 0; i < G_N_ELEMENTS (fz_address_plan_everything); i++) {
      entry = make_entry (resource, &fz_address_plan_everything[i], peer);
      entry.kind = FZ_POLICY_ENTRY_FALLBACK;
      g_array_append_val (entries, entry);
    }
    return;
  case FZ_RESOURCE_DNS:
    return;
  }
}

void
fz_resource_routes_append_holes (GArray *entries, const FzIpNetwork *networks, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    FzPolicyEntry entry = { .kind = FZ_POLICY_ENTRY_HOLE, .network = networks[i] };

    g_array_append_val (entries, entry);
  }
}
