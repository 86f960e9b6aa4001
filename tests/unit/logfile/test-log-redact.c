/* test-log-redact.c: what leaves a log line, what stays, and that JSON stays JSON */

#include "src/logfile/fz-log-line.h"
#include "src/logfile/fz-log-redact.h"

#include <string.h>

#define JWT    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV"
#define PHX    "SFMyNTY.g2gDbQAAACQwMTk4ZjUy.Vz3kQ9xXyZ01"
#define WG_KEY "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define HEX    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UUID   "0198f5a2-7c3e-7d11-9a44-5f0c2b7e9d10"

#define NONE  FZ_LOG_REDACT_SECRETS
#define IPS   FZ_LOG_REDACT_ADDRESSES
#define NAMES FZ_LOG_REDACT_NAMES

static const struct {
  FzLogRedactFlags flags;
  const char *line;
  const char *expected; /* NULL: stays */
} lines[] = {
  /* secrets by the name of the field */
  { NONE, "{\"token\":\"abc\",\"n\":1}", "{\"token\":\"<secret-1>\",\"n\":1}" },
  { NONE,
    "{\"relay_password\":\"a\\\"b\",\"Private-Key\":\"x\"}",
    "{\"relay_password\":\"<secret-1>\",\"Private-Key\":\"<secret-2>\"}" },
  { NONE,
    "{\"pin_secret\":1234,\"n_tokens\":3,\"has_token\":true,\"token\":null}",
    "{\"pin_secret\":\"<secret-1>\",\"n_tokens\":3,\"has_token\":true,\"token\":null}" },
  { NONE,
    "{\"credential\":{\"user\":\"u\",\"list\":[\"v\",{\"w\":\"x\"}]},\"after\":\"u\"}",
    "{\"credential\":{\"user\":\"<secret-1>\",\"list\":[\"<secret-2>\",{\"w\":\"<secret-3>\"}]},"
    "\"after\":\"u\"}" },
  { NONE,
    "{\"a\":[{\"token\":\"x\"},\"y\"],\"b\":\"z\"}",
    "{\"a\":[{\"token\":\"<secret-1>\"},\"y\"],\"b\":\"z\"}" },
  { NONE, "{\"token\":\"\"}", NULL },
  /* in texts */
  { NONE,
    "{\"message\":\"got {\\\"token\\\":\\\"abc\\\"} back\"}",
    "{\"message\":\"got {\\\"token\\\":\\\"<secret-1>\\\"} back\"}" },
  { NONE, "GET /x?token=abc&a=b HTTP", "GET /x?token=<secret-1>&a=b HTTP" },
  { NONE, "Authorization: Bearer abcdefgh123 and more", "Authorization: <secret-1> and more" },
  { NONE, "sent bearer abcdefgh123", "sent bearer <secret-1>" },
  { NONE, "wss://user:pw@host/x", "wss://<secret-1>@host/x" },
  { NONE,
    "x://cb?account_name=a&fragment=f1&state=s1",
    "x://cb?account_name=a&fragment=<secret-1>&state=<secret-2>" },
  { NONE, "password = 'a b' rest", "password = '<secret-1>' rest" },
  { NONE, "psk=\"unterminated", "psk=\"<secret-1>" },
  /* by shape */
  { NONE, "{\"x\":\"" JWT "\"}", "{\"x\":\"<token-1>\"}" },
  { NONE, "tok " PHX ", again " PHX, "tok <token-1>, again <token-1>" },
  { NONE, "peer " WG_KEY " up", "peer <key-1> up" },
  { NONE, "peer " HEX ".", "peer <key-1>." },
  { NONE, "id " UUID " stays", NULL },
  { NONE, "/usr/lib/x86_64-linux-gnu/gio/modules/libGioSomethingLong1.so", NULL },
  { NONE, "firezone_headless_client_with_a_very_long_module::name", NULL },
  { NONE, "2026-03-01T09:12:44.031Z  INFO a::b: up rtt_ms=3", NULL },
  /* e-mail */
  { NONE,
    "{\"m\":\"mail to Alice.B+x@corp.example, alice.b+x@Corp.example\"}",
    "{\"m\":\"mail to <email-1>, <email-1>\"}" },
  { NONE, "{\"m\":\"alice\\u0040corp.example\"}", "{\"m\":\"<email-1>\"}" },
  { NONE, "user@host stays, @x.y stays", NULL },
  /* addresses */
  { NONE, "10.0.0.1 stays if nobody asks", NULL },
  { IPS,
    "{\"from\":\"10.0.0.1:443\",\"to\":[\"[2001:db8::1]:53\",\"10.0.0.1\"]}",
    "{\"from\":\"<ip-1>:443\",\"to\":[\"[<ip-2>]:53\",\"<ip-1>\"]}" },
  { IPS, "net 100.64.0.0/10 via fe80::1%eth0. end", "net <ip-1>/10 via <ip-2>%eth0. end" },
  { IPS, "127.0.0.53 ::1 0.0.0.0 09:12:44 1.2.3 std::dead::x", NULL },
  { IPS, "addr:192.0.2.7;", "addr:<ip-1>;" },
  /* names */
  { NONE, "db.corp.example stays if nobody asks", NULL },
  { NAMES,
    "{\"resource_name\":\"My DB\",\"event\":\"my.event\",\"m\":\"ask *.Corp.example\"}",
    "{\"resource_name\":\"<name-1>\",\"event\":\"my.event\",\"m\":\"ask <name-2>\"}" },
  { NAMES,
    "api.firezone.dev and firezone.dev stay, api.corp.example not",
    "api.firezone.dev and firezone.dev stay, <name-1> not" },
  { NAMES,
    "{\"address\":\"10.0.0.0/8\",\"host\":\"printer\"}",
    "{\"address\":\"10.0.0.0/8\",\"host\":\"<name-1>\"}" },
  { NAMES, "opened hostname=printer x=1.5", "opened hostname=<name-1> x=1.5" },
  /* torn and foreign */
  { NONE, "{\"m\":\"x\",\"token\":\"abcd", "{\"m\":\"x\",\"token\":\"<secret-1>" },
  { NONE, "{\"token\":\"abc\"} token=def", "{\"token\":\"<secret-1>\"} token=<secret-2>" },
  { NONE, "", NULL },
  { NONE, "{", NULL },
  { NONE, "nothing at all", NULL },
  { NONE, "{\"m\":\"bytes \xff stay\"}", NULL },
};

