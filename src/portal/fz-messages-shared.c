/* fz-messages-shared.c
 *
 * Types that clients and gateways share (portal-protocol.md §4). What is
 * required, optional or tolerated follows upstream's reader, for a portal is
 * tested against that.
 */
#include "src/portal/fz-messages-private.h"

#include <string.h>

static unsigned
array_length (JsonArray *array)
{
  return array != NULL ? json_array_get_length (array) : 0;
}

/* Length of @array, cut at @max with a warning. */
static unsigned
bounded_length (FzMessageContext *c, JsonArray *array, const char *what, unsigned max)
{
  unsigned n = array_length (array);

  if (n <= max)
    return n;
  fz_log (c->log,
          FZ_LOG_WARNING,
          "portal-list-too-long",
          "left out the end of a list that the portal sent: it is too long",
          FZ_KV_TEXT ("list", what),
          FZ_KV_U64 ("length", n),
          FZ_KV_U64 ("kept", max));
  return max;
}

/* -- interface -- */

static const FzIp *
read_do53 (FzMessageContext *c, JsonArray *array, size_t *out_n)
{
  unsigned n = bounded_length (c, array, "upstream_do53", FZ_MESSAGES_RESOLVERS_MAX);
  FzIp *ips = fz_arena_take (c->arena, n, sizeof *ips);

  for (unsigned i = 0; i < n; i++) {
    JsonObject *entry = fz_json_object (&c->r, json_array_get_element (array, i), "upstream_do53");
    const char *text = fz_json_get_string (&c->r, entry, "upstream_do53", "ip");

    if (text != NULL && !fz_ip_parse (text, &ips[i]))
      fz_json_fail (&c->r, "upstream_do53", "ip", "an IP address");
  }
  *out_n = n;
  return ips;
}

/* The older list, read only where the newer one is empty; its ports are ignored. */
static const FzIp *
read_legacy_dns (FzMessageContext *c, JsonArray *array, size_t *out_n)
{
  unsigned n = bounded_length (c, array, "upstream_dns", FZ_MESSAGES_RESOLVERS_MAX);
  FzIp *ips = fz_arena_take (c->arena, n, sizeof *ips);

  for (unsigned i = 0; i < n; i++) {
    JsonObject *entry = fz_json_object (&c->r, json_array_get_element (array, i), "upstream_dns");
    const char *protocol = fz_json_get_string (&c->r, entry, "upstream_dns", "protocol");
    const char *text = fz_json_get_string (&c->r, entry, "upstream_dns", "address");
    FzSocketAddress address = { 0 };

    if (protocol != NULL && strcmp (protocol, "ip_port") != 0)
      fz_json_fail (&c->r, "upstream_dns", "protocol", "ip_port");
    if (text != NULL && !fz_socket_address_parse (text, &address))
      fz_json_fail (&c->r, "upstream_dns", "address", "an address with port");
    ips[i] = address.ip;
  }
  *out_n = n;
  return ips;
}

static bool
is_doh_url (const char *text)
{
  g_autoptr (GUri) uri = g_uri_parse (text, G_URI_FLAGS_NONE, NULL);

  return uri != NULL && strcmp (g_uri_get_scheme (uri), "https") == 0 &&
         g_uri_get_host (uri) != NULL && *g_uri_get_host (uri) != '\0' &&
         g_uri_get_query (uri) == NULL;
}

static const char *const *
read_doh (FzMessageContext *c, JsonArray *array, size_t *out_n)
{
  unsigned n = bounded_length (c, array, "upstream_doh", FZ_MESSAGES_RESOLVERS_MAX);
  const char **urls = fz_arena_take (c->arena, n, sizeof *urls);

  for (unsigned i = 0; i < n; i++) {
    JsonObject *entry = fz_json_object (&c->r, json_array_get_element (array, i), "upstream_doh");

    urls[i] = fz_json_get_string (&c->r, entry, "upstream_doh", "url");
    if (urls[i] != NULL && !is_doh_url (urls[i]))
      fz_json_fail (&c->r, "upstream_doh", "url", "an https URL without query");
  }
  *out_n = n;
  return urls;
}

