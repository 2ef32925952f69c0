"""The server of several hosts: which PostgreSQL it runs, which database it uses, and what a failure is told as."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from csdn.errors import UserError
from csdn.tracking import server


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Makes empty programs in folders, instead of those of this machine; none is in PATH."""

    def install(*folders):
        for folder in folders:
            (tmp_path / folder).mkdir(parents=True)
            for program in ("initdb", "postgres"):
                (tmp_path / folder / program).touch()

    monkeypatch.setattr(server.shutil, "which", lambda name: None)
    monkeypatch.setattr(Path, "glob", lambda self, pattern: [tmp_path / v / "bin" for v in ("9.6", "17", "10", "8")])
    return install


def test_the_newest_version_with_all_its_programs_is_run(installed, tmp_path):
    (tmp_path / "17" / "bin").mkdir(parents=True)  # the client alone
    installed("9.6/bin", "10/bin", "8/bin")
    assert server.postgres_programs() == tmp_path / "10" / "bin"


def test_programs_in_path_come_first_and_none_at_all_is_told(installed, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"no initdb in PATH .*apt-get install postgresql"):
        server.postgres_programs()
    installed("own", "17/bin")
    monkeypatch.setattr(server.shutil, "which", lambda name: str(tmp_path / "own" / name))
    assert server.postgres_programs() == tmp_path / "own"


@pytest.mark.parametrize("as_another_user", [[], ["runuser", "-u", "postgres", "--"]])
def test_a_failure_of_postgresql_names_its_program_and_its_last_line(as_another_user, monkeypatch):
    failed = SimpleNamespace(returncode=1, stdout="starting\n", stderr="first\nno space\n")
    monkeypatch.setattr(server.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(UserError, match=r"^PostgreSQL: initdb: no space; see server\.log"):
        server._call([*as_another_user, "/usr/lib/postgresql/17/bin/initdb", "-E", "UTF8"])


def test_a_database_that_is_named_is_served_and_no_other_is_started(monkeypatch, tmp_path):
    served = []
    monkeypatch.setitem(sys.modules, "psycopg2", object())
    monkeypatch.setattr(server, "_serve_on", lambda *given: served.append(given) or 0)
    monkeypatch.setattr(server, "postgres", None)  # would fail when called
    monkeypatch.setenv(server.DATABASE_VARIABLE, "postgresql://u:p@db/x")
    assert server.serve(tmp_path / "f", "0.0.0.0", 5001, 3) == 0  # noqa: S104
    assert served == [("postgresql://u:p@db/x", tmp_path / "f" / "artifacts", "0.0.0.0", 5001, 3)]  # noqa: S104
    assert (tmp_path / "f" / "artifacts").is_dir()


def test_a_missing_driver_is_one_line_and_exit_code_2(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "psycopg2", None)  # makes the import fail
    monkeypatch.setattr(sys, "argv", ["server", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        server.main()
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("csdn: PostgreSQL's driver is missing: ") and told.count("\n") == 1
