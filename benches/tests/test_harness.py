"""The pure parts of the benchmarks: what they read, how they count, where they write."""

import contextlib
import io
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(BENCHES / folder) for folder in ("harness", "compare", "growth", "instructions")]

import chart  # noqa: E402
import counting  # noqa: E402
import drawing  # noqa: E402
import growth  # noqa: E402
import grown  # noqa: E402
import instructions  # noqa: E402
import load  # noqa: E402
import page  # noqa: E402
import peers  # noqa: E402
import plots  # noqa: E402
import summary  # noqa: E402
from client import Refused, length  # noqa: E402
from tokens import People  # noqa: E402

PROFILE = """\
version: 1
positions: line
events: Ir
summary: 999

fl=(1) main.rs
fn=(1) pluginmind::served::h0123456789abcdef
10 100
+2 20
cfn=(2) malloc
calls=3 50
* 7000
fn=(2)
5 30
fn=(3) pluginmind::served::hfedcba9876543210'2
7 1
cfn=(1)
calls=0 10
-3 5000
* 4

totals: 155
"""
STRACE = """\
syscall                 calls
---------------- ------------
recvfrom                12000
writev                   8000
---------------- ------------
total                   20000
"""


class Profiles(unittest.TestCase):
    def test_a_function_costs_what_it_spends_itself_whatever_its_calls_cost(self):
        total, functions = counting.read_profile(PROFILE)
        self.assertEqual(total, 155)
        self.assertEqual(functions, {"pluginmind::served": 125, "malloc": 30})
        self.assertEqual(list(functions), ["pluginmind::served", "malloc"])
        self.assertEqual(sum(functions.values()), total)

    def test_a_name_is_the_same_in_every_build(self):
        self.assertEqual(counting.plain_name("a::b::h0123456789abcdef"), "a::b")
        self.assertEqual(counting.plain_name("a::b'2"), "a::b")
        self.assertEqual(counting.plain_name("<a as b>::h0123"), "<a as b>::h0123")

    def test_calls_are_read_by_name_without_their_sum(self):
        self.assertEqual(counting.read_calls(STRACE), {"recvfrom": 12_000, "writev": 8_000})
        self.assertEqual(counting.read_calls("strace: attach: ptrace(PTRACE_SEIZE, 1): Operation not permitted\n"), {})

    def test_a_program_that_dies_at_its_start_gets_one_more_try(self):
        tries = []

        def start(attempt):
            tries.append(attempt)
            raise peers.Ended("gone")

        with self.assertRaises(peers.Ended), contextlib.redirect_stderr(io.StringIO()) as told:
            counting.once_more(start)
        self.assertIn("once more", told.getvalue())
        self.assertEqual(tries, [0, 1])
        self.assertEqual(counting.once_more(lambda attempt: f"try {attempt}"), "try 0")


class Budget(unittest.TestCase):
    ALLOWED = {"plain": {"instructions": 1000, "system_calls": 8.0, "functions": {"old": 700, "small": 10}}}

    def test_a_count_of_next_to_nothing_is_no_saving(self):
        told = list(instructions.complaints(self.counted(instructions=400), self.ALLOWED))
        self.assertIn("is that all", told[0])
        self.assertTrue(list(instructions.complaints(self.counted(functions={}), self.ALLOWED)))
        self.assertEqual(list(instructions.complaints(self.counted(instructions=501), self.ALLOWED)), [])

    def test_the_budget_has_every_kind_and_its_calls(self):
        budget = instructions.json.loads(instructions.BUDGET.read_text())
        self.assertEqual(set(budget), {*instructions.KINDS, "made_with"})
        self.assertTrue(all(budget[kind]["system_calls"] > 0 for kind in instructions.KINDS))

    def test_another_compiler_is_allowed_more_and_the_same_one_is_not(self):
        here = {"rustc": "1", "libc": "2", "valgrind": "3"}
        self.assertEqual(instructions.over(here, {"made_with": dict(here)}), instructions.OVER)
        self.assertEqual(instructions.over(here, {"made_with": here | {"rustc": "2"}}), instructions.OVER_ELSEWHERE)
        self.assertEqual(list(instructions.complaints(self.counted(instructions=1100), self.ALLOWED, instructions.OVER_ELSEWHERE)), [])
        self.assertEqual(instructions.least([{"instructions": 3}, {"instructions": 2}]), {"instructions": 2})

    def counted(self, **other):
        return {"plain": {"instructions": 1000, "system_calls": 8.0, "calls": {"read": 8.0}, "functions": {"old": 700.0}} | other}

    def test_three_in_a_hundred_are_allowed_and_no_more(self):
        self.assertEqual(list(instructions.complaints(self.counted(instructions=1030), self.ALLOWED)), [])
        told = list(instructions.complaints(self.counted(instructions=1031, functions={"old": 720.0, "new": 300.0}), self.ALLOWED))
        self.assertIn("1031 instructions", told[0])
        self.assertEqual([line.split()[-1] for line in told[1:]], ["new", "old"])

    def test_a_system_call_more_is_told(self):
        told = list(instructions.complaints(self.counted(system_calls=9.0), self.ALLOWED))
        self.assertIn("9.0 system calls", told[0])

    def test_calls_that_nobody_could_count_are_neither_over_nor_forgotten(self):
        counted = self.counted(system_calls=None, calls=None)
        self.assertEqual(list(instructions.complaints(counted, self.ALLOWED)), [])
        self.assertEqual(instructions.kept(counted, self.ALLOWED)["plain"]["system_calls"], 8.0)
        self.assertIn("not counted", "\n".join(instructions.shown(counted, 1)))

    def test_a_kind_without_a_budget_is_told(self):
        self.assertEqual(list(instructions.complaints(self.counted(), {})), ["plain: no budget"])

    def test_json_is_the_numbers_alone(self):
        counted = {kind: {"instructions": number} for number, kind in enumerate(instructions.KINDS)}
        self.assertEqual(instructions.as_json(counted), '{"plain":0,"full":1,"full_hook":2}')


