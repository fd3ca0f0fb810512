"""Programs that measure what watching costs, and print tables: ``python -m benchmarks.overhead`` and the others.

They are no tests: what they print depends on the machine, and only ratios within one run mean something.
"""
