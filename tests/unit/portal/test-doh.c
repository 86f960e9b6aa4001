/* test-doh.c: fz-doh.h against a server of libsoup's, over plain HTTP */

#include "src/portal/fz-doh.h"

#include <libsoup/soup.h>
#include <string.h>

#define TYPE "application/dns-message"

typedef struct {
  SoupServer *server;
  char *url;
  FzDoh *doh;
  unsigned n_requests;
  unsigned n_answers;
  uint32_t id;
  uint8_t answer[512];
  size_t length; /* SIZE_MAX: none yet */
} Bed;

/* The question comes back as its own answer; some paths do it wrong. */
static void
on_request (SoupServer *server,
            SoupServerMessage *message,
            const char *path,
            GHashTable *query,
            gpointer user_data)
{
  Bed *bed = user_data;
  g_autofree char *text = g_strdup (g_hash_table_lookup (query, "dns"));
  g_autofree guchar *bytes = NULL;
  g_autofree char *padded = NULL;
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  gsize length;

  bed->n_requests++;
  g_assert_nonnull (text);
  g_assert_null (strpbrk (text, "+/=")); /* the alphabet of URLs, without padding */
  g_assert_cmpstr (soup_server_message_get_method (message), ==, "GET");
  g_assert_cmpstr (soup_message_headers_get_one (headers, "Accept"), ==, TYPE);
  g_strdelimit (text, "-", '+');
  g_strdelimit (text, "_", '/');
  padded = g_strconcat (text, &"==="[(strlen (text) + 3) % 4], NULL);
  bytes = g_base64_decode (padded, &length);
  g_assert_cmpuint (length, >=, 12);
  g_assert_true (bytes[0] == 0 && bytes[1] == 0); /* RFC 8484 §4.1 */
  bytes[2] |= 0x80;

  if (g_str_equal (path, "/long"))
    length = 70000;
  if (g_str_equal (path, "/long"))
    bytes = g_realloc (bytes, length);
  soup_server_message_set_status (message, g_str_equal (path, "/missing") ? 404 : 200, NULL);
  soup_server_message_set_response (message,
                                    g_str_equal (path, "/text") ? "text/plain" : TYPE,
                                    SOUP_MEMORY_COPY,
                                    (const char *) bytes,
                                    g_str_equal (path, "/short") ? 5 : length);
}

static void
on_answer (uint32_t id, const uint8_t *message, size_t length, gpointer user_data)
{
  Bed *bed = user_data;

  bed->n_answers++;
  bed->id = id;
  bed->length = length;
  g_assert_cmpuint (length, <=, sizeof bed->answer);
  memcpy (bed->answer, message, length);
}

static void
set_up (Bed *bed, const char *host, const char *path)
{
  static const FzLog silent = { 0 };
  g_autoptr (GError) error = NULL;
  GSList *uris;

  *bed = (Bed){ .length = SIZE_MAX };
  bed->server = soup_server_new (NULL, NULL);
  soup_server_add_handler (bed->server, NULL, on_request, bed, NULL);
  g_assert_true (soup_server_listen_local (bed->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error));
  uris = soup_server_get_uris (bed->server);
  bed->url = g_strdup_printf ("http://%s:%d%s", host, g_uri_get_port (uris->data), path);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  bed->doh = fz_doh_new (0, &silent, on_answer, bed);
}

static void
tear_down (Bed *bed)
{
  fz_doh_free (bed->doh);
  while (g_main_context_iteration (NULL, FALSE))
    ; /* what was cancelled ends */
  soup_server_disconnect (bed->server);
  g_object_unref (bed->server);
  g_free (bed->url);
}

static void
wait_for (Bed *bed, unsigned n_answers)
{
  while (bed->n_answers < n_answers)
    g_main_context_iteration (NULL, TRUE);
}

static const uint8_t question[] = { 0x12, 0x34, 1,   0,    0,    1,    0, 0, 0, 0, 0,
                                    0,    3,    'f', 0xfb, 0xff, 0xbf, 0, 0, 1, 0, 1 };

