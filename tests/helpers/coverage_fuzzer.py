"""Coverage-guided fuzzing with atheris: python coverage_fuzzer.py TARGET [libFuzzer options], see unit/test_fuzz.py."""

import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["csdn"]):
    from csdn.config.loading import read_layer
    from csdn.data import regdb, sysu_mm01
    from csdn.data.image_files import decode
    from csdn.errors import UserError
    from csdn.evaluation.feature_files import load_features
    from csdn.steps.registry import parse_text


def fuzz(target: str, root: Path, data: bytes) -> None:
    """Hand bytes to a reader; whatever it refuses, it refuses with a UserError."""
    if target == "image":
        decode(data, "a.jpg")
    elif target == "settings":
        parse_text(data.decode("utf-8", "replace"))
    elif target == "layer":
        (root / "layer.yaml").write_bytes(data)
        read_layer(root / "layer.yaml")
    elif target == "features":
        (root / "features.npz").write_bytes(data)
        load_features(root / "features.npz")
    elif target == "sysu":
        (root / "sysu/exp/train_id.txt").write_bytes(data)
        sysu_mm01.read_records(root / "sysu")
    else:
        (root / "regdb/idx/train_visible_1.txt").write_bytes(data)
        regdb.read_records(root / "regdb", "1")


def main() -> None:
    from helpers.small_datasets import write_regdb, write_sysu

    target = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_sysu(root / "sysu")
        write_regdb(root / "regdb")

        def one(data: bytes) -> None:
            with suppress(UserError):
                fuzz(target, root, data)

        atheris.Setup(sys.argv, one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
