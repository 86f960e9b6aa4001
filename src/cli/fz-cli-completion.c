/* fz-cli-completion.c: firezone completion bash|zsh|fish
 *
 * The scripts are made of the table of verbs, so they know what this program knows. Names of
 * resources are asked of the service at each Tab ("firezone complete-resources"); where there is no
 * service there are none, silently.
 */
#include "src/cli/fz-cli-settings.h"
#include "src/cli/fz-cli-verbs.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

/* -- bash -- */

static void
print_bash_values (const FzCliOption *option)
{
  printf ("    --%s", option->name);
  if (option->letter != 0)
    printf (" | -%c", option->letter);
  fputs (") ", stdout);
  if (option->word == FZ_CLI_WORD_CHOICE)
    printf ("COMPREPLY=($(compgen -W '%s' -- \"$cur\"));", option->choices);
  puts (" return ;;");
}

static void
print_bash_words (const FzCliVerb *verb)
{
  switch (verb->word) {
  case FZ_CLI_WORD_CHOICE:
    printf ("      COMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n", verb->choices);
    break;
  case FZ_CLI_WORD_FILE:
    puts ("      COMPREPLY=($(compgen -f -- \"$cur\"))");
    break;
  case FZ_CLI_WORD_RESOURCE:
    puts ("      _firezone_resources");
    break;
  case FZ_CLI_WORD_NONE:
  case FZ_CLI_WORD_TEXT:
    puts ("      :");
    break;
  }
}

static void
print_bash_verb (const FzCliVerb *verb)
{
  printf ("  %s)\n    case $prev in\n", verb->name);
  for (const FzCliOption *o = verb->options; o != NULL && o->name != NULL; o++)
    if (o->word != FZ_CLI_WORD_NONE)
      print_bash_values (o);
  fputs ("    esac\n    if [[ $cur == -* ]]; then\n      COMPREPLY=($(compgen -W '--help", stdout);
  for (const FzCliOption *o = verb->options; o != NULL && o->name != NULL; o++)
    printf (" --%s", o->name);
  puts ("' -- \"$cur\"))\n    else");
  if (verb->run == fz_cli_config) {
    fputs ("      if [[ $COMP_CWORD -gt 2 ]]; then\n        COMPREPLY=($(compgen -W '", stdout);
    for (const char *const *name = fz_cli_settings_get_names (); *name != NULL; name++)
      printf ("%s ", *name);
    puts ("' -- \"$cur\"))\n        return\n      fi");
  }
  print_bash_words (verb);
  puts ("    fi ;;");
}

static void
print_bash (void)
{
  puts ("# bash completion of firezone; made by \"firezone completion bash\"\n"
        "_firezone_resources()\n"
        "{\n"
        "  local name\n"
        "  while IFS= read -r name; do\n"
        "    [[ ${name,,} == \"${cur,,}\"* ]] && COMPREPLY+=(\"$(printf '%q' \"$name\")\")\n"
        "  done < <(firezone complete-resources 2>/dev/null)\n"
        "}\n\n"
        "_firezone()\n"
        "{\n"
        "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
        "  COMPREPLY=()\n"
        "  cur=${cur#[\\\"\\']}\n"
        "  if [[ $COMP_CWORD -eq 1 ]]; then");
  fputs ("    COMPREPLY=($(compgen -W '--help --version", stdout);
  for (const FzCliVerb *verb = fz_cli_verbs_get (); verb->name != NULL; verb++)
    if (verb->summary != NULL)
      printf (" %s", verb->name);
  puts ("' -- \"$cur\"))\n    return\n  fi\n  case ${COMP_WORDS[1]} in");
  for (const FzCliVerb *verb = fz_cli_verbs_get (); verb->name != NULL; verb++)
    if (verb->summary != NULL)
      print_bash_verb (verb);
  puts ("  esac\n}\n\ncomplete -F _firezone firezone");
}

/* -- zsh -- */

/* In single quotes; what zsh's _arguments would read as its own is escaped. */
static char *
quote_zsh (const char *text)
{
  GString *out = g_string_new ("");

  for (; *text != '\0'; text++) {
    if (*text == '\'')
      g_string_append (out, "'\\''");
    else if (strchr ("[]:\\", *text) != NULL)
      g_string_append_printf (out, "\\%c", *text);
    else
      g_string_append_c (out, *text);
  }
  return g_string_free (out, FALSE);
}

static char *
get_zsh_action (FzCliWord word, const char *choices)
{
  switch (word) {
  case FZ_CLI_WORD_CHOICE:
    return g_strdup_printf ("(%s)", choices);
  case FZ_CLI_WORD_FILE:
    return g_strdup ("_files");
  case FZ_CLI_WORD_RESOURCE:
    return g_strdup ("_firezone_resources");
  case FZ_CLI_WORD_NONE:
  case FZ_CLI_WORD_TEXT:
    break;
  }
  return g_strdup ("");
}

