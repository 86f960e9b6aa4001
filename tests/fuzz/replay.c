/* replay.c
 *
 * Runs a target over files, without libFuzzer: so the corpora are unit tests of
 * every build. Each argument is a file, or a folder whose files are taken in
 * the order of their names. Every file is also tried cut at each length (in
 * about 64 steps where it is long), because truncation is what parsers get wrong.
 */
#include "tests/fuzz/fuzz.h"

#include <glib.h>
#include <stdlib.h>

#define STEPS 64u

static guint n_files, n_runs;

/* In memory that ends where the input ends, so that sanitizers see a read past it. */
static void
run_exactly (const uint8_t *data, size_t size)
{
  g_autofree uint8_t *copy = g_malloc (MAX (size, 1));

  memcpy (copy, data, size);
  LLVMFuzzerTestOneInput (copy, size);
  n_runs++;
}

static void
run_file (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *contents = NULL;
  gsize size, step;

  if (!g_file_get_contents (path, &contents, &size, &error)) {
    g_printerr ("%s\n", error->message);
    exit (1);
  }
  step = MAX (size / STEPS, 1);
  for (gsize length = 0; length < size; length += step)
    run_exactly ((const uint8_t *) contents, length);
  run_exactly ((const uint8_t *) contents, size);
  n_files++;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(const char *const *) a, *(const char *const *) b);
}

static void
run_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    g_ptr_array_add (names, g_build_filename (path, name, NULL));
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    run_file (names->pdata[i]);
}

int
main (int argc, char **argv)
{
  for (int i = 1; i < argc; i++)
    if (g_file_test (argv[i], G_FILE_TEST_IS_DIR))
      run_folder (argv[i]);
    else
      run_file (argv[i]);
  if (n_files == 0) {
    g_printerr ("no inputs: give files or folders\n");
    return 1;
  }
  g_print ("%u files, %u inputs\n", n_files, n_runs);
  return 0;
}