static void
test_answer (gconstpointer data)
{
  const char *host = data;
  FzSocketAddress resolver = { { FZ_IP_V4, { 127, 0, 0, 1 } }, 1 }; /* never asked: /etc/hosts */
  Bed bed;

  set_up (&bed, host, "/dns-query");
  fz_doh_set_resolvers (bed.doh, &resolver, 1);
  fz_doh_ask (bed.doh, 7, bed.url, question, sizeof question);
  g_assert_cmpuint (bed.n_answers, ==, 0); /* never at once */
  wait_for (&bed, 1);
  g_assert_cmpuint (bed.id, ==, 7);
  g_assert_cmpuint (bed.length, ==, sizeof question);
  g_assert_cmpuint (bed.answer[0] << 8 | bed.answer[1], ==, 0x1234);
  g_assert_cmpuint (bed.answer[2], ==, 0x81);
  g_assert_cmpmem (bed.answer + 3, bed.length - 3, question + 3, sizeof question - 3);

  for (uint32_t i = 0; i < 20; i++) /* many at once */
    fz_doh_ask (bed.doh, i, bed.url, question, sizeof question);
  wait_for (&bed, 21);
  g_assert_cmpuint (bed.n_requests, ==, 21);
  tear_down (&bed);
}

static void
test_wrong_answers (gconstpointer data)
{
  Bed bed;

  set_up (&bed, "127.0.0.1", data);
  fz_doh_ask (bed.doh, 9, bed.url, question, sizeof question);
  wait_for (&bed, 1);
  g_assert_cmpuint (bed.id, ==, 9);
  g_assert_cmpuint (bed.length, ==, 0);
  tear_down (&bed);
}

static void
test_unknown_host (void)
{
  FzSocketAddress resolver = { { FZ_IP_V4, { 127, 0, 0, 1 } }, 1 }; /* nobody listens there */
  Bed bed;

  set_up (&bed, "doh.invalid", "/dns-query");
  fz_doh_set_resolvers (bed.doh, &resolver, 1);
  for (uint32_t i = 0; i < 3; i++)
    fz_doh_ask (bed.doh, i, bed.url, question, sizeof question);
  wait_for (&bed, 3);
  g_assert_cmpuint (bed.length, ==, 0);
  g_assert_cmpuint (bed.n_requests, ==, 0);
  tear_down (&bed);
}

/* Freed and reset with questions on their way: nobody is told, nothing is left. */
static void
test_given_up (void)
{
  Bed bed;

  set_up (&bed, "127.0.0.1", "/dns-query");
  fz_doh_ask (bed.doh, 1, bed.url, question, sizeof question);
  fz_doh_reset (bed.doh);
  fz_doh_ask (bed.doh, 2, bed.url, question, sizeof question);
  wait_for (&bed, 1);
  g_assert_cmpuint (bed.id, ==, 2);
  fz_doh_ask (bed.doh, 3, bed.url, question, sizeof question);
  fz_doh_ask (bed.doh, 4, "no url", question, sizeof question);
  fz_doh_ask (bed.doh, 5, bed.url, question, 3);
  tear_down (&bed);
  g_assert_cmpuint (bed.n_answers, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/doh/answer/by-address", "127.0.0.1", test_answer);
  g_test_add_data_func ("/doh/answer/by-name", "localhost", test_answer);
  g_test_add_data_func ("/doh/wrong/status", "/missing", test_wrong_answers);
  g_test_add_data_func ("/doh/wrong/type", "/text", test_wrong_answers);
  g_test_add_data_func ("/doh/wrong/short", "/short", test_wrong_answers);
  g_test_add_data_func ("/doh/wrong/long", "/long", test_wrong_answers);
  g_test_add_func ("/doh/unknown-host", test_unknown_host);
  g_test_add_func ("/doh/given-up", test_given_up);
  return g_test_run ();
}
