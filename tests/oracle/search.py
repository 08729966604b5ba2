"""Looking for differences: cases from hypothesis, run in a Lab."""

import itertools
import random
import time

import hypothesis

from . import report
from .cases import cases
from .lab import Difference

MORE_TO_SHRINK = 120  # seconds


def search(lab, examples, seed=None, end=None):
    """Run so many cases. A Difference that is raised has the smallest case
    found, as a test. seed: None for the same cases each time; end: of
    time.monotonic(), when to begin no new case."""
    found_at = None

    def is_late():
        now = time.monotonic()
        if found_at is not None:
            return now > found_at + MORE_TO_SHRINK
        return end is not None and now > end

    @hypothesis.settings(
        max_examples=examples, derandomize=seed is None, database=None,
        deadline=None, report_multiple_bugs=False, print_blob=False,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink])
    @hypothesis.given(cases())
    def run(case):
        nonlocal found_at, smallest
        if is_late():
            return
        try:
            lab.run(case.pages, case.files, case.steps, case.is_linked)
        except Difference as error:
            found_at = found_at or time.monotonic()
            smallest = Difference(f"{error}\n\n" + report.as_test(
                case.pages, case.files, case.steps, case.is_linked))
            raise

    smallest = None
    if seed is not None:
        run = hypothesis.seed(seed)(run)
    try:
        run()
    except Difference:
        pass
    except hypothesis.errors.Flaky:
        pass  # what fails sometimes fails, too
    if smallest:
        raise smallest from None


def search_on(labs, minutes, say):
    """Other cases each time, in one lab after the other; say() is told how
    many, about once a minute."""
    begun = told = time.monotonic()
    end = begun + 60 * minutes
    for lab in itertools.cycle(labs):
        search(lab, 30, seed=random.getrandbits(32), end=end)
        now = time.monotonic()
        if now > min(told + 60, end):
            told = now
            say(counts(labs, now - begun))
        if now > end:
            break


def counts(labs, seconds):
    each = [f"{number} {what} ({60 * number / seconds:.0f} a minute)"
            for what, number in (
                ("trees", sum(lab.trees for lab in labs)),
                ("edits", sum(lab.edits for lab in labs)),
                ("answers compared", sum(lab.checks for lab in labs)))]
    return f"{seconds / 60:.1f} minutes: {', '.join(each)}"
