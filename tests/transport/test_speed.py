"""How long a message takes into a running cell; printed with ``pytest -s``, and not judged here."""

from __future__ import annotations

import random
import statistics
import time

from .kernels import Front, printed, text_of

MESSAGES = 60
STEP_S = 0.05
IDLE = "print(min(timeit.repeat(inbox.pump, number=10000, repeat=5)) / 10000 * 1e6)"
CELL = f"print('begun', flush=True)\nwhile len(got) < {2 * MESSAGES}: inbox.pump(); time.sleep({STEP_S})"


def test_messages_get_into_a_cell_of_long_steps(front: Front, version: str) -> None:
    chance = random.Random(0)
    idle_us = float(printed(front.run(f"import timeit\n{IDLE}")))
    front.client.execute(CELL)
    front.until_printed("begun")
    took_ms = []
    for n in range(MESSAGES):
        time.sleep(chance.uniform(0, STEP_S))  # so that it comes at any moment of a step
        began = time.perf_counter()
        message = front.tell(n, f"print('message {n}', flush=True)")
        front.until_printed(f"message {n}")
        took_ms.append((time.perf_counter() - began) * 1e3)
        assert any(f"message {n}" in text_of(told) for told in front.about(message))
    middle, late = statistics.median(took_ms), statistics.quantiles(took_ms, n=20)[-1]
    print(f"\nipykernel {version}: nothing waiting {idle_us:.2f} us, ", end="")
    print(f"median {middle:.0f} ms, 95 % {late:.0f} ms, longest {max(took_ms):.0f} ms")
    front.until_idle(message)
    assert printed(front.run("print(len(got))")) == f"{2 * MESSAGES}\n"
