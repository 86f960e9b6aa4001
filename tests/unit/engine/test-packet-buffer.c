/* test-packet-buffer.c: unique, bounded, oldest first to come and to go */

#include "src/base/fz-bytes.h"
#include "src/engine/fz-packet-buffer.h"

#include <glib.h>

/* A UDP-like packet that differs by @mark. */
static FzSpan
make_packet (uint8_t *buffer, size_t length, uint32_t mark)
{
  memset (buffer, 0, length);
  buffer[0] = 0x45;
  buffer[9] = 17;
  fz_put_u32be (buffer + length - 4, mark);
  return fz_span (buffer, length);
}

static uint32_t
pop_mark (FzPacketBuffer *buffer)
{
  FzSpan packet;

  g_assert_true (fz_packet_buffer_pop (buffer, &packet));
  return fz_get_u32be (packet.data + packet.length - 4);
}

static void
test_order_and_uniqueness (void)
{
  g_autoptr (FzPacketBuffer) buffer = fz_packet_buffer_new (128, NULL);
  uint8_t p[64];
  FzSpan packet;

  for (uint32_t i = 0; i < 5; i++)
    for (int twice = 0; twice < 2; twice++)
      fz_packet_buffer_push (buffer, make_packet (p, 40, i));
  fz_packet_buffer_push (buffer, make_packet (p, 44, 4)); /* another length is another packet */
  g_assert_cmpuint (fz_packet_buffer_get_n_packets (buffer), ==, 6);
  g_assert_cmpuint (fz_packet_buffer_get_n_bytes (buffer), ==, 5 * 40 + 44);
  for (uint32_t i = 0; i < 5; i++)
    g_assert_cmpuint (pop_mark (buffer), ==, i);
  g_assert_cmpuint (pop_mark (buffer), ==, 4);
  g_assert_false (fz_packet_buffer_pop (buffer, &packet));
  g_assert_cmpuint (fz_packet_buffer_get_n_dropped (buffer), ==, 0);
  g_assert_cmpuint (fz_packet_buffer_get_n_bytes (buffer), ==, 0);
}

static void
test_packet_limit (void)
{
  g_autoptr (FzPacketBuffer) buffer = fz_packet_buffer_new (FZ_PACKET_BUFFER_PACKETS, NULL);
  uint8_t p[40];

  for (uint32_t i = 0; i < FZ_PACKET_BUFFER_PACKETS; i++)
    fz_packet_buffer_push (buffer, make_packet (p, 40, i));
  g_assert_cmpuint (fz_packet_buffer_get_n_dropped (buffer), ==, 0);
  fz_packet_buffer_push (buffer, make_packet (p, 40, FZ_PACKET_BUFFER_PACKETS));
  g_assert_cmpuint (fz_packet_buffer_get_n_dropped (buffer), ==, 1);
  g_assert_cmpuint (fz_packet_buffer_get_n_packets (buffer), ==, FZ_PACKET_BUFFER_PACKETS);
  for (uint32_t i = 1; i <= FZ_PACKET_BUFFER_PACKETS; i++)
    g_assert_cmpuint (pop_mark (buffer), ==, i);
}

/* What nobody comes for is told to who asked. */
static void
test_given_up (void)
{
  uint8_t p[40];
  uint64_t given_up = 0;
  FzPacketBuffer *buffer = fz_packet_buffer_new (4, &given_up);

  for (uint32_t i = 0; i < 5; i++)
    fz_packet_buffer_push (buffer, make_packet (p, sizeof p, i));
  g_assert_cmpuint (pop_mark (buffer), ==, 1);
  g_assert_cmpuint (given_up, ==, 0); /* the one that was pushed out is the pusher's to count */
  fz_packet_buffer_clear (buffer);
  g_assert_cmpuint (given_up, ==, 3);
  fz_packet_buffer_push (buffer, make_packet (p, sizeof p, 9));
  fz_packet_buffer_free (buffer);
  g_assert_cmpuint (given_up, ==, 4);
}

static void
test_byte_limit (void)
{
  g_autoptr (FzPacketBuffer) buffer = fz_packet_buffer_new (128, NULL);
  g_autofree uint8_t *p = g_malloc (FZ_PACKET_BUFFER_BYTES_MAX + 1);
  size_t quarter = FZ_PACKET_BUFFER_BYTES_MAX / 4;

  for (uint32_t i = 0; i < 4; i++)
    fz_packet_buffer_push (buffer, make_packet (p, quarter, i));
  g_assert_cmpuint (fz_packet_buffer_get_n_bytes (buffer), ==, FZ_PACKET_BUFFER_BYTES_MAX);
  fz_packet_buffer_push (buffer, make_packet (p, quarter + 1, 4)); /* costs two */
  g_assert_cmpuint (fz_packet_buffer_get_n_dropped (buffer), ==, 2);
  g_assert_cmpuint (fz_packet_buffer_get_n_packets (buffer), ==, 3);

  /* more than all room: itself is dropped, the others stay */
  fz_packet_buffer_push (buffer, make_packet (p, FZ_PACKET_BUFFER_BYTES_MAX + 1, 5));
  fz_packet_buffer_push (buffer, fz_span (p, 0));
  g_assert_cmpuint (fz_packet_buffer_get_n_dropped (buffer), ==, 4);
  g_assert_cmpuint (pop_mark (buffer), ==, 2);

  fz_packet_buffer_push (buffer, make_packet (p, FZ_PACKET_BUFFER_BYTES_MAX, 6)); /* just fits */
  g_assert_cmpuint (fz_packet_buffer_get_n_packets (buffer), ==, 1);
  g_assert_cmpuint (pop_mark (buffer), ==, 6);
}

