/* fz-tunnel-model-private.h
 *
 * The fields of the tunnel's model, by index: what follows the service writes them
 * (fz-tunnel-model.c), the getters read them (fz-tunnel-facts.c).
 */
#pragma once

#include "src/app/fz-remote-object.h"

enum {
  M_VERSION,
  M_API_MINOR,
  M_STATE,
  M_STATE_REASON,
  M_STATE_DETAIL,
  M_STATE_SINCE,
  M_OWNER,
  M_ACCOUNT,
  M_ACTOR,
  M_SESSION_EXPIRES,
  M_INTERFACE,
  M_ADDRESSES,
  M_MTU,
  M_DNS_MODE,
  M_DNS_SERVERS,
  M_PORTAL_URL,
  M_PORTAL_STATE,
  M_PORTAL_RTT,
  M_INTERNET,
  M_FEATURES,
  M_MODE,
  M_LOG_FILTER,
  M_MANAGED,
  M_HELPER,
  M_HELPER_DETAIL,
  M_N,
};

/* In the model's class_init. */
void fz_tunnel_model_describe_fields (FzRemoteObjectClass *klass);
