/* fz-cli-arguments.c: see the header */
#include "src/server/fz-cli-arguments.h"

#include "src/crypto/fz-crypto.h"
#include "src/server/fz-server-error.h"
#include "src/server/fz-server.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define OPTIONS_MAX 32u

/* -- of every command -- */

void
fz_cli_common_clear (FzCliCommon *self)
{
  g_clear_pointer (&self->database, g_free);
  g_clear_pointer (&self->account, g_free);
}

void
fz_cli_common_add (FzCliCommon *self, GOptionContext *context, bool with_account)
{
  GOptionEntry entries[] = {
    { "database", 0, 0, G_OPTION_ARG_FILENAME, &self->database, "the portal's database", "PATH" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &self->is_json, "print the result as JSON", NULL },
    G_OPTION_ENTRY_NULL,
    G_OPTION_ENTRY_NULL,
  };

  if (with_account)
    entries[2] = (GOptionEntry){ "account",
                                 0,
                                 0,
                                 G_OPTION_ARG_FILENAME,
                                 &self->account,
                                 "which account, where there are several",
                                 "NAME|ID" };
  g_option_context_add_main_entries (context, entries, NULL);
}

/* -- of one -- */

/* Where the parser puts the value of each option of a verb. */
typedef struct {
  const FzManageVerb *verb;
  union {
    char *text;
    char **texts;
    gboolean flag;
  } values[OPTIONS_MAX];
  char **words; /* positional */
} FzParsed;

static bool
is_list (const FzManageOption *option)
{
  return (option->flags & FZ_OPTION_MANY) != 0;
}

static void
parsed_clear (FzParsed *self)
{
  for (size_t i = 0; self->verb->options[i].name != NULL; i++) {
    const FzManageOption *option = &self->verb->options[i];

    if (option->placeholder == NULL || (option->flags & (FZ_OPTION_POSITIONAL | FZ_OPTION_PROMPT)))
      continue;
    if (is_list (option))
      g_strfreev (self->values[i].texts);
    else
      g_free (self->values[i].text);
  }
  g_strfreev (self->words);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzParsed, parsed_clear)

/* File name options are those that GLib passes on unchanged, whatever the locale. */
static GOptionArg
arg_of (const FzManageOption *option)
{
  if (option->placeholder == NULL)
    return G_OPTION_ARG_NONE;
  return is_list (option) ? G_OPTION_ARG_FILENAME_ARRAY : G_OPTION_ARG_FILENAME;
}

static GOptionContext *
make_context (const FzManageVerb *verb, FzParsed *parsed, FzCliCommon *common)
{
  GOptionEntry entries[OPTIONS_MAX + 2] = { 0 };
  const char *positional = NULL;
  size_t n = 0;
  GOptionContext *context;

  for (size_t i = 0; verb->options[i].name != NULL; i++) {
    const FzManageOption *option = &verb->options[i];

    g_assert (i < OPTIONS_MAX);
    if (option->flags & (FZ_OPTION_POSITIONAL | FZ_OPTION_OR_WORD))
      positional = option->placeholder;
    if (option->flags & (FZ_OPTION_POSITIONAL | FZ_OPTION_PROMPT))
      continue;
    entries[n++] =
        (GOptionEntry){ option->name,       0, 0, arg_of (option), &parsed->values[i], option->help,
                        option->placeholder };
  }
  entries[n++] = (GOptionEntry){ G_OPTION_REMAINING, 0,  0, G_OPTION_ARG_FILENAME_ARRAY,
                                 &parsed->words,     "", "" };

  context = g_option_context_new (positional);
  g_option_context_set_summary (context, verb->summary);
  g_option_context_add_main_entries (context, entries, NULL);
  fz_cli_common_add (common, context, verb->needs_account);
  return context;
}

