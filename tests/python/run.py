"""Runs the Python tests of a folder and says how many there were, in the words of `cargo test`.

    python run.py tests/kernel [pattern]
"""

import sys
import unittest
from pathlib import Path


def main(folder: str, pattern: str | None = None) -> None:
    loader = unittest.TestLoader()
    if pattern:
        loader.testNamePatterns = [f"*{pattern}*"]
    tests = loader.discover(folder, top_level_dir=folder)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(tests)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    passed = result.testsRun - failed - len(result.skipped) - len(result.expectedFailures)
    verdict = "FAILED" if failed else "ok"
    print(f"test result: {verdict}. {passed} passed; {failed} failed; {len(result.skipped)} ignored")
    sys.exit(1 if failed or passed + len(result.skipped) == 0 else 0)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(sys.argv[1]).resolve()))
    main(*sys.argv[1:])
