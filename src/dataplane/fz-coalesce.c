/* fz-coalesce.c: see the header */

#include "src/dataplane/fz-coalesce.h"

#include "src/proto/fz-checksum.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TCP_ACK 0x10u
#define TCP_PSH 0x08u

#define PIECES_MAX (FZ_RUN_PACKETS_MAX + 1u) /* vnet header, first packet, payloads */

typedef struct {
  FzArrival first;
  uint32_t next_sequence; /* TCP */
  uint32_t length;        /* bytes so far */
  uint16_t n_packets;
  bool has_push;   /* the last one had PSH */
  uint64_t opened; /* the oldest gives way */
  struct iovec pieces[PIECES_MAX];
} OpenRun;

struct FzCoalescer {
  FzLaneLimits limits;
  OpenRun open[FZ_RUNS_OPEN];
  size_t n_open;
  uint64_t n_opened;
  size_t n_packets;
  size_t n_runs;
  size_t n_pieces;
  FzRun runs[FZ_COALESCE_MAX];
  struct iovec pieces[2 * FZ_COALESCE_MAX]; /* of the closed runs */
};

FzCoalescer *
fz_coalescer_new (void)
{
  FzCoalescer *self = calloc (1, sizeof *self);

  if (self == NULL)
    abort ();
  return self;
}

void
fz_coalescer_free (FzCoalescer *self)
{
  free (self);
}

void
fz_coalescer_begin (FzCoalescer *self, const FzLaneLimits *limits)
{
  self->limits = *limits;
  self->n_open = 0;
  self->n_packets = 0;
  self->n_runs = 0;
  self->n_pieces = 0;
}

static bool
is_kind_allowed (const FzLaneLimits *limits, const FzIpPacket *packet)
{
  switch (packet->protocol) {
  case FZ_IP_PROTOCOL_TCP:
    return packet->family == FZ_IP_V4 ? limits->tun_tcp4 : limits->tun_tcp6;
  case FZ_IP_PROTOCOL_UDP:
    return limits->tun_udp && limits->tun_udp_segments > 1;
  default:
    return false;
  }
}

static void
examine_tcp (FzArrival *candidate)
{
  const uint8_t *tcp = fz_ip_packet_get_transport (&candidate->packet);
  uint32_t header = (uint32_t) (tcp[12] >> 4) * 4;
  bool is_plain = (tcp[12] & 0xf) == 0 && (tcp[13] & ~TCP_PSH) == TCP_ACK;

  candidate->header_length = (uint16_t) (candidate->packet.transport_offset + header);
  candidate->ends_run = (tcp[13] & TCP_PSH) != 0;
  candidate->may_join = is_plain && candidate->packet.length > candidate->header_length;
}

static void
examine_udp (FzArrival *candidate)
{
  const uint8_t *udp = fz_ip_packet_get_transport (&candidate->packet);

  candidate->header_length = (uint16_t) (candidate->packet.transport_offset + FZ_UDP_HEADER_SIZE);
  candidate->may_join = fz_get_u16be (udp + 6) != 0 && /* a checksum that is not there */
                        candidate->packet.length > candidate->header_length;
}

void
fz_coalescer_examine (const FzCoalescer *self, FzArrival *candidate, const void *owner)
{
  const FzIpPacket *packet = &candidate->packet;
  uint32_t plain_header = packet->family == FZ_IP_V4 ? FZ_IPV4_HEADER_SIZE : FZ_IPV6_HEADER_SIZE;

  candidate->owner = owner;
  candidate->header_length = 0;
  candidate->payload_length = 0;
  candidate->may_join = false;
  candidate->ends_run = false;
  candidate->is_verified = false;
  if (packet->is_fragment || packet->transport_offset != plain_header ||
      !is_kind_allowed (&self->limits, packet))
    return;
  if (packet->protocol == FZ_IP_PROTOCOL_TCP)
    examine_tcp (candidate);
  else
    examine_udp (candidate);
  candidate->payload_length = (uint16_t) (packet->length - candidate->header_length);
}

static inline bool
has_same_addresses (const FzIpPacket *a, const FzIpPacket *b)
{
  if (a->family != b->family)
    return false;
  if (a->family == FZ_IP_V4)
    return memcmp (a->data + 12, b->data + 12, 8) == 0;
  return memcmp (a->data + 8, b->data + 8, 32) == 0;
}

