/* fz-decision.c
 *
 * Unknown means denied: what no policy names is not there, and a policy whose
 * conditions cannot be judged does not hold.
 */
#include "src/server/fz-decision.h"

#include <string.h>

static bool
suits_client (const FzResourceRecord *resource, const FzVersion *client)
{
  return strcmp (resource->type, "internet") != 0 || fz_version_has_internet (client);
}

GPtrArray *
fz_decision_connectable (GPtrArray *entitlements, const FzDecisionContext *context)
{
  g_autoptr (GPtrArray) resources = g_ptr_array_new ();
  const FzResourceRecord *last = NULL;

  for (unsigned i = 0; i < entitlements->len; i++) {
    FzEntitlement *entitlement = g_ptr_array_index (entitlements, i);
    int64_t until = 0;

    if (last != NULL && strcmp (last->id, entitlement->resource.id) == 0)
      continue;
    if (!suits_client (&entitlement->resource, &context->version) ||
        !fz_conditions_evaluate (entitlement->conditions, &context->conditions, &until, NULL))
      continue;
    last = &entitlement->resource;
    g_ptr_array_add (resources, &entitlement->resource);
  }
  return g_steal_pointer (&resources);
}

void
fz_decision_clear (FzDecision *self)
{
  g_clear_pointer (&self->violated, g_ptr_array_unref);
}

static bool
has_text (GPtrArray *texts, const char *text)
{
  return g_ptr_array_find_with_equal_func (texts, text, g_str_equal, NULL);
}

static void
add_missing (GPtrArray *to, GPtrArray *from)
{
  for (unsigned i = 0; i < from->len; i++)
    if (!has_text (to, g_ptr_array_index (from, i)))
      g_ptr_array_add (to, g_strdup (g_ptr_array_index (from, i)));
}

void
fz_decision_make (GPtrArray *entitlements,
                  const char *resource_id,
                  const FzDecisionContext *context,
                  FzDecision *out)
{
  int64_t best = INT64_MIN;

  *out = (FzDecision){ .result = FZ_DECISION_NOT_FOUND };
  out->violated = g_ptr_array_new_with_free_func (g_free);

  for (unsigned i = 0; i < entitlements->len; i++) {
    const FzEntitlement *entitlement = g_ptr_array_index (entitlements, i);
    g_autoptr (GPtrArray) violated = g_ptr_array_new_with_free_func (g_free);
    int64_t until = 0;

    if (strcmp (entitlement->resource.id, resource_id) != 0 ||
        !suits_client (&entitlement->resource, &context->version))
      continue;
    if (!fz_conditions_evaluate (entitlement->conditions, &context->conditions, &until, violated)) {
      if (out->result == FZ_DECISION_NOT_FOUND)
        out->result = FZ_DECISION_FORBIDDEN;
      add_missing (out->violated, violated);
      continue;
    }
    if (out->result != FZ_DECISION_GRANTED || until > best) {
      out->result = FZ_DECISION_GRANTED;
      out->entitlement = entitlement;
      best = until;
    }
  }
  if (out->result == FZ_DECISION_GRANTED)
    out->expires_at = MIN (best, context->token_expires_at);
}

FzGatewayChoice
fz_decision_pick_gateway (const FzGatewayCandidate *candidates,
                          size_t n_candidates,
                          const char *const *connected,
                          const FzVersion *client,
                          const FzRng *rng,
                          size_t *out_index)
{
  g_autofree size_t *fitting = g_new (size_t, MAX (n_candidates, 1));
  size_t n_fitting = 0;

  if (n_candidates == 0)
    return FZ_GATEWAY_OFFLINE;
  for (size_t i = 0; i < n_candidates; i++)
    if (fz_version_gateway_fits_client (&candidates[i].version, client))
      fitting[n_fitting++] = i;
  if (n_fitting == 0)
    return FZ_GATEWAY_VERSION_MISMATCH;

  for (size_t c = 0; connected != NULL && connected[c] != NULL; c++) {
    for (size_t i = 0; i < n_fitting; i++) {
      if (strcmp (candidates[fitting[i]].id, connected[c]) == 0) {
        *out_index = fitting[i];
        return FZ_GATEWAY_CHOSEN;
      }
    }
  }
  *out_index = fitting[fz_rng_below (rng, n_fitting)];
  return FZ_GATEWAY_CHOSEN;
}
