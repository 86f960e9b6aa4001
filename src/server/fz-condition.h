/* fz-condition.h
 *
 * Conditions of a policy (portal-protocol.md §8.4): all of them must hold, and
 * some say until when they will. Kinds this portal cannot judge are refused when
 * the policy is written, and fail if they turn up in the database all the same.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

#define FZ_CONDITION_VALUES_MAX 64u
#define FZ_CONDITION_NO_END     INT64_MAX

/* What a condition may look at. */
typedef struct {
  int64_t now;           /* unix seconds */
  const char *remote_ip; /* public address of the client */
  bool is_verified;      /* an administrator has verified the device */
} FzConditionContext;

/* "remote_ip is_in_cidr 10.0.0.0/8 192.0.2.1" → {"property":…,"operator":…,"values":[…]}. */
JsonObject *fz_condition_from_text (const char *text, GError **error);

/* Checks a whole list, at most one per property; @conditions is a JSON array of such objects. */
bool fz_conditions_check (JsonArray *conditions, GError **error);

/**
 * fz_conditions_evaluate:
 * @conditions: text of a JSON array
 * @out_until: unix seconds at which the access ends, FZ_CONDITION_NO_END if nothing limits it
 * @violated: names of properties that do not hold are appended, or NULL
 *
 * Returns: whether all hold
 */
bool fz_conditions_evaluate (const char *conditions,
                             const FzConditionContext *context,
                             int64_t *out_until,
                             GPtrArray *violated);