static void
test_lines (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (lines); i++) {
    g_autoptr (FzLogRedact) redact = fz_log_redact_new (lines[i].flags);
    g_autoptr (GString) out = g_string_new (NULL);
    FzLogLine before, after;

    g_test_message ("line %zu", i);
    fz_log_redact_line (redact, fz_span (lines[i].line, strlen (lines[i].line)), out);
    g_assert_cmpstr (out->str, ==, lines[i].expected != NULL ? lines[i].expected : lines[i].line);
    fz_log_line_scan (fz_span (lines[i].line, strlen (lines[i].line)), &before);
    fz_log_line_scan (fz_span (out->str, out->len), &after);
    g_assert_cmpint (after.kind, ==, before.kind);
  }
}

/* A marker of every kind, at every place a log could have it: never in what comes out. */
static void
test_markers (void)
{
  static const char *const markers[] = { JWT,
                                         PHX,
                                         WG_KEY,
                                         HEX,
                                         "alice@corp.example",
                                         "203.0.113.77",
                                         "2001:db8::dead:beef",
                                         "vault.corp.example",
                                         "Wonderland" };
  static const char *const places[] = {
    "{\"message\":\"before %s after\"}",
    "{\"message\":\"%s\"}",
    "{\"a\":{\"b\":[1,\"%s\"]}}",
    "{\"message\":\"(%s)\"}",
    "{\"message\":\"x=%s,y=1\"}",
    "{\"message\":\"url://%s/x\"}",
    "{\"message\":\"a\\n%s\\tb\"}",
    "plain %s text",
    "%s",
    "[%s]",
    "{\"message\":\"torn %s",
    "<%s>",
    "{\"message\":\"\\\"%s\\\"\"}",
    "{\"message\":\"%s\"} tail %s",
    "'%s'",
  };

  for (size_t m = 0; m < G_N_ELEMENTS (markers); m++)
    for (size_t p = 0; p < G_N_ELEMENTS (places); p++) {
      g_autoptr (FzLogRedact) redact = fz_log_redact_new (IPS | NAMES);
      g_autoptr (GString) line = g_string_new (places[p]), out = g_string_new (NULL);

      g_assert_true (fz_log_redact_add_name (redact, "wonderland"));
      g_string_replace (line, "%s", markers[m], 0);
      fz_log_redact_line (redact, fz_span (line->str, line->len), out);
      g_test_message ("%s -> %s", line->str, out->str);
      g_assert_null (strstr (out->str, markers[m]));
    }
}

static void
test_consistent (void)
{
  g_autoptr (FzLogRedact) redact = fz_log_redact_new (IPS);
  g_autofree char *text = fz_log_redact_text (redact,
                                              "10.0.0.1 and 10.0.0.2\n"
                                              "10.0.0.2 again\n\n"
                                              "{\"a\":\"10.0.0.1\"}\n"
                                              "FE80::1 fe80::1");
  g_autofree char *report = NULL;

  g_assert_cmpstr (
      text, ==, "<ip-1> and <ip-2>\n<ip-2> again\n\n{\"a\":\"<ip-1>\"}\n<ip-3> <ip-3>");
  report = fz_log_redact_describe (redact);
  g_assert_nonnull (strstr (report, "<ip-N>  IP addresses (loopback stays): 3 different"));
  g_assert_nonnull (strstr (report, "NOT removed: names"));
}

