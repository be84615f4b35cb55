"""A target under libFuzzer: `python -m tests.fuzz.libfuzzer MODULE TARGET FOUND [-OPTION=...]`.

Knows atheris (extra `fuzz`), which has to be there before smimekit is imported, so as to see what
is reached. Our own changes, which keep the structure, take turns with libFuzzer's. The contract is
the same as without it; what hangs or takes too much memory as a whole libFuzzer itself ends.
`run --atheris` starts this.
"""

import importlib
import sys
from pathlib import Path
from random import Random

__all__ = ["main"]


def main() -> None:
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["smimekit"]):
        run = importlib.import_module("tests.fuzz.run")
        contract = importlib.import_module("tests.fuzz.contract")
        changes = importlib.import_module("tests.fuzz.changes")
        module, name, found, *options = sys.argv[1:]
        target = run.targets_of(module)[name]

    def one(data: bytes) -> None:
        problem = contract.broken(target, data)
        if problem:
            raise AssertionError(problem)

    def change(data: bytes, size: int, seed: int) -> bytes:
        random = Random(seed)  # noqa: S311 - no secret
        if not data or random.random() < 0.3:
            other: bytes = atheris.Mutate(data, size)
            return other
        changed: bytes = changes.change(target, data, random)
        return changed[:size]

    corpus = Path("corpus") / name
    if options and not options[0].startswith("-"):
        corpus = Path(options.pop(0))
    corpus.mkdir(parents=True, exist_ok=True)
    for at, data in enumerate(target.seeds()):
        (corpus / f"seed-{at}").write_bytes(data)
    bounds = [
        "-timeout=180",
        "-rss_limit_mb=1000",
        "-max_len=40000",
        f"-artifact_prefix={found}/{name}-",
    ]
    atheris.Setup([sys.argv[0], *bounds, *options, str(corpus)], one, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
