#!/usr/bin/python3
"""The catalogue page of a build that has no home page: without links and pictures, which would lead nowhere.

Usage: without-urls.py METAINFO > OUTPUT
"""

import re
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()
text = re.sub(r" *<url [^>]*>[^<]*</url>\n", "", text)
text = re.sub(r" *<screenshots>.*?</screenshots>\n", "", text, flags=re.DOTALL)
if "@project_url@" in text:
    sys.exit("an address is left that would have no beginning")
sys.stdout.write(text)
