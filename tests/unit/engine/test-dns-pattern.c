/* test-dns-pattern.c: fz-dns-pattern.h (tunnel.md §4.2) */

#include "src/engine/fz-dns-pattern.h"

#include <string.h>

static void
test_matches (void)
{
  static const struct {
    const char *pattern;
    const char *name;
    bool matches;
  } rows[] = {
    { "example.com", "example.com", true },
    { "Example.COM.", "example.com", true },
    { "example.com", "foo.example.com", false },
    { "example.com", "badexample.com", false },
    { "**.example.com", "example.com", true },
    { "**.example.com", "foo.example.com", true },
    { "**.example.com", "a.b.example.com", true },
    { "**.example.com", "badexample.com", false },
    { "*.example.com", "example.com", true },
    { "*.example.com", "foo.example.com", true },
    { "*.example.com", "a.b.example.com", false },
    { "*.example.com", "badexample.com", false },
    { "app.**.example.com", "app.example.com", true },
    { "app.**.example.com", "app.foo.example.com", true },
    { "app.**.example.com", "app.a.b.example.com", true },
    { "app.**.example.com", "web.a.b.example.com", false },
    { "app.*.example.com", "app.foo.example.com", true },
    { "app.*.example.com", "app.foo.bar.example.com", false },
    { "app.*.example.com", "app.example.com", false },
    { "app.*.*.example.com", "app.a.b.example.com", true },
    { "app.*.*.example.com", "app.a.example.com", false },
    { "app.f??.example.com", "app.foo.example.com", true },
    { "app.f??.example.com", "app.fo.example.com", false },
    { "app.f??.example.com", "app.fooo.example.com", false },
    { "*?*.example.com", "a.example.com", true },
    { "*?*.example.com", "abc.example.com", true },
    { "*?*.example.com", "example.com", false },
    { "app.**.web.**.example.com", "app.web.example.com", true },
    { "app.**.web.**.example.com", "app.a.web.b.c.example.com", true },
    { "app.**.web.**.example.com", "app.example.com", false },
    { "app.*com", "app.foo.com", false },
    { "app.*com", "app.com", true },
    { "app.*com", "app.xcom", true },
    { "app?com", "app.com", false },
    { "foo.**", "foo", true },
    { "foo.**", "foo.a.b", true },
    { "**", "anything.at.all", true },
    { "*", "label", true },
    { "*", "two.labels", false },
    { "[ab]x.example", "ax.example", true },
    { "[a-c]x.example", "bx.example", true },
    { "[A-C]x.example", "cx.example", true },
    { "[!a]x.example", "ax.example", false },
    { "[!a]x.example", "bx.example", true },
    { "[]]x.example", "]x.example", true },
    { "x[a-]y", "x-y", true },
    { "*a*b*c*.example", "xxaxxbxxcxx.example", true },
    { "*a*b*c*.example", "xxaxxcxxbxx.example", false },
    { "**.example.com", "", false },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (FzDnsPattern) pattern = fz_dns_pattern_new (rows[i].pattern);

    g_test_message ("%s %s", rows[i].pattern, rows[i].name);
    g_assert_nonnull (pattern);
    g_assert_cmpint (fz_dns_pattern_matches (pattern, rows[i].name), ==, rows[i].matches);
  }
}

static void
test_invalid (void)
{
  static const char *const rows[] = {
    "***.example.com", "a**.example.com", "**a.example.com", "a[b.example.com", "[", "[!", "[]", ""
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_null (fz_dns_pattern_new (rows[i]));
}

static void
test_order (void)
{
  static const char *const rows[] = { "example.com",     "bar.example.com", "*.bar.example.com",
                                      "foo.example.com", "?.example.com",   "*.example.com",
                                      "**.example.com",  "*ample.com",      "*.com" };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    for (size_t j = 0; j < G_N_ELEMENTS (rows); j++) {
      g_autoptr (FzDnsPattern) a = fz_dns_pattern_new (rows[i]);
      g_autoptr (FzDnsPattern) b = fz_dns_pattern_new (rows[j]);
      int order = fz_dns_pattern_compare (a, b);

      g_test_message ("%s %s", rows[i], rows[j]);
      g_assert_cmpint ((order > 0) - (order < 0), ==, (i < j) - (i > j));
    }
}

/* What makes a backtracking matcher take for ever. */
static void
test_worst (void)
{
  g_autoptr (GString) pattern = g_string_new (NULL);
  g_autoptr (GString) name = g_string_new (NULL);
  g_autoptr (FzDnsPattern) parsed = NULL;
  gint64 start = g_get_monotonic_time ();

  for (unsigned i = 0; i < 100; i++)
    g_string_append (pattern, "**.*a*a*a.");
  g_string_append (pattern, "b");
  for (unsigned i = 0; i < 63; i++)
    g_string_append (name, "aa.");
  g_string_append (name, "c");
  parsed = fz_dns_pattern_new (pattern->str);
  g_assert_nonnull (parsed);
  g_assert_false (fz_dns_pattern_matches (parsed, name->str));
  g_string_truncate (name, name->len - 1);
  g_string_append (name, "b");
  g_assert_false (fz_dns_pattern_matches (parsed, name->str));
  g_assert_cmpint (g_get_monotonic_time () - start, <, 25 * G_TIME_SPAN_SECOND);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dns-pattern/matches", test_matches);
  g_test_add_func ("/dns-pattern/invalid", test_invalid);
  g_test_add_func ("/dns-pattern/order", test_order);
  g_test_add_func ("/dns-pattern/worst", test_worst);
  return g_test_run ();
}
