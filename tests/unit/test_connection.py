# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

import pytest

from blender_addon.shared.connection import (
    ConnectionFileError,
    ConnectionInfo,
    default_connection_file,
    read_connection_file,
    write_connection_file,
)

INFO = ConnectionInfo("tcp://127.0.0.1:5000", "s" * 40, "p" * 40, "k" * 40, 123, package="0.1.0")
posix = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")


def test_round_trip(tmp_path):
    path = tmp_path / "new" / "connection.json"
    write_connection_file(path, INFO)
    assert read_connection_file(path) == INFO
    assert [p.name for p in path.parent.iterdir()] == ["connection.json"]


@posix
def test_only_the_owner_may_read_it_whatever_was_there_before(tmp_path):
    path = tmp_path / "connection.json"
    path.write_text("old")
    path.chmod(0o644)
    before = os.umask(0)
    try:
        write_connection_file(path, INFO)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


@posix
def test_a_file_that_others_may_read_is_not_used(tmp_path):
    path = tmp_path / "connection.json"
    write_connection_file(path, INFO)
    path.chmod(0o640)
    with pytest.raises(ConnectionFileError, match="Other users"):
        read_connection_file(path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "connection.json"
    write_connection_file(path, INFO)

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_connection_file(path, ConnectionInfo("other", "", "", "", 1))
    assert read_connection_file(path) == INFO
    assert len(list(tmp_path.iterdir())) == 1


def test_missing(tmp_path):
    with pytest.raises(ConnectionFileError, match="hmvlm serve"):
        read_connection_file(tmp_path / "none.json")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"endpoint": 3}', "\xff"])
def test_broken(tmp_path, text):
    path = tmp_path / "connection.json"
    write_connection_file(path, INFO)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConnectionFileError, match="delete it"):
        read_connection_file(path)


def test_default_place(monkeypatch):
    monkeypatch.setenv("HMVLM_CONNECTION_FILE", "/somewhere/c.json")
    assert default_connection_file() == Path("/somewhere/c.json")
    monkeypatch.delenv("HMVLM_CONNECTION_FILE")
    assert default_connection_file().parts[-2:] == ("hmvlm", "connection.json")
