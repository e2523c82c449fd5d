import warnings

import pytest

from onebit.cli import main
from onebit.cli._warnings import plain_warnings

pytestmark = pytest.mark.filterwarnings("default")


def test_a_warning_is_one_line_of_text(capsys):
    with plain_warnings():
        warnings.warn("the file is\n  old", stacklevel=1)
    assert capsys.readouterr().err == "warning: the file is old\n"


def test_what_is_filtered_out_stays_so_and_an_error_stays_one(capsys):
    with plain_warnings():
        warnings.simplefilter("ignore")
        warnings.warn("not heard", stacklevel=1)
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="heard"):
            warnings.warn("heard", stacklevel=1)
    assert capsys.readouterr().err == ""


def test_behind_it_warnings_are_pythons_again():
    before = warnings.showwarning
    with plain_warnings():
        assert warnings.showwarning is not before
    assert warnings.showwarning is before


def test_a_command_tells_plainly(tmp_path, capsys, root, run_folder):
    (tmp_path / "run").mkdir()
    for file in run_folder.iterdir():
        if file.is_file():
            (tmp_path / "run" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"torn")
    command = ["train", "mnist-demo", "--set", "model.options.hidden=[64,40]", "epochs=6", "batch_size=50"]
    assert main([*command, "--out", str(tmp_path / "run"), "--root", str(root), "--resume", "--quiet"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: ")
    assert "checkpoint.pt" in line
