from onebit.cli import main


def test_convert_explains_verifies_and_names_the_file(capsys, run_folder, root, tmp_path):
    path = tmp_path / "packed.onnx"
    assert main(["convert", str(run_folder), "-o", str(path), "--root", str(root)]) == 0
    text = capsys.readouterr().out
    assert "dense_bits" in text
    assert f"{path}: " in text
    assert "verified on 200 pictures" in text


def test_the_output_must_be_an_onnx_file(capsys, run_folder):
    assert main(["convert", str(run_folder), "-o", "packed.bin"]) == 2
    assert ".onnx" in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_refused(capsys, tmp_path):
    assert main(["convert", str(tmp_path), "-o", str(tmp_path / "x.onnx")]) == 2
    assert "not a run" in capsys.readouterr().err
    assert not (tmp_path / "x.onnx").exists()
