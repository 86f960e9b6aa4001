#!/usr/bin/python3
"""App, tray and command line in German, French and Spanish, from the build tree: words where a person meets them.

Usage: test_languages.py BUILD [CLASS[.TEST]]

The catalogues are those of the build folder (FZ_LOCALEDIR); the locales are made for the test in a folder of its own
(LOCPATH), because LANGUAGE alone says nothing in the locale "C". Pictures of each page go to `build/screenshots`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from desk import MISSING, SOURCE, Desk, until  # noqa: E402

BUILD = "build"
LOCALES = {"de": "de_DE", "es": "es_ES", "fr": "fr_FR"}
PAGES = ("overview", "resources", "settings", "logs")

# What must be read, and where. One word that differs from the English and from the other languages is enough.
APP = {
    "de": {"overview": ("12 Ressourcen sind für Sie erreichbar.", "Portal erreicht", "Trennen"), "resources": ("Ressourcen",),
           "settings": ("Beim Start verbinden", "Auf Vorgaben zurücksetzen"), "logs": ("Protokoll",)},
    "es": {"overview": ("12 recursos están a su alcance.", "Portal alcanzado", "Desconectar"), "resources": ("Recursos",),
           "settings": ("Conectar al iniciar", "Restablecer valores"), "logs": ("Registros",)},
    "fr": {"overview": ("12 ressources sont à votre portée.", "Portail joint", "Déconnecter"), "resources": ("Ressources",),
           "settings": ("Connecter au démarrage", "Réinitialiser les valeurs"), "logs": ("Journaux",)},
}
NO_SERVICE = {"de": "Tunneldienst läuft nicht", "es": "El servicio de túnel no está en ejecución",
              "fr": "Le service de tunnel ne fonctionne pas"}
CLI = {
    "de": {"help": "Aufruf: firezone BEFEHL", "verb": "Ressource", "unknown": "Den Befehl „frob“ gibt es nicht",
           "missing": "Der Tunneldienst ist nicht installiert oder läuft nicht.", "status": "Verbunden (seit ",
           "portal": "erreicht", "off": "aus; nur Ressourcen laufen durch den Tunnel"},
    "es": {"help": "Uso: firezone ORDEN", "verb": "recurso", "unknown": "no existe la orden «frob»",
           "missing": "el servicio de túnel no está instalado o no está en ejecución.", "status": "Conectado (desde hace ",
           "portal": "alcanzado", "off": "desactivado; solo los recursos pasan por el túnel"},
    "fr": {"help": "Utilisation\u00a0: firezone COMMANDE", "verb": "ressource",
           "unknown": "il n’y a pas de commande «\u00a0frob\u00a0»",
           "missing": "le service de tunnel n’est pas installé, ou ne fonctionne pas.", "status": "Connecté (depuis ",
           "portal": "joint", "off": "désactivé\u00a0; seules les ressources passent par le tunnel"},
}
TRAY = {"de": "das Symbol von Firezone", "es": "el icono de Firezone", "fr": "l’icône de Firezone"}


class Languages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.locales = tempfile.mkdtemp(prefix="fz-locales-")
        cls.addClassCleanup(shutil.rmtree, cls.locales, ignore_errors=True)
        for locale in LOCALES.values():
            subprocess.run(["localedef", "-i", locale, "-f", "UTF-8", f"{cls.locales}/{locale}.UTF-8"], check=True,
                           capture_output=True)

    def setUp(self):
        self.desk = Desk(BUILD)
        self.addCleanup(self.desk.close)

    def environment(self, language):
        locale = LOCALES[language] + ".UTF-8"
        return {"LANG": locale, "LC_ALL": locale, "LANGUAGE": language, "LOCPATH": self.locales,
                "FZ_LOCALEDIR": os.path.join(self.desk.build, "po")}

    def run_program(self, language, *words):
        """Both outputs as one text, and the status."""
        done = subprocess.run([os.path.join(BUILD, "src", words[0]), *words[1:]], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, env={**self.desk.env, **self.environment(language)}, timeout=120,
                              check=False)
        return done.stdout, done.returncode

    def test_every_language_is_tested(self):
        with open(os.path.join(SOURCE, "po", "LINGUAS"), encoding="utf-8") as file:
            lines = [line.strip() for line in file]
        self.assertEqual(sorted(LOCALES), [line for line in lines if line and not line.startswith("#")],
                         "a new language needs its words in this test")

    def test_command_line(self):
        firezone = "cli/firezone"
        for language, words in CLI.items():
            with self.subTest(language):
                text, status = self.run_program(language, firezone, "--help")
                self.assertEqual((status, text.splitlines()[0].split(" [")[0]), (0, words["help"]))
                self.assertIn(words["verb"], text)
                text, status = self.run_program(language, firezone, "frob")
                self.assertEqual(status, 2)
                self.assertIn(words["unknown"], text)
                text, status = self.run_program(language, firezone, "status")
                self.assertNotEqual(status, 0)
                self.assertIn(words["missing"], text)

    def test_status(self):
        self.desk.start_service("connected")
        for language, words in CLI.items():
            with self.subTest(language):
                text, status = self.run_program(language, "cli/firezone", "status")
                self.assertEqual(status, 0, text)
                for word in ("status", "portal", "off"):
                    self.assertIn(words[word], text)

    def test_tray(self):
        for language, words in TRAY.items():
            with self.subTest(language):
                self.assertIn(words, self.run_program(language, "tray/firezone-client-tray", "--help")[0])

    def says(self, words):
        text = self.desk.texts()
        return all(word in text for word in words)

    def show(self, language, page):
        self.desk.activate("show-page", page)
        until(lambda: self.says(APP[language][page]), f"{APP[language][page]} on the screen")
        picture = self.desk.screenshot(f"{page}-{language}", settle=0.1)
        self.assertGreater(os.path.getsize(picture), 5000)

    def run_app(self, language):
        self.desk.start_service("connected", 12)
        self.desk.start_app(env=self.environment(language))
        self.desk.wait_window()
        until(lambda: self.desk.is_enabled("disconnect"), "a connection")
        for page in PAGES:
            self.show(language, page)
        self.desk.stop_service()
        self.desk.activate("show-page", "overview")
        self.desk.wait_text(NO_SERVICE[language])

    def test_app_in_german(self):
        self.run_app("de")

    def test_app_in_spanish(self):
        self.run_app("es")

    def test_app_in_french(self):
        self.run_app("fr")


if __name__ == "__main__":
    BUILD = sys.argv.pop(1) if len(sys.argv) > 1 else BUILD
    MISSING += [program for program in ("localedef",) if shutil.which(program) is None]
    MISSING += [name for name in LOCALES.values() if not os.path.exists("/usr/share/i18n/locales/" + name)]
    if MISSING:
        print("missing: " + ", ".join(MISSING))
        sys.exit(77)
    unittest.main(verbosity=2)