class Pages(unittest.TestCase):
    def test_only_what_stands_between_the_markers_is_replaced(self):
        self.assertEqual(page.between("a\n<b>\nold\n<e>\nz", "<b>", "<e>", "new\n"), "a\n<b>\n\nnew\n\n<e>\nz")
        self.assertIsNone(page.between("a\n<b>\nold", "<b>", "<e>", "new"))
        self.assertIsNone(page.between("a\n<e>\n", "<b>", "<e>", "new"))

    def test_a_goal_is_filled_by_its_name(self):
        whole = "| goal | must | measured |\n|---|---|---|\n| speed | 1 | – |\n| size | 2 | – |"
        self.assertEqual(page.filled(whole, {"speed": "0.9"}), whole.replace("| speed | 1 | – |", "| speed | 1 | 0.9 |"))
        with self.assertRaises(SystemExit):
            page.filled(whole, {"colour": "blue"})

    def test_every_figure_has_its_place_in_the_documentation(self):
        wanted = [instructions.GOAL, *summary.goals(RESULTS), *grown.goals(GROWN)]
        whole = page.PERFORMANCE.read_text()
        page.filled(whole, dict.fromkeys(wanted, "1"))
        for path, name in ((page.PERFORMANCE, "compare"), (page.PERFORMANCE, "growth"), (page.README, "compare")):
            marker = f"<!-- {name}: written by benches/{name}/run --write -->"
            self.assertIsNotNone(page.between(path.read_text(), marker, f"<!-- end of {name} -->", "new"), (path, name))


def rounds(*costs):
    """Rounds that differ in their processor time alone."""
    return [{"cpu": cost, "rate": 1000, "p50": 100, "p99": 200, "memory": 2**20} for cost in costs]


PLAIN = {"nginx": rounds(10, 20, 30), "haproxy": rounds(20, 20, 20), "caddy": rounds(90, 90, 90), "pluginmind": rounds(20, 30, 90)}
FULL = {name: rounds(10, 10, 10) for name in summary.NAMES if "full" in name or "lua" in name or name == "nginx-plain"}
RESULTS = [
    {"work": work, "pinned": pinned, "connections": connections, "rounds": by_name}
    for work, by_name in (("plain", PLAIN), ("full", FULL))
    for pinned in (False, True)
    for connections in (8, 64)
]


class Comparison(unittest.TestCase):
    def test_a_ratio_is_of_one_round_to_the_same_round_of_another(self):
        self.assertEqual(summary.ratios(PLAIN["pluginmind"], PLAIN["nginx"], "cpu"), [2.0, 1.5, 3.0])
        self.assertEqual(summary.shown([2.0, 1.5, 3.0]), "2.00 (1.50 to 3.00)")
        with self.assertRaises(ValueError):
            summary.ratios(PLAIN["pluginmind"], PLAIN["nginx"][:2], "cpu")

    def test_the_table_has_a_row_for_each_program_and_as_many_cells_in_each(self):
        lines = summary.table(RESULTS).splitlines()
        self.assertEqual(len(lines), 2 + sum(len(one["rounds"]) for one in RESULTS))
        self.assertEqual(len({line.count("|") for line in lines}), 1)
        self.assertIn("| plain | 8 | shared | PluginMind | 30.0 | 2.00 (1.50 to 3.00) |", lines[5])

    def test_what_was_not_measured_is_a_dash(self):
        self.assertEqual(summary.against(RESULTS[:1], "full", True, 64, "pluginmind-full", ["nginx-plain"]), ["–"])

    def test_a_round_is_read_from_what_wrk_printed(self):
        self.assertEqual(load.read_round("Running\nROUND 100 1000000 5 9 0\n"), (100, 1_000_000, 5, 9, 0))


