"""`firezone-portal` on a port of its own, for tests of what people see of it.

    with LocalPortal(program) as portal:
        portal.add_person("Sam Poe", "sam@acme.test", "correct horse battery")
        portal.url                  # "http://127.0.0.1:45678/"
        portal.command("token", "list")
"""

import json
import os
import shutil
import subprocess
import tempfile


class LocalPortal:
    def __init__(self, program, account="Acme & Söhne", slug="acme"):
        self.program = os.path.abspath(program)
        self.folder = tempfile.mkdtemp(prefix="fz-portal-")
        self.database = os.path.join(self.folder, "portal.db")
        self.log_path = os.path.join(self.folder, "portal.log")
        self.slug = slug
        self.url = self._process = None
        self.command("init", "--name", account, "--slug", slug)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.close()

    def command(self, *words, input=None):
        """One management command; returns what it printed as JSON."""
        result = subprocess.run([self.program, *words, "--json", "--database", self.database], input=input,
                                capture_output=True, text=True, timeout=60)
        if result.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: {result.stderr.strip()}")
        return json.loads(result.stdout)

    def add_person(self, name, email, password):
        self.command("actor", "add", name, "--email", email)
        self.command("actor", "password", "set", name, input=password + "\n")

    def start(self, listen="127.0.0.1:0", *options):
        log = open(self.log_path, "ab")
        with log:
            self._process = subprocess.Popen(
                [self.program, "serve", "--listen", listen, "--database", self.database, *options],
                stdout=subprocess.PIPE, stderr=log, text=True)
        # The first line says where it listens; the rest goes to the log by way of a copier.
        first = self._process.stdout.readline()
        if not first:
            raise RuntimeError(f"firezone-portal ended with status {self._process.wait()}")
        self.url = json.loads(first)["sign_in"]
        with open(self.log_path, "ab") as log:
            log.write(first.encode())
            self._copier = subprocess.Popen(["cat"], stdin=self._process.stdout, stdout=log)
        self._process.stdout.close()

    @property
    def origin(self):
        return self.url.rstrip("/")

    def log(self):
        """Its log so far, one object a line."""
        with open(self.log_path, encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.startswith("{") and line.endswith("\n")]

    def stop(self):
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._copier.wait(60)
            self._process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
