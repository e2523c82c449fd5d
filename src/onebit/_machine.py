"""What this machine is called in results."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path


def cpu_name() -> str:
    """The processor as its operating system names it: "AMD EPYC, family 26 model 2, 2 CPUs"."""
    try:
        facts = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE))
    except OSError:
        facts = {}
    name = facts.get("model name", platform.processor() or platform.machine())
    kind = f", family {facts['cpu family']} model {facts['model']}" if "cpu family" in facts else ""
    return f"{name}{kind}, {os.cpu_count()} CPUs"