/* Shape only: labels of 1 to 63 characters, 253 in all, an optional final dot. */
static bool
is_domain (const char *text)
{
  size_t length = strlen (text);
  size_t label = 0;

  if (length > 0 && text[length - 1] == '.')
    length--;
  if (length == 0 || length > 253)
    return false;

  for (size_t i = 0; i < length; i++) {
    unsigned char ch = (unsigned char) text[i];

    if (ch == '.' ? label == 0 : (ch <= ' ' || ch == 0x7f || label == 63))
      return false;
    label = ch == '.' ? 0 : label + 1;
  }
  return label > 0;
}

FzInterface
fz_read_interface (FzMessageContext *c, JsonObject *object, const char *member)
{
  JsonObject *o = fz_json_get_object (&c->r, object, "init", member);
  FzInterface out = {
    .ipv4 = fz_json_get_ip (&c->r, o, "interface", "ipv4", FZ_IP_V4),
    .ipv6 = fz_json_get_ip (&c->r, o, "interface", "ipv6", FZ_IP_V6),
    .search_domain = fz_json_get_optional_string (&c->r, o, "interface", "search_domain"),
  };
  JsonArray *legacy = fz_json_get_optional_array (&c->r, o, "interface", "upstream_dns");
  const FzIp *legacy_ips;
  size_t n_legacy;

  out.upstream_do53 = read_do53 (
      c, fz_json_get_optional_array (&c->r, o, "interface", "upstream_do53"), &out.n_upstream_do53);
  out.upstream_doh = read_doh (
      c, fz_json_get_optional_array (&c->r, o, "interface", "upstream_doh"), &out.n_upstream_doh);
  legacy_ips = read_legacy_dns (c, legacy, &n_legacy);
  if (out.n_upstream_do53 == 0) {
    out.upstream_do53 = legacy_ips;
    out.n_upstream_do53 = n_legacy;
  }
  if (out.search_domain != NULL && !is_domain (out.search_domain))
    fz_json_fail (&c->r, "interface", "search_domain", "a domain name");
  return out;
}

/* -- small ones -- */

FzIceCredentials
fz_read_credentials (FzMessageContext *c, JsonObject *object, const char *what, const char *member)
{
  JsonObject *o = fz_json_get_object (&c->r, object, what, member);

  return (FzIceCredentials){
    .username = fz_json_get_string (&c->r, o, member, "username"),
    .password = fz_json_get_string (&c->r, o, member, "password"),
  };
}

void
fz_read_flow_logs (FzMessageContext *c, JsonObject *object, const char *what)
{
  JsonObject *o = fz_json_get_object (&c->r, object, what, "flow_logs");

  fz_json_get_string (&c->r, o, "flow_logs", "api_url");
  fz_json_get_u64 (&c->r, o, "flow_logs", "upload_interval_secs");
  fz_json_get_u64 (&c->r, o, "flow_logs", "upload_batch_size");
}

FzIpNetwork
fz_read_network (FzMessageContext *c, JsonObject *object, const char *what)
{
  const char *text = fz_json_get_string (&c->r, object, what, "address");
  FzIpNetwork network = { 0 };

  if (text != NULL && !fz_ip_network_parse (text, &network))
    fz_json_fail (&c->r, what, "address", "a network without host bits");
  return network;
}

const FzUuid *
fz_read_ids (FzMessageContext *c, JsonArray *array, const char *what, size_t *out_n)
{
  unsigned n = array_length (array);
  FzUuid *ids = fz_arena_take (c->arena, n, sizeof *ids);

  for (unsigned i = 0; i < n; i++) {
    const char *text = fz_json_node_string (json_array_get_element (array, i));

    if (text == NULL || !fz_uuid_parse (text, &ids[i]))
      fz_json_fail (&c->r, what, NULL, "ids");
  }
  *out_n = n;
  return ids;
}

