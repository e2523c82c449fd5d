import importlib.util
import runpy

import pytest

from onebit._errors import MissingExtra
from onebit.training import _extra


def test_missing_packages_are_named_with_the_command_that_brings_them(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("rich", "yaml") else find(name))
    with pytest.raises(MissingExtra, match=r"needs rich, yaml\. Run: pip install 'onebit\[train\]'"):
        runpy.run_path(_extra.__file__)
