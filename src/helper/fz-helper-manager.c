/* fz-helper-manager.c: the Manager's properties, after control, session and configuration */
#include "src/helper/fz-helper-private.h"

static FzIpcObject *
get_manager (const FzHelper *self)
{
  return fz_ipc_tree_get_manager (fz_ipc_service_get_tree (self->service));
}

/* -- whose it is -- */

/* Whoever becomes the owner is shown all there is: the former one's must be gone by then. */
static void
hand_over (FzHelper *self, FzIpcObject *manager, uint32_t owner)
{
  if (fz_ipc_service_get_owner (self->service) == owner)
    return;
  fz_mirror_update (self->mirror, NULL, false);
  fz_ipc_object_set_text (manager, "Account", "");
  fz_ipc_object_set_text (manager, "Actor", "");
  fz_ipc_object_set_text (manager, "PortalUrl", "");
  fz_ipc_object_set_text (manager, "StateDetail", "");
  fz_ipc_service_set_owner (self->service, owner);
}

/* What a session says on its way out is not for the next owner. */
static void
hand_over_log (FzHelper *self)
{
  if (!fz_control_is_ending (self->control))
    fz_log_setup_set_owner (self->config.log_setup, fz_ipc_service_get_log_owner (self->service));
}

void
fz_helper_show_person (FzHelper *self)
{
  FzIpcObject *manager = get_manager (self);
  const FzCredential *credential = fz_control_get_credential (self->control);

  hand_over (self, manager, credential != NULL ? credential->owner : FZ_IPC_NO_OWNER);
  hand_over_log (self);
  fz_ipc_object_set_text (manager, "Account", credential != NULL ? credential->account : "");
  fz_ipc_object_set_text (manager, "Actor", credential != NULL ? credential->actor : "");
  fz_ipc_object_set_u64 (
      manager, "SessionExpires", credential != NULL ? credential->expires_us : 0);
  fz_ipc_object_set_text (manager, "PortalUrl", fz_control_get_api_url (self->control));
}

/* -- the device -- */

static GVariant *
list_addresses (FzSession *session)
{
  FzIp addresses[2] = { { 0 }, { 0 } };
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  if (session != NULL && fz_session_get_addresses (session, &addresses[0], &addresses[1]))
    for (size_t i = 0; i < G_N_ELEMENTS (addresses); i++) {
      char text[FZ_IP_TEXT_MAX];

      if (addresses[i].family != FZ_IP_NONE)
        g_variant_builder_add (&builder, "s", fz_ip_format (&addresses[i], text));
    }
  return g_variant_builder_end (&builder);
}

static const char *
internet_name (FzSession *session)
{
  if (session == NULL)
    return "unavailable";
  switch (fz_session_get_internet (session)) {
  case FZ_SESSION_INTERNET_UNAVAILABLE:
    return "unavailable";
  case FZ_SESSION_INTERNET_OFF:
    return "off";
  case FZ_SESSION_INTERNET_ON:
    return "on";
  }
  g_assert_not_reached ();
}

static void
publish_interface (FzHelper *self, FzIpcObject *manager, bool has_news)
{
  FzSession *up = fz_control_is_up (self->control) ? fz_control_get_session (self->control) : NULL;
  const char *name = self->config.session.host.tun_name;

  fz_ipc_object_set_text (manager,
                          "Interface",
                          up == NULL     ? ""
                          : name != NULL ? name
                                         : FZ_TUN_NAME);
  fz_ipc_object_set (manager, "Addresses", list_addresses (up));
  fz_ipc_object_set_u32 (manager, "Mtu", up != NULL ? FZ_TUN_MTU : 0);
  if (has_news) /* it is found among the resources, of which there may be thousands */
    fz_ipc_object_set_text (manager, "InternetResource", internet_name (up));
  fz_ipc_object_set_u32 (manager, "PortalRtt", up != NULL ? fz_session_get_portal_rtt_us (up) : 0);
}

/* -- DNS -- */

static const char *
dns_mode_name (FzDnsMode mode)
{
  switch (mode) {
  case FZ_DNS_MODE_RESOLVED:
    return "resolved";
  case FZ_DNS_MODE_NETWORK_MANAGER:
    return "networkmanager";
  case FZ_DNS_MODE_RESOLVCONF:
    return "resolvconf";
  case FZ_DNS_MODE_FILE:
    return "file";
  case FZ_DNS_MODE_AUTO:
  case FZ_DNS_MODE_NONE:
    return "none";
  }
  g_assert_not_reached ();
}

