#!/usr/bin/python3
"""Icons render at every size; the tray's states differ in shape and not only in colour."""

import itertools
import os
import re
import unittest

import gi

gi.require_version("GdkPixbuf", "2.0")
from gi.repository import GdkPixbuf  # noqa: E402

from common import SOURCE, read  # noqa: E402

HICOLOR = os.path.join(SOURCE, "data/icons/hicolor")
STATES = ["attention", "connected", "connecting", "disconnected"]


def symbolic(name):
    return os.path.join(HICOLOR, f"symbolic/apps/dev.firezone.Client{name}-symbolic.svg")


def render(path, size):
    """Coverage of each pixel, 0 … 255, row by row."""
    picture = GdkPixbuf.Pixbuf.new_from_file_at_size(path, size, size)
    assert (picture.get_width(), picture.get_height()) == (size, size), path
    pixels, stride = picture.get_pixels(), picture.get_rowstride()
    return [pixels[y * stride + 4 * x + 3] for y in range(size) for x in range(size)]


class Icons(unittest.TestCase):
    def test_app_icon_fills_its_grid(self):
        path = os.path.join(HICOLOR, "scalable/apps/dev.firezone.Client.svg")
        for size in (16, 22, 32, 48, 64, 128, 256, 512):
            shape = render(path, size)
            covered = sum(alpha > 128 for alpha in shape) / len(shape)
            self.assertTrue(0.5 < covered < 0.85, f"{size} px: {covered:.2f} covered")

    def test_symbolic_icons_are_filled_paths_in_one_colour(self):
        """What every panel's reader of SVG understands, and can recolour."""
        for name in ["", *("-" + state for state in STATES)]:
            text = read(symbolic(name))
            self.assertEqual(set(re.findall(r"<(\w+)", text)) - {"xml"}, {"svg", "title", "path"}, name)
            self.assertEqual(set(re.findall(r'fill="([^"]+)"', text)), {"#222222"}, name)
            self.assertNotRegex(text, "stroke|style|opacity|transform")

    def test_states_differ_in_shape(self):
        """At the size of a panel each pair differs in a fifth of the drawn pixels or more."""
        for size in (16, 22, 24, 32):
            shapes = {state: render(symbolic("-" + state), size) for state in STATES}
            for one, other in itertools.combinations(STATES, 2):
                drawn = sum(max(a, b) for a, b in zip(shapes[one], shapes[other]))
                differing = sum(abs(a - b) for a, b in zip(shapes[one], shapes[other]))
                self.assertGreater(differing / drawn, 0.15, f"{size} px: {one} looks like {other}")

    def test_edges_are_sharp_at_16(self):
        """The legs of the arch stand on whole pixels."""
        for state in ("attention", "connecting"):
            shape = render(symbolic("-" + state), 16)
            row = shape[13 * 16:14 * 16]
            self.assertEqual(row[1:3] + row[13:15], [255] * 4, state)
            self.assertEqual([row[0], row[3], row[12], row[15]], [0] * 4, state)


if __name__ == "__main__":
    unittest.main(verbosity=2)