static bool
set_text (JsonObject *args, const FzManageOption *option, const char *value, GError **error)
{
  if (option->flags & FZ_OPTION_FILE) {
    g_autofree char *content = fz_server_read_secret (value, error);

    if (content == NULL)
      return false;
    json_object_set_string_member (args, option->name, content);
    fz_wipe (content, strlen (content));
    return true;
  }
  if (!g_utf8_validate (value, -1, NULL)) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_INVALID,
                 "the value of --%s is not UTF-8",
                 option->name);
    return false;
  }
  json_object_set_string_member (args, option->name, value);
  return true;
}

static bool
set_texts (JsonObject *args, const FzManageOption *option, char **values, GError **error)
{
  JsonArray *array = json_array_new ();

  for (size_t i = 0; values[i] != NULL; i++) {
    if (!g_utf8_validate (values[i], -1, NULL)) {
      json_array_unref (array);
      g_set_error (error,
                   FZ_SERVER_ERROR,
                   FZ_SERVER_ERROR_INVALID,
                   "a value of --%s is not UTF-8",
                   option->name);
      return false;
    }
    json_array_add_string_element (array, values[i]);
  }
  json_object_set_array_member (args, option->name, array);
  return true;
}

/* -- secrets that are typed -- */

/* One line without its end; NULL at the end of input. */
static char *
read_line (FILE *in)
{
  char line[FZ_PASSWORD_MAX + 3]; /* with the line's end, and one byte to see that it is too long */
  char *text = NULL;

  if (fgets (line, sizeof line, in) != NULL) {
    line[strcspn (line, "\r\n")] = '\0';
    text = g_strdup (line);
  }
  fz_wipe (line, sizeof line);
  return text;
}

/* Without echo. Signals wait meanwhile: a Ctrl-C must not leave a terminal behind that stays
 * silent. */
static char *
ask (FILE *terminal, const char *question)
{
  struct termios normal, silent;
  sigset_t all, before;
  char *text;

  if (tcgetattr (fileno (terminal), &normal) != 0)
    return NULL;
  silent = normal;
  silent.c_lflag &= ~(tcflag_t) ECHO;
  sigfillset (&all);
  sigprocmask (SIG_BLOCK, &all, &before);
  fputs (question, terminal);
  fflush (terminal);
  tcsetattr (fileno (terminal), TCSAFLUSH, &silent);
  text = read_line (terminal);
  tcsetattr (fileno (terminal), TCSAFLUSH, &normal);
  sigprocmask (SIG_SETMASK, &before, NULL);
  fputc ('\n', terminal);
  return text;
}

static char *
ask_twice (GError **error)
{
  FILE *terminal = fopen ("/dev/tty", "r+");
  char *first = terminal != NULL ? ask (terminal, "Password: ") : NULL;
  char *second = first != NULL ? ask (terminal, "Again: ") : NULL;
  bool is_same = second != NULL && strcmp (first, second) == 0;

  if (terminal != NULL)
    fclose (terminal);
  if (second != NULL)
    fz_wipe (second, strlen (second));
  g_free (second);
  if (is_same)
    return first;
  if (first != NULL)
    fz_wipe (first, strlen (first));
  g_free (first);
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_INVALID,
               "the two passwords are not the same; nothing has changed");
  return NULL;
}

static bool
prompt (JsonObject *args, const FzManageOption *option, GError **error)
{
  g_autofree char *text = isatty (STDIN_FILENO) ? ask_twice (error) : read_line (stdin);
  bool ok;

  if (text == NULL) {
    if (error != NULL && *error == NULL)
      g_set_error (error,
                   FZ_SERVER_ERROR,
                   FZ_SERVER_ERROR_INVALID,
                   "there is no %s on standard input",
                   option->name);
    return false;
  }
  ok = set_text (args, option, text, error);
  fz_wipe (text, strlen (text));
  return ok;
}

