import os
from pathlib import Path

from onebit._machine import cpu_name


def test_a_processor_has_a_name_and_a_count(monkeypatch):
    assert cpu_name().endswith(f"{os.cpu_count()} CPUs")

    def refuse(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", refuse)  # as on a system without /proc
    assert cpu_name().endswith(f"{os.cpu_count()} CPUs")
