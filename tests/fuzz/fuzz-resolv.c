/* fuzz-resolv.c: the line that an ordinary user sends to a root program, and the file that anybody
 * may have written: what is understood names sentinels only, and what we write is read as ours */
#include "platform/linux/fz-resolv-conf.h"
#include "platform/linux/fz-resolv-request.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void
check_request (const char *text)
{
  g_auto (FzResolvRequest) request = { 0 };
  g_auto (FzResolvRequest) again = { 0 };
  g_autofree char *line = NULL;

  if (!fz_resolv_request_parse (text, &request))
    return;
  for (size_t i = 0; i < request.n_servers; i++)
    g_assert_true (fz_dns_control_owns_address (&request.servers[i]));
  line = fz_resolv_request_write (&request);
  g_assert_true (fz_resolv_request_parse (line, &again));
  g_assert_cmpuint (again.n_servers, ==, request.n_servers);
  g_assert_cmpstr (again.search_domain, ==, request.search_domain);
}

static void
check_file (const char *text)
{
  static const uint8_t sentinel[] = { 100, 100, 111, 1 };
  const FzIp server = fz_ip_v4 (sentinel);
  g_autofree char *ours = fz_resolv_conf_compose (text, &server, 1, "corp.example");
  g_autoptr (GArray) named = fz_dns_upstreams_new ();

  (void) fz_resolv_conf_get_author (text);
  g_assert_cmpint (fz_resolv_conf_get_author (ours), ==, FZ_RESOLV_AUTHOR_OURS);
  fz_resolv_conf_read_upstreams (ours, named); /* no line of theirs became a server of ours */
  g_assert_cmpuint (named->len, ==, 1);
  g_array_set_size (named, 0);
  fz_resolv_conf_read_upstreams (text, named);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);

  check_request (text);
  check_file (text);
  return 0;
}