const FzGrant *
fz_read_grants (FzMessageContext *c, JsonArray *array, size_t *out_n)
{
  unsigned n = array_length (array);
  FzGrant *grants = fz_arena_take (c->arena, n, sizeof *grants);

  for (unsigned i = 0; i < n; i++) {
    JsonObject *o = fz_json_object (&c->r, json_array_get_element (array, i), "authorization");

    grants[i] = (FzGrant){
      .client_id = fz_json_get_uuid (&c->r, o, "authorization", "client_id"),
      .resource_id = fz_json_get_uuid (&c->r, o, "authorization", "resource_id"),
      .expires_at = fz_json_get_u64 (&c->r, o, "authorization", "expires_at"),
    };
  }
  *out_n = n;
  return grants;
}

/* -- filters -- */

static uint16_t
read_port (FzMessageContext *c, JsonObject *object, const char *member, uint16_t fallback)
{
  uint64_t port = fallback;

  if (fz_json_member (object, member) == NULL)
    return fallback;
  port = fz_json_get_u64 (&c->r, object, "filter", member);
  if (port > UINT16_MAX)
    fz_json_fail (&c->r, "filter", member, "a port");
  return (uint16_t) port;
}

static FzFilter
read_filter (FzMessageContext *c, JsonNode *node)
{
  JsonObject *o = fz_json_object (&c->r, node, "filter");
  const char *protocol = fz_json_get_string (&c->r, o, "filter", "protocol");
  FzFilter filter = { .kind = FZ_FILTER_ICMP };

  if (protocol == NULL || strcmp (protocol, "icmp") == 0)
    return filter;

  if (strcmp (protocol, "tcp") == 0)
    filter.kind = FZ_FILTER_TCP;
  else if (strcmp (protocol, "udp") == 0)
    filter.kind = FZ_FILTER_UDP;
  else
    fz_json_fail (&c->r, "filter", "protocol", "tcp, udp or icmp");
  filter.port_first = read_port (c, o, "port_range_start", 0);
  filter.port_last = read_port (c, o, "port_range_end", UINT16_MAX);
  return filter;
}

const FzFilter *
fz_read_filters (FzMessageContext *c, JsonArray *array, size_t *out_n)
{
  unsigned n = array_length (array);
  FzFilter *filters;

  /* Never cut this list: a shorter one permits less, an empty one everything. */
  if (n > FZ_MESSAGES_FILTERS_MAX) {
    fz_json_fail (&c->r, "resource", "filters", "fewer entries");
    n = 0;
  }
  filters = fz_arena_take (c->arena, n, sizeof *filters);
  for (unsigned i = 0; i < n; i++)
    filters[i] = read_filter (c, json_array_get_element (array, i));
  *out_n = n;
  return filters;
}

/* -- relays -- */

/* One entry of the list: a relay with one address. False: nothing for us (a STUN server). */
static bool
read_relay (FzMessageContext *c, JsonNode *node, FzRelay *out)
{
  JsonObject *o = fz_json_object (&c->r, node, "relay");
  const char *type = fz_json_get_string (&c->r, o, "relay", "type");
  const char *text = fz_json_get_string (&c->r, o, "relay", "addr");
  FzUuid id = fz_json_get_uuid (&c->r, o, "relay", "id");
  FzSocketAddress address = { 0 };

  if (text != NULL && !fz_socket_address_parse (text, &address))
    fz_json_fail (&c->r, "relay", "addr", "an address with port");
  if (type == NULL || strcmp (type, "stun") == 0)
    return false;
  if (strcmp (type, "turn") != 0) {
    fz_json_fail (&c->r, "relay", "type", "turn or stun");
    return false;
  }

  *out = (FzRelay){
    .id = id,
    .username = fz_json_get_string (&c->r, o, "relay", "username"),
    .password = fz_json_get_string (&c->r, o, "relay", "password"),
    .expires_at = fz_json_get_u64 (&c->r, o, "relay", "expires_at"),
  };
  if (address.ip.family == FZ_IP_V4)
    out->ipv4 = address;
  else
    out->ipv6 = address;
  return true;
}

