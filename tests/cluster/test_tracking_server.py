"""MLflow's server on a real PostgreSQL, with several processes that log at once."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from csdn.errors import UserError
from csdn.tracking.server import postgres_programs

PROCESSES, STEPS = 8, 400

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def server(tmp_path):
    """Address of a server, the one of `make mlflow-server`."""
    pytest.importorskip("psycopg2", reason="pip install -c constraints.txt -e '.[server]'")
    try:
        postgres_programs()
    except UserError as error:
        pytest.skip(str(error))
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)  # PostgreSQL runs as a user of its own, who has to get there
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "csdn.tracking.server", str(tmp_path / "server"), "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "CSDN_"))}
    with (tmp_path / "server.txt").open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/health", process, tmp_path / "server.txt")
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (tmp_path / "server.txt").read_text()[-3000:]


def wait_for(address: str, process: subprocess.Popen, output: Path) -> None:
    end = time.monotonic() + 180
    while time.monotonic() < end:
        assert process.poll() is None, output.read_text()[-3000:]
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(output.read_text()[-3000:])


def test_eight_processes_that_log_at_once_lose_nothing(server, tmp_path, capsys, monkeypatch):
    from mlflow import MlflowClient

    keys = [f"sysu_mm01/default/runs/csdn/seed_{number}" for number in range(PROCESSES)]
    environment = os.environ | {"MLFLOW_TRACKING_URI": server}
    program = str(Path(__file__).with_name("log_a_run.py"))
    started = time.monotonic()
    running = [
        subprocess.Popen(
            [sys.executable, program, key, str(STEPS)], env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        for key in keys
    ]
    for process in running:
        _, told = process.communicate(timeout=600)
        assert process.returncode == 0, told
        assert "not written" not in told and "not recorded" not in told
    seconds = time.monotonic() - started

    client = MlflowClient(tracking_uri=server)
    experiments = client.search_experiments(filter_string="name = 'csdn/sysu_mm01'")
    assert len(experiments) == 1
    found = {run.data.tags["csdn.key"]: run for run in client.search_runs([experiments[0].experiment_id])}
    assert sorted(found) == keys
    points = 0
    for number, key in enumerate(keys):
        run = found[key]
        assert run.info.status == "FINISHED"
        assert run.data.params == {"encoder.epochs": str(STEPS), "seed": str(number)}
        for metric, first, growth in (("loss", number, 1 / STEPS), ("validation_map", 0, 1)):
            history = sorted(client.get_metric_history(run.info.run_id, metric), key=lambda point: point.step)
            assert [point.step for point in history] == list(range(STEPS))
            assert [point.value for point in history] == pytest.approx([first + step * growth for step in range(STEPS)])
            points += len(history)
        assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["log_a_run.py"]
    assert not (tmp_path / "unused").exists()
    with capsys.disabled():
        print(f"\n{PROCESSES} processes, {points} points, nothing lost, {seconds:.0f} s")
