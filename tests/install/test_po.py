#!/usr/bin/python3
"""Translations: every marked string is extracted, every catalogue is sound and complete."""

import html
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from common import SOURCE, read, run

PO = os.path.join(SOURCE, "po")
MARK = re.compile(r"(?<![\w.])(?:_|N_|C_|NC_|Q_|ngettext|gettext|g_dngettext|g_dpgettext2|dngettext)\s?\(\s*\"")
WHAT_TO_DO = ("`meson compile -C build firezone-c-pot firezone-c-update-po` puts them into po/*.po: translate them there "
              "(glossary in po/README.md), and take off the mark “fuzzy” once the words are right.")
KEYWORDS = ["_", "N_", "C_:1c,2", "NC_:1c,2", "Q_:1g", "ngettext:1,2", "g_dngettext:2,3", "g_dpgettext2:2c,3"]


def tracked():
    return run("git", "-C", SOURCE, "ls-files", "--cached", "--others", "--exclude-standard").stdout.split()


def without_comments(text):
    return re.sub(r"(?s)/\*.*?\*/", "", text)


def is_marked(name):
    """Whether the file has words for people in it."""
    if name.startswith(("tests/", "po/")):
        return False
    if name.endswith((".c", ".h")):
        return bool(MARK.search(without_comments(read(os.path.join(SOURCE, name)))))
    if name.endswith(".ui"):
        return 'translatable="yes"' in read(os.path.join(SOURCE, name))
    return name.endswith((".desktop.in", ".metainfo.xml.in", ".policy", ".policy.in", ".gschema.xml"))


def listed():
    lines = read(os.path.join(PO, "POTFILES")).splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def languages():
    return [line for line in read(os.path.join(PO, "LINGUAS")).split("\n") if line and not line.startswith("#")]


def make_template(path):
    run("xgettext", "--from-code=UTF-8", "--add-comments", *(f"--keyword={word}" for word in KEYWORDS),
        "--flag=g_strdup_printf:1:c-format", "--files-from", os.path.join(PO, "POTFILES"), "--directory", SOURCE,
        "--output", path)


def strings(catalogue, which):
    """The msgids of the entries that msgattrib's option @which picks, as one reads them."""
    text = run("msgattrib", which, "--no-obsolete", "--no-wrap", catalogue).stdout
    return [m.group(1) for m in re.finditer(r'(?m)^msgid "(.+)"$', re.sub(r'(?m)^msgid ""\n"', 'msgid "', text))]


def translations(catalogue):
    """msgid -> msgstr of the entries with an access key."""
    text = run("msgcat", "--no-wrap", catalogue).stdout
    return dict(re.findall(r'(?m)^msgid "([^"]*_[^"]*)"\nmsgstr "(.*)"$', text))


def labels(path):
    """What of a .ui file has an access key: its menu's, and all else's."""
    found = {"menu": set(), "window": set()}
    for attribute, text in re.findall(r'<(property|attribute)[^>]* translatable="yes"[^>]*>([^<]*)<', read(path)):
        if re.search(r"_\w", text):
            found["menu" if attribute == "attribute" else "window"].add(html.unescape(text))
    return found


