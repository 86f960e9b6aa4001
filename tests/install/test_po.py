#!/usr/bin/python3
"""Translations: every marked string is extracted, every catalogue is sound and complete."""

import os
import re
import subprocess
import tempfile
import unittest

from common import SOURCE, read, run

PO = os.path.join(SOURCE, "po")
MARK = re.compile(r"(?<![\w.])(?:_|N_|C_|NC_|Q_|ngettext|gettext|g_dngettext|g_dpgettext2|dngettext)\s?\(\s*\"")
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
                    missing = run("msgattrib", "--untranslated", "--no-obsolete", merged).stdout
                    self.assertEqual(re.findall(r'(?m)^msgid "(.+)"$', missing), [], "not translated")
                    fuzzy = run("msgattrib", "--only-fuzzy", "--no-obsolete", merged).stdout
                    self.assertEqual(re.findall(r'(?m)^msgid "(.+)"$', fuzzy), [], "to be looked at again")

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
