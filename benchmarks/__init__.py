"""Measurements: smimekit, its peers and the machine's limits, side by side.

`nox -s bench` (or `python -m benchmarks`) writes docs/reference/performance.md and .json;
`--scale` draws how cost grows. Nothing here is imported by the library.
"""
