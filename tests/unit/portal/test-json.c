#include "src/portal/fz-json.h"
#include "src/portal/fz-portal-error.h"

#include <string.h>

#define ACCEPTED (-1)

static void
test_texts (void)
{
  static const struct {
    const char *text;
    int code; /* FzPortalError, or ACCEPTED */
    const char *why;
  } rows[] = {
    { "{}", ACCEPTED, "the least" },
    { " {\"a\":[1,2.5,true,null,\"x\\\"]}\"]} \n", ACCEPTED, "brackets inside a string" },
    { "null", ACCEPTED, "a bare value" },
    { "", FZ_PORTAL_ERROR_TRUNCATED, "nothing" },
    { "  \n", FZ_PORTAL_ERROR_TRUNCATED, "white space alone" },
    { "{", FZ_PORTAL_ERROR_TRUNCATED, "open object" },
    { "{\"a", FZ_PORTAL_ERROR_TRUNCATED, "open string" },
    { "{\"a\\", FZ_PORTAL_ERROR_TRUNCATED, "open escape" },
    { "[1,", FZ_PORTAL_ERROR_TRUNCATED, "open array" },
    { "}", FZ_PORTAL_ERROR_MALFORMED, "closed, never opened" },
    { "{]", FZ_PORTAL_ERROR_MALFORMED, "wrong bracket" },
    { "{\"a\" 1}", FZ_PORTAL_ERROR_MALFORMED, "no colon" },
    { "{\"a\":}", FZ_PORTAL_ERROR_MALFORMED, "no value" },
    { "{\"a\":1}garbage", FZ_PORTAL_ERROR_MALFORMED, "more after the end" },
    { "/* */{}", FZ_PORTAL_ERROR_MALFORMED, "a comment" },
    { "hello", FZ_PORTAL_ERROR_MALFORMED, "a word" },
    { "{\"a\":\"\xff\"}", FZ_PORTAL_ERROR_MALFORMED, "no UTF-8" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (JsonNode) node = fz_json_parse (rows[i].text, strlen (rows[i].text), &error);

    if ((rows[i].code == ACCEPTED) != (node != NULL))
      g_error ("%s: %s", rows[i].why, node != NULL ? "accepted" : error->message);
    if (rows[i].code != ACCEPTED)
      g_assert_error (error, FZ_PORTAL_ERROR, rows[i].code);
  }
}

static void
test_zero_byte (void)
{
  static const char text[] = "{\"a\":\0001}";
  g_autoptr (GError) error = NULL;

  g_assert_null (fz_json_parse (text, sizeof text - 1, &error));
  g_assert_error (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_MALFORMED);
}

static void
test_depth (void)
{
  static const struct {
    size_t depth;
    bool is_accepted;
  } rows[] = {
    { 1, true },
    { FZ_JSON_DEPTH_MAX, true },
    { FZ_JSON_DEPTH_MAX + 1, false },
    { 5000000, false },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    size_t length = 2 * rows[i].depth;
    g_autofree char *text = g_malloc (length);
    g_autoptr (GError) error = NULL;
    g_autoptr (JsonNode) node = NULL;

    memset (text, '[', rows[i].depth);
    memset (text + rows[i].depth, ']', rows[i].depth);
    node = fz_json_parse (text, length, &error);
    g_assert_cmpint (node != NULL, ==, rows[i].is_accepted);
    if (node == NULL)
      g_assert_error (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_MALFORMED);
  }
}

static void
test_number_of_values (void)
{
  static const size_t lengths[] = { FZ_JSON_VALUES_MAX - 1, FZ_JSON_VALUES_MAX };

  for (size_t i = 0; i < G_N_ELEMENTS (lengths); i++) {
    GString *text = g_string_new ("[1");
    g_autoptr (JsonNode) node = NULL;

    for (size_t n = 0; n < lengths[i]; n++)
      g_string_append (text, ",1");
    g_string_append_c (text, ']');
    node = fz_json_parse (text->str, text->len, NULL);
    g_assert_cmpint (node != NULL, ==, i == 0);
    g_string_free (text, TRUE);
  }
}

static void
test_length (void)
{
  static const size_t lengths[] = { FZ_JSON_BYTES_MAX, FZ_JSON_BYTES_MAX + 1 };

  for (size_t i = 0; i < G_N_ELEMENTS (lengths); i++) {
    g_autofree char *text = g_malloc (lengths[i]);
    g_autoptr (JsonNode) node = NULL;

    memset (text, 'x', lengths[i]);
    text[0] = text[lengths[i] - 1] = '"';
    node = fz_json_parse (text, lengths[i], NULL);
    g_assert_cmpint (node != NULL, ==, i == 0);
  }
}

static void
test_strings (void)
{
  static const char *const texts[] = {
    "", "plain", "quote \" backslash \\", "line\nreturn\rtab\t", "\x01\x1f\x7f", "ümlaut 日本",
  };

  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++) {
    GString *out = g_string_new (NULL);
    g_autoptr (JsonNode) node = NULL;

    fz_json_append_string (out, texts[i]);
    node = fz_json_parse (out->str, out->len, NULL);
    g_assert_nonnull (node);
    g_assert_cmpstr (fz_json_node_string (node), ==, texts[i]);
    g_string_free (out, TRUE);
  }
}