static inline bool
has_same_ports (const FzIpPacket *a, const FzIpPacket *b)
{
  return memcmp (fz_ip_packet_get_transport (a), fz_ip_packet_get_transport (b), 4) == 0;
}

/* Whether @packet belongs to @run's flow; of a fragment only the addresses are known. */
static inline bool
is_of_flow (const OpenRun *run, const FzArrival *candidate)
{
  const FzIpPacket *packet = &candidate->packet;

  return run->first.packet.protocol == packet->protocol && run->first.owner == candidate->owner &&
         (packet->is_fragment || has_same_ports (&run->first.packet, packet)) &&
         has_same_addresses (&run->first.packet, packet);
}

static bool
is_checksum_good (FzArrival *candidate)
{
  if (!candidate->is_verified) {
    candidate->is_verified = fz_checksum_is_good (&candidate->packet);
    candidate->may_join = candidate->is_verified;
  }
  return candidate->is_verified;
}

/* The IP headers agree, but for lengths, checksums and the flow label. */
static bool
does_ip_match (const OpenRun *run, const FzIpPacket *packet)
{
  const uint8_t *first = run->first.packet.data;
  const uint8_t *data = packet->data;
  uint16_t flags;

  if (packet->family == FZ_IP_V6)
    return first[0] == data[0] && (first[1] & 0xf0) == (data[1] & 0xf0) && first[7] == data[7];

  flags = fz_get_u16be (data + 6);
  if (first[1] != data[1] || first[8] != data[8] || fz_get_u16be (first + 6) != flags)
    return false;
  return (flags & 0x4000) != 0 || /* don't fragment: the ID means nothing */
         (uint16_t) (fz_get_u16be (first + 4) + run->n_packets) == fz_get_u16be (data + 4);
}

static bool
does_tcp_match (const OpenRun *run, const FzArrival *candidate)
{
  const uint8_t *first = fz_ip_packet_get_transport (&run->first.packet);
  const uint8_t *tcp = fz_ip_packet_get_transport (&candidate->packet);
  uint32_t header = (uint32_t) candidate->header_length - candidate->packet.transport_offset;

  return run->first.header_length == candidate->header_length &&
         fz_get_u32be (tcp + 4) == run->next_sequence &&
         memcmp (first + 8, tcp + 8, 4) == 0 &&   /* acknowledgement */
         memcmp (first + 14, tcp + 14, 2) == 0 && /* window */
         memcmp (first + 18, tcp + 18, header - 18) == 0;
}

static bool
fits (const FzCoalescer *self, const OpenRun *run, const FzArrival *candidate)
{
  uint32_t n_max = FZ_RUN_PACKETS_MAX;

  if (candidate->packet.protocol == FZ_IP_PROTOCOL_UDP && self->limits.tun_udp_segments < n_max)
    n_max = self->limits.tun_udp_segments;
  return run->n_packets < n_max && candidate->payload_length <= run->first.payload_length &&
         run->length + candidate->payload_length <= FZ_RUN_LENGTH_MAX;
}

/* The header of a run of several, as the kernel wants it for segmenting. */
static FzVnetHeader
write_headers (const OpenRun *run)
{
  const FzArrival *first = &run->first;
  bool is_v4 = first->packet.family == FZ_IP_V4;
  bool is_tcp = first->packet.protocol == FZ_IP_PROTOCOL_TCP;
  uint8_t *ip = run->pieces[1].iov_base;
  uint8_t *transport = ip + first->packet.transport_offset;
  uint32_t transport_length = run->length - first->packet.transport_offset;
  uint32_t pseudo = fz_checksum_pseudo (&first->packet, first->packet.protocol, transport_length);

  if (is_v4) {
    fz_put_u16be (ip + 2, (uint16_t) run->length);
    fz_checksum_write_ipv4_header (ip, FZ_IPV4_HEADER_SIZE);
  } else {
    fz_put_u16be (ip + 4, (uint16_t) transport_length);
  }
  if (is_tcp && run->has_push)
    transport[13] |= TCP_PSH;
  if (!is_tcp)
    fz_put_u16be (transport + 4, (uint16_t) transport_length);
  fz_put_u16be (transport + (is_tcp ? 16 : 6), fz_checksum_fold (pseudo));

  return (FzVnetHeader){
    .flags = FZ_VNET_F_NEEDS_CSUM,
    .gso_type = !is_tcp ? FZ_VNET_GSO_UDP
                : is_v4 ? FZ_VNET_GSO_TCPV4
                        : FZ_VNET_GSO_TCPV6,
    .header_length = first->header_length,
    .gso_size = first->payload_length,
    .csum_start = first->packet.transport_offset,
    .csum_offset = is_tcp ? 16 : 6,
  };
}

