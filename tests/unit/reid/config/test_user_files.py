"""A user's file that is missing, or a folder where a file should be, is told with what to do."""

import pytest

from reid.config.user_files import UserFile


@pytest.mark.parametrize(
    ("path", "is_folder", "problem"),
    [
        ("file", False, None),
        ("folder", True, None),
        ("file", True, "file is a file where a folder should be: put it there"),
        ("folder", False, "folder is a folder where a file should be: put it there"),
        ("gone", True, "gone is missing: put it there"),
        ("circle", True, "circle is missing: put it there"),
        ("x" * 300, False, f"{'x' * 300} is missing: put it there"),
        ("results/made.h5", False, None),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path, monkeypatch, path, is_folder, problem):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to("circle")
    assert UserFile(path, "put it there", is_folder).problem == problem
