from onebit.cli import main


def test_the_summary_of_a_run_counts_its_layers(capsys, run_folder):
    assert main(["summary", str(run_folder)]) == 0
    text = capsys.readouterr().out
    assert "BinaryLinear" in text
    assert "50,176" in text  # 784 * 64 weights of the first layer


def test_the_summary_of_a_packed_file_explains_it(capsys, packed_file):
    assert main(["summary", str(packed_file)]) == 0
    assert "dense_u8_bits" in capsys.readouterr().out
