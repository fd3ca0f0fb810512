"""Runs the stages named on the command line, one after the other, and counts what passed over all of them.

A program that is no pytest run (ruff, mypy, tsc) counts as one check.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

RESULTS = Path(".test-results")
# A hang must end as a failure, not as a run that somebody has to kill.
CHECK_LIMIT_S = 300
PYTEST_LIMIT_S = 900
ENVIRONMENT = {
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": "1",  # models here are small, and threads of two processes get in each other's way
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # the kernel's debugger is not used here
}


@dataclass(frozen=True)
class Count:
    """How many checks went which way."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def check(*command: str) -> Count:
    """Run a program that passes or fails as a whole."""
    return Count(passed=1) if run(command, CHECK_LIMIT_S) == 0 else Count(failed=1)


def pytest(name: str, *arguments: str) -> Count:
    """Run pytest and count its tests; nothing to run, a crash or a hang is a failure."""
    report = RESULTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", f"--junitxml={report}", *arguments]
    status = run(command, PYTEST_LIMIT_S)
    count = read_report(report) if report.exists() else Count()
    # E.g. no test was found, or a plugin broke: pytest fails without a failed test.
    return count if status == 0 or count.failed else count + Count(failed=1)


def read_report(report: Path) -> Count:
    """Count the test cases of a JUnit report; a case that fails and then errs in teardown counts once."""
    total = Count()
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            total += Count(failed=1)
        else:
            total += Count(skipped=1) if case.find("skipped") is not None else Count(passed=1)
    return total


def run(command: tuple[str, ...] | list[str], limit_s: float) -> int:
    """Run in a process group of its own, so that a hang leaves no kernel and no browser behind."""
    print("$", *(Path(command[0]).name, *command[1:]), flush=True)
    if shutil.which(command[0]) is None:
        print(f"{command[0]} was not found")
        return 127
    process = subprocess.Popen(command, env={**os.environ, **ENVIRONMENT}, start_new_session=True)
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        print(f"stopped: not done after {limit_s:.0f} s", flush=True)
        return 124
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def lint() -> Count:
    return check("ruff", "check", ".") + check("ruff", "format", "--check", ".")


def types() -> Count:
    python = check("mypy", "--strict", "monitorch_widgets")
    if run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], CHECK_LIMIT_S):
        return python + Count(failed=1)
    return python + check("npx", "--no-install", "tsc", "--noEmit", "-p", ".")


# Two processes share the work, in long runs of tests, which may share what is slow to make.
SHARED = ("--numprocesses=2", "--dist=worksteal")

# Tests that train every animal of the zoo, which takes minutes: a stage, and so a time limit, of their own.
ZOO = ("tests/zoo", "tests/inspector", "tests/reference")


def unit() -> Count:
    # A file that cannot even be imported is one failure, no reason to leave the others out.
    others = [f"--ignore={folder}" for folder in ZOO]
    return pytest("unit", "-m", "not browser", "--continue-on-collection-errors", *SHARED, *others)


def zoo() -> Count:
    return pytest("zoo", "-m", "not browser", "--continue-on-collection-errors", *SHARED, *ZOO)


def notebooks() -> Count:
    # nbval-lax: every cell has to run; outputs are compared where a cell asks for it (NBVAL_CHECK_OUTPUT).
    settings = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=600", "--timeout=900"]
    return pytest("notebooks", *settings, "--ignore=notebooks/executed", "notebooks")


def browser() -> Count:
    return pytest("browser", "-m", "browser", "tests")


STAGES: dict[str, Callable[[], Count]] = {
    "lint": lint,
    "types": types,
    "unit": unit,
    "zoo": zoo,
    "notebooks": notebooks,
    "browser": browser,
}


def main(names: list[str]) -> int:
    RESULTS.mkdir(exist_ok=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a background job ignores, all it starts would too
    total, lines = Count(), []
    for name in names:
        print(f"\n===== {name} =====", flush=True)
        started = time.monotonic()
        count = STAGES[name]()
        total += count
        lines.append(f"{name:<10} {time.monotonic() - started:6.1f} s   {count}")
        print(f"===== {lines[-1]}", flush=True)
    print("\n" + "\n".join(lines) + f"\n{total}", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