static void
print_zsh_option (const FzCliOption *option)
{
  g_autofree char *summary = quote_zsh (option->summary);
  g_autofree char *action = get_zsh_action (option->word, option->choices);
  const char *equals = option->word != FZ_CLI_WORD_NONE ? "=" : "";
  g_autofree char *value = option->word != FZ_CLI_WORD_NONE
                               ? g_strdup_printf (":%s:%s", option->word_name, action)
                               : g_strdup ("");

  printf (" \\\n        '--%s%s[%s]%s'", option->name, equals, summary, value);
  if (option->letter != 0)
    printf (" \\\n        '-%c[%s]%s'", option->letter, summary, value);
}

static void
print_zsh_verb (const FzCliVerb *verb)
{
  g_autofree char *action = get_zsh_action (verb->word, verb->choices);

  printf ("    %s)\n      _arguments -S '--help[Show help]'", verb->name);
  for (const FzCliOption *o = verb->options; o != NULL && o->name != NULL; o++)
    print_zsh_option (o);
  if (verb->run == fz_cli_config) {
    fputs (" \\\n        '1:COMMAND:(get set check)' '2:NAME:(", stdout);
    for (const char *const *name = fz_cli_settings_get_names (); *name != NULL; name++)
      printf ("%s ", *name);
    fputs (")'", stdout);
  } else if (verb->word != FZ_CLI_WORD_NONE) {
    printf (" \\\n        '%s:%s:%s'", verb->n_words_max > 1 ? "*" : "1", verb->word_name, action);
  }
  puts (" ;;");
}

static void
print_zsh (void)
{
  puts ("#compdef firezone\n"
        "# zsh completion of firezone; made by \"firezone completion zsh\"\n"
        "_firezone_resources()\n"
        "{\n"
        "  local -a names\n"
        "  names=(${(f)\"$(firezone complete-resources 2>/dev/null)\"})\n"
        "  compadd -a names\n"
        "}\n\n"
        "_firezone()\n"
        "{\n"
        "  local -a verbs\n"
        "  verbs=(");
  for (const FzCliVerb *verb = fz_cli_verbs_get (); verb->name != NULL; verb++) {
    g_autofree char *summary = verb->summary != NULL ? quote_zsh (verb->summary) : NULL;

    if (summary != NULL)
      printf ("    '%s:%s'\n", verb->name, summary);
  }
  puts ("  )\n"
        "  if (( CURRENT == 2 )); then\n"
        "    _describe command verbs\n"
        "    return\n"
        "  fi\n"
        "  local verb=$words[2]\n"
        "  shift words\n"
        "  (( CURRENT-- ))\n"
        "  case $verb in");
  for (const FzCliVerb *verb = fz_cli_verbs_get (); verb->name != NULL; verb++)
    if (verb->summary != NULL)
      print_zsh_verb (verb);
  puts ("  esac\n}\n\n_firezone \"$@\"");
}

/* -- fish -- */

static char *
quote_fish (const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, "'", -1);

  return g_strjoinv ("\\'", parts);
}

static void
print_fish_option (const FzCliVerb *verb, const FzCliOption *option)
{
  g_autofree char *summary = quote_fish (option->summary);

  printf (
      "complete -c firezone -n '__fish_seen_subcommand_from %s' -l %s", verb->name, option->name);
  if (option->letter != 0)
    printf (" -s %c", option->letter);
  if (option->word != FZ_CLI_WORD_NONE)
    fputs (" -x", stdout);
  if (option->word == FZ_CLI_WORD_CHOICE)
    printf (" -a '%s'", option->choices);
  printf (" -d '%s'\n", summary);
}

static void
print_fish_words (const FzCliVerb *verb)
{
  printf ("complete -c firezone -n '__fish_seen_subcommand_from %s' ", verb->name);
  switch (verb->word) {
  case FZ_CLI_WORD_CHOICE:
    printf ("-a '%s'\n", verb->choices);
    break;
  case FZ_CLI_WORD_FILE:
    puts ("-F");
    break;
  case FZ_CLI_WORD_RESOURCE:
    puts ("-a '(firezone complete-resources 2>/dev/null)'");
    break;
  case FZ_CLI_WORD_NONE:
  case FZ_CLI_WORD_TEXT:
    puts ("-f");
    break;
  }
}

static void
print_fish (void)
{
  puts ("# fish completion of firezone; made by \"firezone completion fish\"\n"
        "complete -c firezone -f");
  for (const FzCliVerb *verb = fz_cli_verbs_get (); verb->name != NULL; verb++) {
    g_autofree char *summary = verb->summary != NULL ? quote_fish (verb->summary) : NULL;

    if (summary == NULL)
      continue;
    printf ("complete -c firezone -n __fish_use_subcommand -a %s -d '%s'\n", verb->name, summary);
    for (const FzCliOption *o = verb->options; o != NULL && o->name != NULL; o++)
      print_fish_option (verb, o);
    print_fish_words (verb);
  }
  fputs ("complete -c firezone -n '__fish_seen_subcommand_from config; and "
         "__fish_seen_subcommand_from get set' -a '",
         stdout);
  for (const char *const *name = fz_cli_settings_get_names (); *name != NULL; name++)
    printf ("%s ", *name);
  puts ("'");
}

int
fz_cli_completion (FzCli *cli)
{
  if (strcmp (cli->arguments[0], "bash") == 0)
    print_bash ();
  else if (strcmp (cli->arguments[0], "zsh") == 0)
    print_zsh ();
  else
    print_fish ();
  return FZ_CLI_OK;
}