GROWN = {
    "routes": {"by": "instructions", "machine": "here", "rows": [
        {"series": "routes", "size": size, "cost": cost, "ratio": [cost / 1000] * 3, "memory": None}
        for size, cost in (("10", 1000), ("1,000", 1100))
    ]},
    "plugins": {"by": "instructions", "machine": "here", "rows": []},
    "addresses": {"by": "time", "machine": "here", "rows": [
        {"series": "addresses", "size": "1,000", "cost": 10.0, "ratio": [1.0, 1.0, 1.0], "memory": 2**20},
    ]},
    "users": {"by": "time", "machine": "here", "rows": []},
    "idle": {"by": "instructions", "machine": "here", "rows": [
        {"series": "idle connections", "size": "10,000", "cost": 1000, "ratio": [1.0] * 3, "memory": 2048.0},
    ]},
}


class Growth(unittest.TestCase):
    def test_growth_is_the_last_beside_the_first_and_a_dash_where_one_is_missing(self):
        told = grown.goals(GROWN)
        self.assertEqual(list(told.values()), ["routes 1.10; plugins –; addresses –; users –", "2.0 KiB"])

    def test_a_ratio_shows_its_spread_where_there_were_rounds(self):
        self.assertEqual(grown.ratio([1.0, 1.0, 1.0]), "1.00")
        self.assertEqual(grown.ratio([0.9, 1.0, 1.2]), "1.00 (0.90 to 1.20)")

    def test_steps_of_a_scale_are_round_and_hold_every_value(self):
        self.assertEqual(plots.steps([30, 93], powers=False)[0], 0)
        for most in (0.9, 1, 7.5, 99, 101, 4_200):
            ticks = plots.steps([most / 2, most], powers=False)
            self.assertGreaterEqual(ticks[-1], most)
            self.assertLessEqual(len(ticks), 7)
        self.assertEqual(plots.steps([190, 14_000], powers=True), [100, 1_000, 10_000, 100_000])

    def test_the_first_people_are_the_same_people(self):
        people = People("a secret", 5)
        self.assertEqual(people.first(2).tokens, people.tokens[:2])
        self.assertEqual(len(people.tokens), 5)

    def test_an_answer_without_a_length_is_refused(self):
        self.assertEqual(length(b"HTTP/1.1 200 OK\r\ncontent-length: 42\r\n"), 42)
        with self.assertRaises(Refused):
            length(b"HTTP/1.1 200 OK\r\n")

    def test_points_beyond_the_limit_of_open_files_are_left_out(self):
        point = growth.axes.Point("idle connections", "1", None, idle=10**9)
        options = type("Options", (), {"most": 10**9})
        with contextlib.redirect_stderr(io.StringIO()) as told:
            self.assertEqual(list(growth.fitting([point], options)), [])
        self.assertIn("left out", told.getvalue())


class Drawings(unittest.TestCase):
    def test_a_drawing_says_in_words_what_it_shows_and_fetches_nothing(self):
        import xml.etree.ElementTree as tree

        for drawn, word in ((chart.drawn(RESULTS), "PluginMind 30.0"), (plots.drawn(filled(GROWN)), "10,000 1.0")):
            root = tree.fromstring(drawn)
            title, description = root[0], root[1]
            self.assertTrue(title.text and word in description.text, description.text)
            self.assertEqual(root.get("role"), "img")
            self.assertNotIn("href", drawn)
            self.assertNotIn("url(", drawn)
            self.assertIn("prefers-color-scheme:dark", drawn)

    def test_words_are_escaped(self):
        self.assertIn("a &lt; b", drawing.text(0, 0, "a < b"))


def filled(results):
    """Without the axes that have no rows."""
    return {name: axis for name, axis in results.items() if axis["rows"]}


class Programs(unittest.TestCase):
    def test_a_program_that_ends_before_it_listens_is_told_and_nothing_stays(self):
        with tempfile.TemporaryDirectory() as place:
            stage = peers.Stage(Path(place), Path("/bin/false"), None, "")
            with self.assertRaises(peers.Ended):
                stage.start("nobody", ["false"], peers.free_port())
            with self.assertRaises(peers.Ended):
                stage.start("silent", ["sleep", "60"], peers.free_port(), patience=0.05)
            silent = stage.started[-1].process
            stage.end()
            self.assertIsNotNone(silent.poll())
            self.assertEqual(stage.started, [])

    def test_processor_time_is_that_of_the_process(self):
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            clock, end = peers.processor_clock(busy.pid), time.monotonic() + 30
            while time.clock_gettime(clock) < 0.01 and time.monotonic() < end:
                time.sleep(0.01)
            self.assertGreaterEqual(time.clock_gettime(clock), 0.01)
        finally:
            busy.kill()
            busy.wait()


if __name__ == "__main__":
    unittest.main()
