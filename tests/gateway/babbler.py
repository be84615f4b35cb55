"""A worker that answers its first task with more than anybody reads; the next one answers as it should."""

import json
import sys
from pathlib import Path


def say(facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    mark = Path(sys.argv[1])
    say({"ready": True})
    for line in sys.stdin:
        if not mark.exists():
            mark.touch()
            sys.stdout.write("x" * (17 << 20))
        say({"number": json.loads(line)["number"], "replies": [[250, "2.0.0", "OK"]]})