static void
test_added_names (void)
{
  g_autoptr (FzLogRedact) redact = fz_log_redact_new (NONE);
  g_autofree char *text = NULL;

  g_assert_true (fz_log_redact_add_name (redact, "Alice Example"));
  g_assert_true (fz_log_redact_add_name (redact, "alice"));
  g_assert_true (fz_log_redact_add_name (redact, "ab")); /* too short to be looked for */
  text = fz_log_redact_text (redact, "ALICE example, /home/alice/x, malice, alice2, ab");
  g_assert_cmpstr (text, ==, "<name-1>, /home/<name-2>/x, malice, alice2, ab");
  for (unsigned i = 2; i < FZ_LOG_REDACT_NAMES_MAX; i++)
    g_assert_true (fz_log_redact_add_name (redact, "name"));
  g_assert_false (fz_log_redact_add_name (redact, "one too many"));
}

/* What somebody else has said may name anybody. */
static void
test_quotations (void)
{
  g_autoptr (FzLogRedact) redact = fz_log_redact_new (NAMES);
  g_autofree char *text =
      fz_log_redact_text (redact,
                          "said: \u201cask Bob\u201d, then \u201cask Bob\u201d and \u201c\u201d\n"
                          "{\"error\":\"no: \u201cask Ann\u201d; why\"}\n"
                          "no token: \u201cask Cy, who knows\u201d.\n"
                          "cut short: \u201cask B");

  g_assert_cmpstr (text,
                   ==,
                   "said: \u201c<name-1>\u201d, then \u201c<name-1>\u201d and \u201c\u201d\n"
                   "{\"error\":\"no: \u201c<name-2>\u201d; why\"}\n"
                   "no token: \u201c<secret-1>\u201d.\n"
                   "cut short: \u201c<name-3>");
}

/* However they were added, the longest that fits goes: what is left of a name is a part of it. */
static void
test_names_in_names (void)
{
  g_autoptr (FzLogRedact) redact = fz_log_redact_new (NONE);
  g_autofree char *text = NULL;

  g_assert_true (fz_log_redact_add_name (redact, "office"));
  g_assert_true (fz_log_redact_add_name (redact, "office Berlin"));
  g_assert_true (fz_log_redact_add_name (redact, "Office Berlin Mitte"));
  text = fz_log_redact_text (redact, "office berlin is not OFFICE, nor office berlin mitte");
  g_assert_cmpstr (text, ==, "<name-1> is not <name-2>, nor <name-3>");
}

/* The table of places is bounded; what comes later is still removed. */
static void
test_many_places (void)
{
  g_autoptr (FzLogRedact) redact = fz_log_redact_new (IPS);
  g_autoptr (GString) out = g_string_new (NULL);

  for (unsigned i = 0; i < FZ_LOG_REDACT_PLACES_MAX + 2; i++) {
    g_autofree char *line = g_strdup_printf ("10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);

    g_string_truncate (out, 0);
    fz_log_redact_line (redact, fz_span (line, strlen (line)), out);
  }
  g_assert_cmpstr (out->str, ==, "<ip-more>");
}

static void
test_deep (void)
{
  g_autoptr (FzLogRedact) redact = fz_log_redact_new (NONE);
  g_autoptr (GString) line = g_string_new ("{\"token\":"), out = g_string_new (NULL);

  for (unsigned i = 0; i < 200; i++)
    g_string_append (line, "{\"a\":[");
  g_string_append (line, "\"hidden\"");
  for (unsigned i = 0; i < 200; i++)
    g_string_append (line, "]}");
  g_string_append (line, "}");
  fz_log_redact_line (redact, fz_span (line->str, line->len), out);
  g_assert_null (strstr (out->str, "hidden"));
  g_assert_nonnull (strstr (out->str, "<secret-1>"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log-redact/lines", test_lines);
  g_test_add_func ("/log-redact/markers", test_markers);
  g_test_add_func ("/log-redact/consistent", test_consistent);
  g_test_add_func ("/log-redact/added-names", test_added_names);
  g_test_add_func ("/log-redact/names-in-names", test_names_in_names);
  g_test_add_func ("/log-redact/quotations", test_quotations);
  g_test_add_func ("/log-redact/many-places", test_many_places);
  g_test_add_func ("/log-redact/deep", test_deep);
  return g_test_run ();
}
