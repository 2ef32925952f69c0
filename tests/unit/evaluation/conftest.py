"""The authors' numbers and the slow twins, where the tests of this folder find them."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]
sys.path.insert(0, str(TESTS / "reference"))