/* -- SYNs -- */

typedef struct {
  bool is_v6;
  uint8_t last_address_byte;
  uint16_t port;
  uint32_t sequence;
  uint8_t flags;
  uint32_t timestamp;
} Segment;

static FzSpan
make_segment (uint8_t buffer[80], const Segment *s)
{
  size_t ip_length = s->is_v6 ? 40 : 20;
  uint8_t *tcp = buffer + ip_length;

  memset (buffer, 0, 80);
  buffer[0] = s->is_v6 ? 0x60 : 0x45;
  buffer[s->is_v6 ? 6 : 9] = 6;
  buffer[ip_length - 1] = s->last_address_byte;
  fz_put_u16be (tcp + 2, s->port);
  fz_put_u32be (tcp + 4, s->sequence);
  tcp[12] = 8 << 4;
  tcp[13] = s->flags;
  fz_put_u32be (tcp + 28, s->timestamp);
  return fz_span (buffer, ip_length + 32);
}

static void
test_syn (void)
{
  static const struct {
    Segment first, second;
    size_t n_packets;
    const char *why;
  } rows[] = {
    { { 0, 1, 80, 7, 2, 1 }, { 0, 1, 80, 7, 2, 2 }, 1, "repeated SYN, new timestamp" },
    { { 1, 1, 80, 7, 2, 1 }, { 1, 1, 80, 7, 2, 2 }, 1, "the same over IPv6" },
    { { 0, 1, 80, 7, 0xc2, 1 }, { 0, 1, 80, 7, 2, 2 }, 1, "ECN set-up given up on the repeat" },
    { { 0, 1, 80, 7, 2, 1 }, { 0, 1, 80, 8, 2, 2 }, 2, "another sequence number" },
    { { 0, 1, 80, 7, 2, 1 }, { 0, 1, 81, 7, 2, 2 }, 2, "another port" },
    { { 0, 1, 80, 7, 2, 1 }, { 0, 2, 80, 7, 2, 2 }, 2, "another address" },
    { { 0, 1, 80, 7, 0x12, 1 }, { 0, 1, 80, 7, 0x12, 2 }, 2, "SYN+ACK" },
    { { 0, 1, 80, 7, 0x10, 1 }, { 0, 1, 80, 7, 0x10, 2 }, 2, "ACK" },
    { { 0, 1, 80, 7, 2, 1 }, { 0, 1, 80, 7, 0x10, 2 }, 2, "SYN, then ACK" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (FzPacketBuffer) buffer = fz_packet_buffer_new (128, NULL);
    uint8_t p[80];
    FzSpan packet;

    g_test_message ("%s", rows[i].why);
    fz_packet_buffer_push (buffer, make_segment (p, &rows[i].first));
    fz_packet_buffer_push (buffer, make_packet (p, 40, 99));
    fz_packet_buffer_push (buffer, make_segment (p, &rows[i].second));
    g_assert_cmpuint (fz_packet_buffer_get_n_packets (buffer), ==, rows[i].n_packets + 1);
    g_assert_cmpuint (fz_packet_buffer_get_n_dropped (buffer), ==, 0);
    if (rows[i].n_packets > 1)
      continue;
    /* the newer one, in the older one's place */
    g_assert_true (fz_packet_buffer_pop (buffer, &packet));
    g_assert_cmpuint (fz_get_u32be (packet.data + packet.length - 4), ==, 2);
    g_assert_cmpuint (pop_mark (buffer), ==, 99);
  }
}

/* No header is believed beyond the packet's end. */
static void
test_short_packets (void)
{
  g_autoptr (FzPacketBuffer) buffer = fz_packet_buffer_new (1024, NULL);

  for (size_t length = 1; length < 80; length++)
    for (unsigned header = 0; header < 3; header++) {
      static const uint8_t starts[] = { 0x45, 0x4f, 0x60 };
      g_autofree uint8_t *p = g_malloc0 (length);

      p[0] = starts[header];
      if (length > 9)
        p[header == 2 ? 6 : 9] = 6;
      fz_packet_buffer_push (buffer, fz_span (p, length));
      fz_packet_buffer_push (buffer, fz_span (p, length));
    }
  g_assert_cmpuint (fz_packet_buffer_get_n_packets (buffer), ==, 79 * 3);
  fz_packet_buffer_clear (buffer);
  g_assert_cmpuint (fz_packet_buffer_get_n_packets (buffer), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/packet-buffer/order-and-uniqueness", test_order_and_uniqueness);
  g_test_add_func ("/packet-buffer/limit/packets", test_packet_limit);
  g_test_add_func ("/packet-buffer/given-up", test_given_up);
  g_test_add_func ("/packet-buffer/limit/bytes", test_byte_limit);
  g_test_add_func ("/packet-buffer/syn", test_syn);
  g_test_add_func ("/packet-buffer/short-packets", test_short_packets);
  return g_test_run ();
}
