"""Steps with sentences for names: run in order, one line each, counted at the end."""

import sys
import time
import traceback


class Unmet(AssertionError):
    """What a step found is not what it wanted."""


def expect_equal(found, wanted, what):
    """Fails the step unless the two are equal."""
    if found != wanted:
        raise Unmet(f"{what}: wanted {wanted!r}, found {found!r}")


def expect(condition, what):
    """Fails the step unless the condition holds."""
    if not condition:
        raise Unmet(what)


def until(what, question, seconds=15.0):
    """Asks again and again; gives the first answer that is not false. Fails the step when none comes in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(0.01)
    raise Unmet(f"in {seconds:.0f} s it never came: {what}")


class Steps:
    """Runs steps and counts them."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def run(self, sentence, action, *arguments):
        """Runs one step; gives what the action gave, or nothing when it failed."""
        try:
            result = action(*arguments)
        except Unmet as unmet:
            self._fail(sentence, str(unmet))
        except Exception as error:  # a step that breaks has failed, and the visit goes on
            self._fail(sentence, f"{type(error).__name__}: {error}")
            traceback.print_exc(file=sys.stderr)
        else:
            self.passed += 1
            print(f"ok    {sentence}", flush=True)
            return result
        return None

    def _fail(self, sentence, reason):
        self.failed += 1
        print(f"FAIL  {sentence}\n      {reason.strip()}", flush=True)

    def finish(self):
        """Prints the count and gives the exit code."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0