static void
close_run (FzCoalescer *self, size_t i)
{
  OpenRun *open = &self->open[i];
  FzRun *run = &self->runs[self->n_runs++];
  struct iovec *pieces = &self->pieces[self->n_pieces];

  *run = (FzRun){ .iov = pieces,
                  .n_iov = (uint16_t) (open->n_packets + 1),
                  .n_packets = open->n_packets,
                  .length = open->length };
  if (open->n_packets > 1)
    run->vnet = write_headers (open);
  open->pieces[0] = (struct iovec){ &run->vnet, sizeof run->vnet };
  memcpy (pieces, open->pieces, run->n_iov * sizeof *pieces);
  self->n_pieces += run->n_iov;

  self->n_open--;
  if (i != self->n_open)
    memcpy (open, &self->open[self->n_open], sizeof *open);
}

bool
fz_coalescer_join (FzCoalescer *self, FzArrival *candidate)
{
  OpenRun *run = NULL;
  size_t i;

  if (!candidate->may_join || self->n_packets >= FZ_COALESCE_MAX)
    return false;
  for (i = self->n_open; i > 0 && run == NULL; i--)
    if (is_of_flow (&self->open[i - 1], candidate))
      run = &self->open[i - 1];
  if (run == NULL || !fits (self, run, candidate) || !does_ip_match (run, &candidate->packet) ||
      (candidate->packet.protocol == FZ_IP_PROTOCOL_TCP && !does_tcp_match (run, candidate)) ||
      !is_checksum_good (candidate))
    return false;

  run->n_packets++;
  run->pieces[run->n_packets] =
      (struct iovec){ (void *) (candidate->packet.data + candidate->header_length),
                      candidate->payload_length };
  run->length += candidate->payload_length;
  run->next_sequence += candidate->payload_length;
  run->has_push = candidate->ends_run;
  self->n_packets++;
  if (candidate->ends_run || candidate->payload_length < run->first.payload_length)
    close_run (self, (size_t) (run - self->open));
  return true;
}

static void
close_flow (FzCoalescer *self, const FzArrival *candidate)
{
  for (size_t i = self->n_open; i > 0; i--)
    if (is_of_flow (&self->open[i - 1], candidate))
      close_run (self, i - 1);
}

static void
close_oldest (FzCoalescer *self)
{
  size_t oldest = 0;

  for (size_t i = 1; i < self->n_open; i++)
    if (self->open[i].opened < self->open[oldest].opened)
      oldest = i;
  close_run (self, oldest);
}

bool
fz_coalescer_start (FzCoalescer *self, FzArrival *candidate)
{
  const FzIpPacket *packet = &candidate->packet;
  OpenRun *run;

  if (self->n_packets >= FZ_COALESCE_MAX)
    return false;
  if (packet->protocol == FZ_IP_PROTOCOL_TCP || packet->protocol == FZ_IP_PROTOCOL_UDP)
    close_flow (self, candidate);
  if (self->n_open == FZ_RUNS_OPEN)
    close_oldest (self);

  run = &self->open[self->n_open++];
  run->first = *candidate;
  run->length = packet->length;
  run->n_packets = 1;
  run->has_push = candidate->ends_run;
  run->opened = self->n_opened++;
  run->pieces[1] = (struct iovec){ (void *) packet->data, packet->length };
  self->n_packets++;

  if (!candidate->may_join || candidate->ends_run || !is_checksum_good (candidate)) {
    close_run (self, self->n_open - 1);
    return true;
  }
  if (packet->protocol == FZ_IP_PROTOCOL_TCP)
    run->next_sequence =
        fz_get_u32be (fz_ip_packet_get_transport (packet) + 4) + candidate->payload_length;
  return true;
}

size_t
fz_coalescer_finish (FzCoalescer *self, const FzRun **out_runs)
{
  while (self->n_open > 0)
    close_oldest (self);
  *out_runs = self->runs;
  return self->n_runs;
}
