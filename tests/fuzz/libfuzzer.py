"""A target under libFuzzer: `python -m tests.fuzz.libfuzzer TARGET [CORPUS] [-OPTION=...]`.

Knows atheris (extra `fuzz`), which has to be there before smimekit is imported, so as to see what
is reached. Our own changes, which keep the structure, take the place of libFuzzer's.
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
    name, *options = sys.argv[1:]
    target = run.TARGETS[name]

    def one(data: bytes) -> None:
        problem = run.broken(target, data)
        if problem:
            raise AssertionError(problem)

    def change(data: bytes, size: int, seed: int) -> bytes:
        changed: bytes = run.mutate(data, Random(seed)) if data else data  # noqa: S311 - no secret
        return changed[:size]

    corpus = Path(options.pop(0)) if options and not options[0].startswith("-") else Path("corpus")
    corpus.mkdir(parents=True, exist_ok=True)
    for at, data in enumerate(target.seeds()):
        (corpus / f"seed-{at}").write_bytes(data)
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