/* One option that is not a secret. */
static bool
collect_option (const FzParsed *parsed, size_t i, JsonObject *args, GError **error)
{
  const FzManageOption *option = &parsed->verb->options[i];
  const char *word = parsed->words != NULL ? parsed->words[0] : NULL;
  const char *value;

  if (option->flags & FZ_OPTION_POSITIONAL)
    return word == NULL || set_text (args, option, word, error);
  if (option->placeholder == NULL) {
    if (parsed->values[i].flag)
      json_object_set_boolean_member (args, option->name, TRUE);
    return true;
  }
  if (is_list (option))
    return parsed->values[i].texts == NULL ||
           set_texts (args, option, parsed->values[i].texts, error);

  value = parsed->values[i].text;
  if ((option->flags & FZ_OPTION_OR_WORD) && word != NULL) {
    if (value != NULL) {
      g_set_error (error,
                   FZ_SERVER_ERROR,
                   FZ_SERVER_ERROR_INVALID,
                   "say --%s once: it is both \"%s\" and \"%s\"",
                   option->name,
                   value,
                   word);
      return false;
    }
    value = word;
  }
  return value == NULL || set_text (args, option, value, error);
}

/* What was given, as arguments of the request. */
static bool
collect (const FzParsed *parsed, JsonObject *args, GError **error)
{
  const FzManageOption *options = parsed->verb->options;

  for (size_t i = 0; options[i].name != NULL; i++)
    if (!(options[i].flags & FZ_OPTION_PROMPT) && !collect_option (parsed, i, args, error))
      return false;
  return true;
}

/* What is typed; last, so that nobody types in vain. */
static bool
prompt_all (const FzManageOption *options, JsonObject *args, GError **error)
{
  for (size_t i = 0; options[i].name != NULL; i++)
    if ((options[i].flags & FZ_OPTION_PROMPT) && !json_object_has_member (args, "generate") &&
        !prompt (args, &options[i], error))
      return false;
  return true;
}

/* NULL if everything needed is there, else what is missing. */
static char *
find_missing (const FzParsed *parsed, JsonObject *args)
{
  for (const FzManageOption *option = parsed->verb->options; option->name != NULL; option++) {
    if (!(option->flags & FZ_OPTION_REQUIRED) || json_object_has_member (args, option->name))
      continue;
    return (option->flags & FZ_OPTION_POSITIONAL)
               ? g_strdup (option->placeholder)
               : g_strdup_printf ("--%s %s", option->name, option->placeholder);
  }
  return NULL;
}

static bool
takes_word (const FzManageVerb *verb)
{
  for (const FzManageOption *option = verb->options; option->name != NULL; option++)
    if (option->flags & (FZ_OPTION_POSITIONAL | FZ_OPTION_OR_WORD))
      return true;
  return false;
}

/* Whether there are just as many words as the verb takes. */
static bool
check_words (const FzParsed *parsed, GError **error)
{
  size_t n_taken = takes_word (parsed->verb) ? 1 : 0;

  if (parsed->words == NULL || g_strv_length (parsed->words) <= n_taken)
    return true;
  g_set_error (error,
               G_OPTION_ERROR,
               G_OPTION_ERROR_FAILED,
               "\"%s\" is one word too many",
               parsed->words[n_taken]);
  return false;
}

JsonObject *
fz_cli_arguments_parse (
    const FzManageVerb *verb, int argc, char **argv, FzCliCommon *common, GError **error)
{
  g_auto (FzParsed) parsed = { .verb = verb };
  g_autoptr (GOptionContext) context = make_context (verb, &parsed, common);
  g_autoptr (JsonObject) args = json_object_new ();
  g_autofree char *missing = NULL;

  if (!g_option_context_parse (context, &argc, &argv, error) || !check_words (&parsed, error) ||
      !collect (&parsed, args, error))
    return NULL;
  missing = find_missing (&parsed, args);
  if (missing != NULL) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "%s is missing", missing);
    return NULL;
  }
  if (!prompt_all (verb->options, args, error))
    return NULL;
  if (common->account != NULL)
    json_object_set_string_member (args, "account", common->account);
  return g_steal_pointer (&args);
}
