/* fz-limits.h
 *
 * How much of anything the engine keeps. Everything that a portal, a peer or the
 * network can make grow has its maximum here; tests stand at each and one past
 * it. A command over a limit is refused whole (FZ_ENGINE_ERROR_TOO_MANY), a
 * packet over one is a counted drop. Relays: fz-relay-pool.h; candidates of one
 * agent: fz-ice-agent.h.
 */
#pragma once

#define FZ_RESOURCES_MAX            8192u  /* of one client; of one client on a gateway */
#define FZ_FILTERS_MAX              256u   /* of one resource */
#define FZ_SITES_MAX                64u    /* of one resource */
#define FZ_UPSTREAM_DNS_MAX         32u    /* of one interface, each kind */
#define FZ_PEERS_MAX                16384u /* connections of one node */
#define FZ_GATEWAYS_SEEN_MAX        256u   /* ids that a client remembers for the portal */
#define FZ_CANDIDATES_MAX           64u    /* in one message */
#define FZ_CANDIDATE_LENGTH_MAX     512u   /* bytes of one candidate's text */
#define FZ_CREDENTIAL_LENGTH_MAX    256u   /* bytes of an ICE user fragment or password */
#define FZ_TEXT_MAX                 1024u  /* bytes of a name, description, pattern or URL */
#define FZ_SYSTEM_RESOLVERS_MAX     32u    /* more are left out */
#define FZ_DNS_DOMAINS_MAX          16384u /* names of DNS resources that were asked for */
#define FZ_RESOLVED_IPS_MAX         64u    /* addresses of one name; more are left out */
#define FZ_DNS_QUERY_S              5u     /* a resolver past the tunnel (tunnel.md §4.11) */
#define FZ_DNS_RESOLVE_S            10u    /* a gateway's lookup of a name (tunnel.md §6.3) */
#define FZ_REF_MAX                  16384u /* bytes of an authorization's reference */
#define FZ_ALLOWED_MAX              4096u  /* networks of a bare peer */
#define FZ_HELD_CANDIDATES_MAX      128u   /* per connection and list, while the portal is away */
#define FZ_CONNECTING_DATAGRAMS_MAX 128u   /* connectivity.md §1.4: answers without a path yet */
#define FZ_FORMER_PEERS_MAX         256u   /* ended connections remembered for 5 s */
#define FZ_STUN_IN_FLIGHT_MAX       65536u /* unanswered binding requests of all agents */
#define FZ_REFUSALS_PER_S           1000u  /* ICMP errors that we make, all peers together … */
#define FZ_REFUSALS_BURST           200u   /* … and at once */
#define FZ_OUT_QUEUE_BYTES_MAX      (4u << 20)
#define FZ_EVENTS_MAX               65536u /* unread events; more means nobody is listening */
