#!/usr/bin/python3
"""Signs in on the portal's page as a person without a desktop does, and prints the token.

Usage: sign_in.py PORTAL_URL EMAIL        (the password comes on standard input)

A browser of thirty lines: follows redirects, keeps cookies, fills in the form with whatever hidden
fields it has, and reads what the last page shows.
"""

import html.parser
import http.cookiejar
import sys
import urllib.error
import urllib.parse
import urllib.request


class Page(html.parser.HTMLParser):
    """The first form's fields and target, and the text of what is there to be copied or to be read."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields, self.texts = None, {}, {"copy": "", "problem": ""}
        self._class = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "form":
            self.action = values.get("action")
        if tag == "input" and values.get("name"):
            self.fields[values["name"]] = values.get("value") or ""
        self._class = values.get("class")

    def handle_endtag(self, tag):
        self._class = None

    def handle_data(self, data):
        if self._class in self.texts:
            self.texts[self._class] += data


def sign_in(url, email, password):
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def fetch(target, data=None):
        try:
            with opener.open(target, data, timeout=60) as answer:
                return answer.geturl(), Page(answer.read().decode())
        except urllib.error.HTTPError as error:
            page = Page(error.read().decode())
            sys.exit(f"sign_in: status {error.code}: {page.texts['problem'].strip() or error.reason}")

    address, form = fetch(urllib.parse.urljoin(url, "/?as=headless-client"))
    if form.action is None:
        sys.exit(f"sign_in: there is no form on {address}")
    fields = {**form.fields, "email": email, "password": password}
    _, page = fetch(urllib.parse.urljoin(address, form.action), urllib.parse.urlencode(fields).encode())
    return page.texts["copy"].strip()


def main():
    token = sign_in(sys.argv[1], sys.argv[2], sys.stdin.readline().rstrip("\n"))
    if not token:
        sys.exit("sign_in: the last page shows no token")
    print(token)


if __name__ == "__main__":
    main()