static void
test_reader_is_sticky (void)
{
  static const char text[] = "{\"a\":1,\"b\":\"x\"}";
  g_autoptr (JsonNode) root = fz_json_parse (text, strlen (text), NULL);
  g_autoptr (GError) error = NULL;
  FzJsonReader r = FZ_JSON_READER_INIT;
  JsonObject *o = fz_json_object (&r, root, "thing");
  JsonObject *inner;

  g_assert_cmpuint (fz_json_get_u64 (&r, o, "thing", "a"), ==, 1);
  g_assert_cmpstr (fz_json_get_string (&r, o, "thing", "b"), ==, "x");
  g_assert_true (fz_json_reader_finish (&r, NULL));

  inner = fz_json_get_object (&r, o, "thing", "missing");
  g_assert_null (inner);
  g_assert_null (fz_json_get_string (&r, inner, "inner", "c"));
  fz_json_get_u64 (&r, o, "thing", "b");
  g_assert_false (fz_json_reader_finish (&r, &error));
  g_assert_cmpstr (error->message, ==, "thing: missing: expected an object");
}

static void
test_numbers (void)
{
  static const struct {
    const char *json;
    bool is_accepted;
    uint64_t value;
  } rows[] = {
    { "{\"n\":0}", true, 0 },      { "{\"n\":9223372036854775807}", true, INT64_MAX },
    { "{\"n\":-1}", false, 0 },    { "{\"n\":1.0}", false, 0 },
    { "{\"n\":\"1\"}", false, 0 }, { "{\"n\":true}", false, 0 },
    { "{\"n\":null}", false, 0 },  { "{}", false, 0 },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (JsonNode) root = fz_json_parse (rows[i].json, strlen (rows[i].json), NULL);
    FzJsonReader r = FZ_JSON_READER_INIT;
    uint64_t value = fz_json_get_u64 (&r, fz_json_object (&r, root, "x"), "x", "n");

    g_assert_cmpint (r.ok, ==, rows[i].is_accepted);
    g_assert_cmpuint (value, ==, rows[i].value);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json/texts", test_texts);
  g_test_add_func ("/json/zero-byte", test_zero_byte);
  g_test_add_func ("/json/bounds/depth", test_depth);
  g_test_add_func ("/json/bounds/values", test_number_of_values);
  g_test_add_func ("/json/bounds/length", test_length);
  g_test_add_func ("/json/strings", test_strings);
  g_test_add_func ("/json/reader/sticky", test_reader_is_sticky);
  g_test_add_func ("/json/reader/numbers", test_numbers);
  return g_test_run ();
}