/* Entry @next of the relay @into: its second address family. The first of a family is kept. */
static void
merge_relay (FzMessageContext *c, FzRelay *into, const FzRelay *next)
{
  if (into->ipv4.ip.family == FZ_IP_NONE && next->ipv4.ip.family != FZ_IP_NONE)
    into->ipv4 = next->ipv4;
  else if (into->ipv6.ip.family == FZ_IP_NONE && next->ipv6.ip.family != FZ_IP_NONE)
    into->ipv6 = next->ipv6;
  else
    fz_log (c->log,
            FZ_LOG_WARNING,
            "portal-relay-duplicate",
            "ignored a second address of the same family for a relay",
            FZ_KV_UUID ("relay", &next->id));

  /* The credentials of the last entry count, as upstream has it; they should be the same. */
  into->username = next->username;
  into->password = next->password;
  into->expires_at = next->expires_at;
}

const FzRelay *
fz_read_relays (FzMessageContext *c, JsonArray *array, size_t *out_n)
{
  unsigned n = bounded_length (c, array, "relays", FZ_MESSAGES_RELAYS_MAX);
  FzRelay *relays = fz_arena_take (c->arena, n, sizeof *relays);
  size_t n_relays = 0;

  for (unsigned i = 0; i < n; i++) {
    FzRelay relay = { 0 };

    if (!read_relay (c, json_array_get_element (array, i), &relay))
      continue;
    if (n_relays > 0 && fz_uuid_equal (&relays[n_relays - 1].id, &relay.id))
      merge_relay (c, &relays[n_relays - 1], &relay);
    else
      relays[n_relays++] = relay;
  }
  *out_n = n_relays;
  return relays;
}

void
fz_read_relays_presence (FzMessageContext *c, JsonNode *payload, FzCommand *out)
{
  JsonObject *o = fz_json_object (&c->r, payload, "relays_presence");
  JsonArray *gone = fz_json_get_array (&c->r, o, "relays_presence", "disconnected_ids");
  JsonArray *connected = fz_json_get_array (&c->r, o, "relays_presence", "connected");

  out->kind = FZ_COMMAND_RELAYS_PRESENCE;
  out->relays_presence.disconnected_ids =
      fz_read_ids (c, gone, "disconnected_ids", &out->relays_presence.n_disconnected);
  out->relays_presence.connected = fz_read_relays (c, connected, &out->relays_presence.n_connected);
}

/* -- candidates -- */

/* "candidate:" in front and a 32-bit priority as fourth word; the engine reads the rest. */
static bool
is_candidate (const char *text)
{
  unsigned word = 0;
  const char *p = text;

  if (!g_str_has_prefix (text, "candidate:"))
    return false;

  while (word < 3 && *p != '\0') {
    p += strcspn (p, " \t");
    p += strspn (p, " \t");
    word++;
  }
  if (*p == '+')
    p++;
  return g_ascii_isdigit (*p) && strspn (p, "0123456789") == strcspn (p, " \t") &&
         g_ascii_strtoull (p, NULL, 10) <= UINT32_MAX;
}

static const char *const *
read_candidate_lines (FzMessageContext *c, JsonObject *object, const char *what, size_t *out_n)
{
  JsonArray *array = fz_json_get_array (&c->r, object, what, "candidates");
  unsigned n = bounded_length (c, array, "candidates", FZ_MESSAGES_CANDIDATES_MAX);
  const char **lines = fz_arena_take (c->arena, n, sizeof *lines);
  size_t n_lines = 0;

  for (unsigned i = 0; i < n; i++) {
    const char *line = fz_json_node_string (json_array_get_element (array, i));

    if (line != NULL && is_candidate (line))
      lines[n_lines++] = line;
    else
      fz_log_plain (c->log,
                    FZ_LOG_DEBUG,
                    "portal-bad-candidate",
                    "skipped a list element that is no ICE candidate");
  }
  *out_n = n_lines;
  return lines;
}

bool
fz_read_candidates (FzMessageContext *c,
                    JsonNode *payload,
                    FzCommandKind kind,
                    const char *peer_member,
                    FzCommand *out)
{
  static const char what[] = "ice_candidates";
  JsonObject *o = fz_json_object (&c->r, payload, what);

  out->kind = kind;
  out->candidates.peer_id = fz_json_get_uuid (&c->r, o, what, peer_member);
  out->candidates.candidates = read_candidate_lines (c, o, what, &out->candidates.n_candidates);
  return true;
}
