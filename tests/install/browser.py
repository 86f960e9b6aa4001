#!/usr/bin/python3
"""A person at a browser, without the browser: opens a sign-in link, fills in the form, follows to the end.

    browser.py URL EMAIL PASSWORD

prints the deep link that the portal hands to the app, or the token that it shows for copying. Scripts are not run, and
none may be needed.
"""

import html
import http.cookiejar
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

SCHEME = "firezone-fd0020211111"


class StopAtTheApp(urllib.request.HTTPRedirectHandler):
    """Follows redirects up to the one that a browser would hand to the desktop."""

    def redirect_request(self, request, fp, code, message, headers, new_url):
        if new_url.startswith(SCHEME + ":"):
            raise Found(new_url)
        return super().redirect_request(request, fp, code, message, headers, new_url)

    def http_error_302(self, request, fp, code, message, headers):
        # urllib refuses schemes that it does not know before it asks the method above
        location = headers.get("location", "")
        if location.startswith(SCHEME + ":"):
            raise Found(location)
        return super().http_error_302(request, fp, code, message, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


class Found(Exception):
    """The deep link."""


def attributes(tag):
    return {name: html.unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}


def main():
    url, email, password = sys.argv[1:]
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), StopAtTheApp(),
        urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def get(address, form=None):
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(address, data=data)
        if data is not None:
            request.add_header("Origin", "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(address)))
        try:
            with opener.open(request, timeout=60) as answer:
                return answer.geturl(), answer.read().decode(), answer.headers
        except urllib.error.HTTPError as error:
            sys.exit(f"{address}: {error.code}\n{error.read().decode()}")

    try:
        address, page, _ = get(url)
        form = re.search(r"(?s)<form\b([^>]*)>(.*?)</form>", page)
        if form is None:
            sys.exit(f"{address}: no form to sign in with:\n{page}")
        fields = {}
        for tag in re.findall(r"<input\b[^>]*>", form.group(2)):
            field = attributes(tag)
            fields[field["name"]] = field.get("value", "")
        fields.update(email=email, password=password)
        target = urllib.parse.urljoin(address, attributes(form.group(1)).get("action", ""))
        address, page, headers = get(target, fields)
        token = re.search(r"(?s)<(\w+)[^>]*aria-label=\"Token\"[^>]*>(.*?)</\1>", page)
        if token:
            print(html.unescape(token.group(2)).strip())
            return
        # a page that refreshes to the link is what a browser would follow by itself
        refresh = headers.get("refresh") or next(
            (attributes(tag).get("content", "") for tag in re.findall(r"<meta\b[^>]*>", page)
             if 'http-equiv="refresh"' in tag), "")
        match = re.search(r"(?i)url=(.+)$", refresh)
        if match is None:
            sys.exit(f"{address}: signed in, but nothing leads to the app:\n{page}")
        get(urllib.parse.urljoin(address, match.group(1).strip("'\"")))
        sys.exit("the page did not lead to the app")
    except Found as found:
        print(found)


if __name__ == "__main__":
    main()
