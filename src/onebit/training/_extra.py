"""Training needs packages that the run time does not; this says so before one of them is missed."""

from __future__ import annotations

from importlib.util import find_spec

from onebit._errors import MissingExtra

missing = [name for name in ("accelerate", "matplotlib", "rich", "safetensors", "yaml") if find_spec(name) is None]
if missing:
    raise MissingExtra(f"onebit.training needs {', '.join(missing)}. Run: pip install 'onebit[train]'")
