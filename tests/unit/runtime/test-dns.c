/* test-dns.c: fz-dns-carrier.h and fz-site-dns.h on the loopback device */

#include "src/proto/fz-dns.h"
#include "src/runtime/fz-dns-carrier.h"
#include "src/runtime/fz-site-dns.h"
#include "src/runtime/fz-udp-socket.h"
#include "tests/unit/base/addresses.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint8_t question[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\4name\7example\0\0\1\0\1";

/* A bound UDP socket on the loopback device; @out: where it is. */
static int
open_server (FzSocketAddress *out)
{
  FzSocketAddress any = test_address ("127.0.0.1:0");
  struct sockaddr_storage name;
  socklen_t length = fz_udp_address_to_kernel (&any, &name);
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (bind (fd, (struct sockaddr *) &name, length), ==, 0);
  length = sizeof name;
  g_assert_cmpint (getsockname (fd, (struct sockaddr *) &name, &length), ==, 0);
  g_assert_true (fz_udp_address_from_kernel (&name, length, out));
  return fd;
}

typedef struct {
  unsigned n_answers;
  uint32_t id;
  size_t length;
  uint8_t answer[64];
} Heard;

static void
on_answer (uint32_t id, const uint8_t *message, size_t length, gpointer user_data)
{
  Heard *heard = user_data;

  heard->n_answers++;
  heard->id = id;
  heard->length = length;
  g_assert_cmpuint (length, <=, sizeof heard->answer);
  memcpy (heard->answer, message, length);
}

static FzEvent
make_event (uint32_t id, const FzSocketAddress *server)
{
  return (FzEvent){
    .kind = FZ_EVENT_DNS_QUERY,
    .dns_query = { .id = id, .server = *server, .message = question, .length = sizeof question }
  };
}

static void
test_carrier (void)
{
  Heard heard = { 0 };
  g_autoptr (FzDnsCarrier) carrier = fz_dns_carrier_new (false, on_answer, &heard);
  FzSocketAddress server;
  int fd = open_server (&server);
  FzEvent event = make_event (7, &server);
  struct sockaddr_storage from;
  socklen_t from_length = sizeof from;
  uint8_t received[64];

  fz_dns_carrier_ask (carrier, &event);
  g_assert_cmpuint (heard.n_answers, ==, 0);
  g_assert_cmpint (
      recvfrom (fd, received, sizeof received, 0, (struct sockaddr *) &from, &from_length),
      ==,
      sizeof question);
  /* no answer, a wrong id, another question; then the answer */
  received[2] |= 0x80;
  for (unsigned i = 0; i < 4; i++) {
    size_t length = i == 0 ? 6 : sizeof question;
    uint8_t sent[sizeof question];

    memcpy (sent, received, sizeof sent);
    sent[1] ^= i == 1;
    sent[13] ^= i == 2;
    g_assert_cmpint (
        sendto (fd, sent, length, 0, (struct sockaddr *) &from, from_length), ==, length);
  }
  while (heard.n_answers == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (heard.id, ==, 7);
  g_assert_cmpmem (heard.answer, heard.length, received, sizeof question);

  /* nobody there: the system says so, and we do */
  close (fd);
  event = make_event (8, &server);
  fz_dns_carrier_ask (carrier, &event);
  while (heard.n_answers == 1)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (heard.id, ==, 8);
  g_assert_cmpuint (heard.length, ==, 0);

  /* what is not carried fails too, and not at once */
  event = make_event (9, &(FzSocketAddress){ 0 });
  fz_dns_carrier_ask (carrier, &event);
  g_assert_cmpuint (heard.n_answers, ==, 2);
  fz_dns_carrier_reset (carrier); /* nobody is told any more */
  event = make_event (10, &(FzSocketAddress){ 0 });
  fz_dns_carrier_ask (carrier, &event);
  while (heard.n_answers == 2)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (heard.id, ==, 10);
}

/* Without a nameserver, and with one that is not there: the client is told in both cases. */
static void
test_site (void)
{
  static const char *const files[] = { "# none\n", "search example\nnameserver 127.0.0.1\n" };
  static const FzLog silent = { 0 };
  FzSocketAddress free_port, site_address;
  int probe = open_server (&free_port);
  FzSocketAddress own;
  int fd = open_server (&own);
  struct sockaddr_storage name;
  socklen_t length;

  close (probe);
  site_address = free_port;
  length = fz_udp_address_to_kernel (&site_address, &name);
  g_assert_cmpint (connect (fd, (struct sockaddr *) &name, length), ==, 0);
  for (size_t i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *path = g_build_filename (g_get_tmp_dir (), "fz-site-XXXXXX", NULL);
    int file = g_mkstemp (path);
    g_autoptr (FzSiteDns) site = NULL;
    FzDnsReply reply;
    uint8_t answer[64];
    ssize_t n = -1;

    close (file);
    g_assert_true (g_file_set_contents (path, files[i], -1, NULL));
    site = fz_site_dns_new (NULL, path, &silent);
    fz_site_dns_listen (site, &site_address.ip, 1, site_address.port);
    g_assert_cmpint (send (fd, "garbage", 7, 0), ==, 7); /* not answered */
    g_assert_cmpint (send (fd, question, sizeof question, 0), ==, sizeof question);
    while (n < 0) {
      g_main_context_iteration (NULL, TRUE);
      n = recv (fd, answer, sizeof answer, MSG_DONTWAIT);
    }
    g_assert_cmpint (fz_dns_parse_reply (fz_span (answer, (size_t) n), &reply), ==, FZ_DROP_NONE);
    g_assert_cmpuint (reply.id, ==, 0x1234);
    g_assert_true (reply.code == FZ_DNS_SERVFAIL || i == 1); /* port 53 may be somebody's */
    g_unlink (path);
  }
  close (fd);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dns-carrier", test_carrier);
  g_test_add_func ("/site-dns", test_site);
  return g_test_run ();
}
