#!/usr/bin/python3
"""What instructions.py says of figures beside a budget."""

import unittest

import instructions


class Compare(unittest.TestCase):
    def judge(self, budget, rows):
        complaints, better = instructions.compare(budget, rows)
        return len(complaints), len(better)

    def test_limits(self):
        budget = {"segment": 1000.0, "seal": 1000.0}
        for segment, seal, expected, why in (
                (1000.0, 1000.0, (0, 0), "the same"),
                (1020.0, 1150.0, (0, 0), "at the limit"),
                (1021.0, 1000.0, (1, 0), "over it"),
                (1000.0, 1151.0, (1, 0), "over the wider one of a cipher"),
                (979.0, 1000.0, (0, 1), "well below is told, too"),
        ):
            with self.subTest(why):
                self.assertEqual(self.judge(budget, {"segment": segment, "seal": seal}), expected)

    def test_rows_come_and_go(self):
        self.assertEqual(self.judge({"segment": 1.0}, {"segment": 1.0, "new": 1.0}), (1, 0))
        self.assertEqual(self.judge({"segment": 1.0, "old": 1.0}, {"segment": 1.0}), (1, 0))

    def test_words(self):
        complaints, _ = instructions.compare({"segment": 100.0}, {"segment": 103.0})
        self.assertIn("103.0 instructions per packet, budget 100.0: +3.0%", complaints[0])

    def test_budget_in_the_tree(self):
        build, rows = instructions.read_budget()
        self.assertRegex(build, r"^gcc \d+ x86_64 -O2$")
        self.assertGreater(len(rows), 15)


if __name__ == "__main__":
    unittest.main()
