#!/usr/bin/python3
"""Makes a pseudo-locale of a template: each string in brackets, with accents, two fifths longer.

    make-pseudo.py TEMPLATE.pot FOLDER

writes FOLDER/xx.po and FOLDER/xx/LC_MESSAGES/firezone-c.mo. A program run with LANG=C.UTF-8 LANGUAGE=xx and that folder
as its locale folder shows what is not marked for translation (no brackets), what is clipped (one bracket), and what is
glued from halves (brackets in the middle).
"""

import os
import re
import subprocess
import sys

ACCENTS = str.maketrans("aceinouyACEINOUY", "áçéíñóúýÁÇÉÍÑÓÚÝ")

# What must stay as it is: printf's places, tags and entities, \n and other escapes, URLs, access keys.
KEPT = re.compile(r"(%(?:\d+\$)?[-+ #0]*[\d*]*(?:\.[\d*]+)?(?:hh|ll|[hlqjzt])?[a-zA-Z%]|%\(\w+\)s|<[^>]*>|&\w+;|\\.|"
                  r"https?://\S+|_(?=\w)|\{\w*\})")
FILLING = "~·"


def pseudo(text):
    """@text as in a .po file, without its outer quotes."""
    if not text:
        return ""
    parts = KEPT.split(text)
    words = "".join(part if i % 2 else part.translate(ACCENTS) for i, part in enumerate(parts))
    start = "\\n" if words.startswith("\\n") else ""
    end = "\\n" if words.endswith("\\n") and len(words) > 2 else ""
    body = words[len(start):len(words) - len(end) or None]
    if ";" in body and body.endswith(";"):  # a list, as of keywords
        return start + ";".join("[" + item + "]" for item in body.split(";")[:-1]) + ";" + end
    visible = len(KEPT.sub("", text))
    n_more = max(1, (visible * 2 + 4) // 5 - 2)
    return f"{start}[{body}{(FILLING * n_more)[:n_more]}]{end}"


def unquote(lines):
    return "".join(re.findall(r'"(.*)"\s*$', line)[0] for line in lines)


def translate(entry):
    """One entry of the template, as lines, with its translation."""
    out, strings, key = [], {}, None
    for line in entry:
        match = re.match(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[\d\])?)\s+(".*")$', line)
        if match:
            key = match.group(1)
            strings[key] = [match.group(2)]
        elif line.startswith('"') and key:
            strings[key].append(line)
        if not (key or "").startswith("msgstr"):
            out.append(line)
    if "msgid" not in strings:
        return entry
    if "msgid_plural" in strings:
        out.append(f'msgstr[0] "{pseudo(unquote(strings["msgid"]))}"')
        out.append(f'msgstr[1] "{pseudo(unquote(strings["msgid_plural"]))}"')
    else:
        out.append(f'msgstr "{pseudo(unquote(strings["msgid"]))}"')
    return out


HEADER = [
    'msgid ""',
    'msgstr ""',
    '"Language: xx\\n"',
    '"MIME-Version: 1.0\\n"',
    '"Content-Type: text/plain; charset=UTF-8\\n"',
    '"Content-Transfer-Encoding: 8bit\\n"',
    '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"',
]


def main():
    template, folder = sys.argv[1:]
    with open(template, encoding="utf-8") as file:
        entries = [block.split("\n") for block in file.read().strip().split("\n\n")]
    blocks = [HEADER] + [translate(entry) for entry in entries[1:]]
    catalogue = os.path.join(folder, "xx.po")
    with open(catalogue, "w", encoding="utf-8") as file:
        file.write("\n\n".join("\n".join(block) for block in blocks) + "\n")
    messages = os.path.join(folder, "xx/LC_MESSAGES")
    os.makedirs(messages, exist_ok=True)
    subprocess.run(["msgfmt", "-o", os.path.join(messages, "firezone-c.mo"), catalogue], check=True)


if __name__ == "__main__":
    main()