class Po(unittest.TestCase):
    def test_every_marked_file_is_listed(self):
        if not os.path.isdir(os.path.join(SOURCE, ".git")) and not os.path.isfile(os.path.join(SOURCE, ".git")):
            self.skipTest("not a clone: the list of files is unknown")
        marked = {name for name in tracked() if os.path.isfile(os.path.join(SOURCE, name)) and is_marked(name)}
        if os.environ.get("FZ_UPDATE"):
            with open(os.path.join(PO, "POTFILES"), "w", encoding="utf-8") as file:
                file.write("".join(name + "\n" for name in sorted(marked)))
        self.assertEqual(sorted(marked - set(listed())), [],
                         "add these to po/POTFILES, or let FZ_UPDATE=1 tests/install/test_po.py do it")
        self.assertEqual(sorted(set(listed()) - marked), [], "these have no marked string: take them off po/POTFILES")

    def test_list_is_sorted(self):
        self.assertEqual(listed(), sorted(set(listed())))
        self.assertEqual(languages(), sorted(set(languages())))

    def test_template_is_extracted_without_a_complaint(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "t.pot")
            make_template(path)
            answer = run("msgfmt", "--check-format", "--check-domain", "-o", os.devnull, path, check=False)
            self.assertNotIn("error", answer.stdout)
            self.assertGreater(read(path).count("\nmsgid "), 10)

    def test_every_catalogue_is_sound_and_complete(self):
        with tempfile.TemporaryDirectory() as folder:
            template = os.path.join(folder, "t.pot")
            make_template(template)
            for language in languages():
                with self.subTest(language):
                    catalogue = os.path.join(PO, language + ".po")
                    run("msgfmt", "--check", "--check-accelerators=_", "-o", os.devnull, catalogue)
                    merged = os.path.join(folder, language + ".po")
                    run("msgmerge", "--quiet", "--no-fuzzy-matching", "-o", merged, catalogue, template)
                    missing = strings(merged, "--untranslated")
                    self.assertEqual(missing, [], f"po/{language}.po lacks these. {WHAT_TO_DO}")
                    fuzzy = strings(merged, "--only-fuzzy")
                    self.assertEqual(fuzzy, [], f"po/{language}.po only guesses these. {WHAT_TO_DO}")

    def test_access_keys_differ(self):
        """In the menus of one window, and among what else it labels, no two strings have the same key."""
        templates = [name for name in listed() if name.endswith(".ui")]
        for language in languages():
            said = translations(os.path.join(PO, language + ".po"))
            for name in templates:
                for what, texts in labels(os.path.join(SOURCE, name)).items():
                    with self.subTest(language=language, file=name, of=what):
                        keys = {}
                        for text in sorted(texts):
                            translated = said.get(text, text)
                            key = translated[translated.index("_") + 1].lower()
                            self.assertNotIn(key, keys, f"the access key of “{translated}” is also that of “{keys.get(key)}”")
                            keys[key] = translated

    def test_installed_data_speaks_each_language(self):
        """Desktop file, metainfo and polkit actions take the words of every language, and stay valid."""
        with tempfile.TemporaryDirectory() as folder:
            for name, kind, mark, check in (
                    ("data/desktop/dev.firezone.Client.desktop.in", "--desktop", "Comment[{}]=", ["desktop-file-validate"]),
                    ("data/desktop/dev.firezone.Client.metainfo.xml.in", "--xml", 'xml:lang="{}"',
                     ["appstreamcli", "validate", "--no-net"]),
                    ("data/dev.firezone.Client.tunnel1.policy", "--xml", 'xml:lang="{}"', ["xmllint", "--noout", "--nonet"])):
                with self.subTest(name):
                    path = os.path.join(folder, os.path.basename(name).removesuffix(".in"))
                    source = path + ".in"
                    with open(source, "w", encoding="utf-8") as file:
                        file.write(read(os.path.join(SOURCE, name)).replace("@project_url@", "https://example.org"))
                    run("msgfmt", kind, "--template", source, "-d", PO, "-o", path)
                    for language in languages():
                        self.assertIn(mark.format(language), read(path))
                    if shutil.which(check[0]):
                        run(*check, path)

    def test_pseudo_locale(self):
        """Longer by two fifths and in brackets, with all its places for values still there."""
        with tempfile.TemporaryDirectory() as folder:
            template = os.path.join(folder, "t.pot")
            make_template(template)
            run(os.path.join(PO, "make-pseudo.py"), template, folder)
            catalogue = os.path.join(folder, "xx.po")
            run("msgfmt", "--check-format", "-o", os.devnull, catalogue)
            self.assertTrue(os.path.isfile(os.path.join(folder, "xx/LC_MESSAGES/firezone-c.mo")))
            text = subprocess.run(["gettext", "firezone-c", "Connect"], stdout=subprocess.PIPE, text=True, check=True,
                                  env={**os.environ, "LC_ALL": "", "LANG": "C.UTF-8", "LANGUAGE": "xx",
                                       "TEXTDOMAINDIR": folder}).stdout
            self.assertRegex(text, r"^\[.{8,}\]$")


if __name__ == "__main__":
    unittest.main(verbosity=2)
