import json

from onebit.cli import main


def test_the_demo_goes_the_whole_way(capsys, root, small, tmp_path):
    out = tmp_path / "demo"
    assert main(["demo", *small, "--out", str(out), "--root", str(root), "--quiet"]) == 0
    text = capsys.readouterr().out
    for word in ("Train", "Convert", "Verify", "Compare", "equal answers", "latency, batch 1", "x smaller"):
        assert word in text
    result = json.loads((out / "demo.json").read_text())
    assert result["equal"] is True
    assert result["float32"]["accuracy"] == result["onebit"]["accuracy"]
    for name in ("curves.png", "digits.png", "model.onnx"):
        assert (out / name).stat().st_size > 0
