"""DVC's remote on an S3 server: what is pushed there and pulled into a fresh clone has nothing left to do."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workflow.conftest import workflow  # noqa: F401
from workflow.test_dvc import commit, repository, steps  # noqa: F401

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def s3(tmp_path):
    """Address of a server with the bucket `csdn`."""
    for package in ("moto", "flask_cors", "dvc_s3"):
        pytest.importorskip(package, reason="pip install -c constraints.txt -e '.[scale]'")
    import boto3

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with (tmp_path / "s3.txt").open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=output, stderr=output
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(port, server, tmp_path / "s3.txt")
        boto3.client(
            "s3",
            endpoint_url=address,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",  # noqa: S106 - any will do
        ).create_bucket(Bucket="csdn")
        yield address
    finally:
        server.terminate()
        server.wait()


def wait_for(port: int, server: subprocess.Popen, output: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert server.poll() is None, output.read_text()
        with socket.socket() as connection:
            if connection.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.3)
    raise AssertionError(output.read_text())


def test_a_clone_pulls_everything_and_has_nothing_to_do(repository, s3, tmp_path, capsys):  # noqa: F811
    secrets = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    repository.environment |= secrets
    repository.call("dvc", "remote", "add", "-q", "-f", "-d", "models", "s3://csdn/store")
    repository.call("dvc", "remote", "modify", "-q", "models", "endpointurl", s3)
    repository.call("dvc", "repro", "-q")
    assert "train_encoder" in steps(repository)
    commit(repository, "results")
    pushed = repository.call("dvc", "push")

    repository.call("git", "clone", "-q", str(repository.folder), str(tmp_path / "fresh"))
    fresh = repository.at(tmp_path / "fresh")
    assert not (fresh.folder / "results").exists()
    fresh.call("dvc", "pull", "-q")
    assert fresh.plan() == {}
    assert "Nothing to be done" in fresh.call("scripts/snake", "-n")
    assert "Data and pipelines are up to date" in fresh.call("dvc", "repro")
    assert steps(fresh) == set()
    for path in sorted(repository.folder.glob("results/**/*.safetensors")):
        copy = fresh.folder / path.relative_to(repository.folder)
        assert copy.read_bytes() == path.read_bytes()
    fresh.change(datasets={"sysu_mm01": {"trials": 3}})
    assert "score_retrieval" in fresh.plan() and "train_encoder" not in fresh.plan()
    with capsys.disabled():
        print(f"\n{pushed.strip().splitlines()[-1]}; nothing left to do in a clone")