static void
publish_dns (FzHelper *self, FzIpcObject *manager)
{
  GVariantBuilder builder;
  const FzIp *servers;
  size_t n = fz_dns_control_get_servers (self->dns, &servers);

  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (size_t i = 0; i < n; i++) {
    char text[FZ_IP_TEXT_MAX];

    g_variant_builder_add (&builder, "s", fz_ip_format (&servers[i], text));
  }
  fz_ipc_object_set (manager, "DnsServers", g_variant_builder_end (&builder));
  fz_ipc_object_set_text (manager, "DnsMode", dns_mode_name (fz_dns_control_get_mode (self->dns)));
}

/* -- what was found, and what is set -- */

/* What was found stays known after a session has ended. */
static void
publish_features (FzHelper *self, FzIpcObject *manager)
{
  FzSession *session = fz_control_get_session (self->control);
  const FzLadder *ladder =
      session != NULL ? fz_host_get_ladder (fz_session_get_host (session)) : NULL;
  g_autofree char *queues = NULL, *aead = NULL;
  GVariantBuilder builder;
  bool has_gso = false, has_gro = false;

  if (ladder == NULL)
    return;
  for (int i = 0; i < FZ_N_UDP_FAMILIES && ladder->pair != NULL; i++) {
    has_gso |= ladder->pair->sockets[i].has_gso;
    has_gro |= ladder->pair->sockets[i].has_gro;
  }
  queues = g_strdup_printf ("multi-queue:%u", ladder->tun.n_queues);
  aead = g_strconcat ("aead:", fz_aead_backend_name (ladder->backend), NULL);
  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  if (ladder->tun.tso)
    g_variant_builder_add (&builder, "s", "tso");
  if (ladder->tun.uso)
    g_variant_builder_add (&builder, "s", "uso");
  if (has_gso)
    g_variant_builder_add (&builder, "s", "udp-gso");
  if (has_gro)
    g_variant_builder_add (&builder, "s", "udp-gro");
  g_variant_builder_add (&builder, "s", queues);
  g_variant_builder_add (&builder, "s", aead);
  fz_ipc_object_set (manager, "Features", g_variant_builder_end (&builder));
}

static void
publish_settings (FzHelper *self, FzIpcObject *manager)
{
  fz_ipc_object_set_text (manager, "LogFilter", fz_log_setup_get_filter (self->config.log_setup));
  fz_ipc_object_set (manager, "Managed", fz_machine_config_to_managed (self->machine_config));
  fz_ipc_object_set_text (manager, "Mode", "host-helper");
}

/* -- public -- */

void
fz_helper_show_state (FzHelper *self)
{
  const FzServiceMachine *machine = fz_control_get_machine (self->control);
  FzIpcObject *manager = get_manager (self);

  fz_ipc_object_set_text (
      manager, "PortalState", fz_portal_state_name (fz_control_get_portal_state (self->control)));
  fz_ipc_service_set_state (self->service,
                            fz_service_state_name (machine->state),
                            fz_service_reason_name (machine->reason),
                            machine->detail);
}

void
fz_helper_show_rest (FzHelper *self, bool has_news)
{
  FzIpcObject *manager = get_manager (self);

  publish_interface (self, manager, has_news);
  publish_dns (self, manager);
  publish_features (self, manager);
  publish_settings (self, manager);
}

char *
fz_helper_dup_state (FzHelper *self)
{
  const FzServiceMachine *machine = fz_control_get_machine (self->control);
  FzIpcObject *manager = get_manager (self);
  static const char *const properties[] = {
    "Version",  "StateSince", "Owner",      "SessionExpires",   "Interface",   "Addresses",
    "Mtu",      "DnsMode",    "DnsServers", "PortalUrl",        "PortalState", "PortalRtt",
    "Features", "LogFilter",  "Managed",    "InternetResource",
  };
  GString *text = g_string_new (NULL);

  g_string_append_printf (text,
                          "State: %s\nStateReason: %s\nStateDetail: %s\n",
                          fz_service_state_name (machine->state),
                          fz_service_reason_name (machine->reason),
                          machine->detail);
  for (size_t i = 0; i < G_N_ELEMENTS (properties); i++) {
    g_autofree char *value = g_variant_print (fz_ipc_object_get (manager, properties[i]), FALSE);

    g_string_append_printf (text, "%s: %s\n", properties[i], value);
  }
  return g_string_free (text, FALSE);
}
