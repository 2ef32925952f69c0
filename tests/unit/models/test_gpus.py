"""The driver is queried through NVIDIA's library, here replaced by one that simulates machines."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from filelock import FileLock

from csdn.models import gpus
from csdn.models.gpus import VISIBLE, claim_gpu_for_process, visible_gpus, wants_gpu, why_no_gpu


class NVMLError(Exception):
    """pynvml's own."""


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Simulates a machine: machine(gpus, cuda, driver), or machine(None) for one without a driver."""
    monkeypatch.delenv(VISIBLE, raising=False)
    monkeypatch.setattr(gpus, "_cuda_of_torch", lambda: "13.0")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))

    def play(count, cuda=13000, driver="580.65"):
        def init():
            if count is None:
                raise NVMLError("NVML Shared Library Not Found")

        library = SimpleNamespace(
            NVMLError=NVMLError,
            nvmlInit=init,
            nvmlShutdown=lambda: None,
            nvmlSystemGetDriverVersion=lambda: driver,
            nvmlSystemGetCudaDriverVersion_v2=lambda: cuda,
            nvmlDeviceGetCount=lambda: count,
            nvmlDeviceGetHandleByIndex=lambda index: index,
            nvmlDeviceGetUUID=lambda handle: f"GPU-{'abcd'[handle]}",
        )
        monkeypatch.setitem(sys.modules, "pynvml", library)

    return play


@pytest.mark.parametrize(
    ("played", "visible", "said"),
    [
        ((2,), None, None),
        ((2,), "1", None),
        ((None,), None, "no NVIDIA driver answers (NVML Shared Library Not Found); install driver 580 or newer"),
        (
            (1, 12020, "535.104"),
            None,
            "the NVIDIA driver 535.104 is too old for PyTorch's CUDA 13.0; install driver 580 or newer",
        ),
        ((0,), None, "the NVIDIA driver 580.65 finds no GPU; check the output of `nvidia-smi`"),
        ((2,), "", "CUDA_VISIBLE_DEVICES='' hides every GPU; unset it"),
        ((2,), "-1", "CUDA_VISIBLE_DEVICES='-1' hides every GPU; unset it"),
    ],
)
def test_what_is_missing(machine, monkeypatch, played, visible, said):
    machine(*played)
    if visible is not None:
        monkeypatch.setenv(VISIBLE, visible)
    assert why_no_gpu() == said
    assert wants_gpu("auto") == (said is None)
    assert wants_gpu("cuda")
    assert not wants_gpu("cpu")


def test_a_torch_without_cuda_uses_no_gpu(machine, monkeypatch):
    machine(2)
    monkeypatch.setattr(gpus, "_cuda_of_torch", lambda: None)
    assert "built without CUDA" in why_no_gpu()


@pytest.mark.parametrize(("line", "expected"), [("cuda: Optional[str] = '13.0'", "13.0"), ("cuda = None", None)])
def test_torchs_cuda_is_read_from_its_files_without_importing_it(monkeypatch, tmp_path, line, expected):
    (tmp_path / "version.py").write_text(f"__version__ = '2.0+cu999'\n{line}\nhip = None\n")
    found = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(gpus, "find_spec", lambda name: found)
    assert gpus._cuda_of_torch() == expected


def test_asking_needs_no_torch():
    code = "import sys, csdn.models.gpus as g; g.why_no_gpu(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_jobs_take_gpus_of_their_own_and_then_share_evenly(machine, monkeypatch, capsys):
    machine(2)
    claimed = []
    for expected in ("GPU-a", "GPU-b", "GPU-a", "GPU-b"):
        claimed.append(claim_gpu_for_process())
        assert visible_gpus() == [expected]
        monkeypatch.delenv(VISIBLE)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert "all 2 GPUs are taken; GPU-a is shared by 2 jobs" in told[0]
    claimed[1].release()
    claim = claim_gpu_for_process()
    assert visible_gpus() == ["GPU-b"]
    claim.release()


def test_a_gpu_is_free_again_when_its_job_was_killed(machine, monkeypatch, tmp_path):
    machine(2)
    path = str(tmp_path / "csdn-gpu-GPU-a-0.lock")
    code = f"import filelock; lock = filelock.FileLock({path!r}); lock.acquire(); print(1, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as job:
        job.stdout.readline()
        claim_gpu_for_process().release()
        assert visible_gpus() == ["GPU-b"]
        monkeypatch.delenv(VISIBLE)
        job.kill()
    claim_gpu_for_process().release()
    assert visible_gpus() == ["GPU-a"]


def test_a_number_and_an_id_mean_the_same_lock(machine, monkeypatch):
    machine(2)
    first = claim_gpu_for_process()
    monkeypatch.setenv(VISIBLE, "0,1")
    second = claim_gpu_for_process()
    assert visible_gpus() == ["1"]
    assert isinstance(first, FileLock)
    assert isinstance(second, FileLock)


@pytest.mark.parametrize("visible", ["1", "GPU-b", "MIG-1a2b", ""])
def test_who_has_one_gpu_or_none_takes_no_lock(machine, monkeypatch, tmp_path, visible):
    machine(2)
    monkeypatch.setenv(VISIBLE, visible)
    assert claim_gpu_for_process() is None
    assert not list(tmp_path.iterdir())


def test_a_machine_without_a_driver_takes_no_lock(machine, tmp_path):
    machine(None)
    assert claim_gpu_for_process() is None
    assert not list(tmp_path.iterdir())
