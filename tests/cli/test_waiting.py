import os
import subprocess
import sys

import pytest

SEEN_BY_TORCH = "import sys, os; sys.modules['torch'] = None\ntry: import onebit.cli\nexcept ImportError: pass\n"


@pytest.mark.parametrize(("own", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_is_set_before_torch_is_loaded_and_a_users_own_setting_stays(own, expected):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if own:
        environment["OMP_WAIT_POLICY"] = own
    code = SEEN_BY_TORCH + "print(os.environ['OMP_WAIT_POLICY'])"  # torch cannot be imported there: it comes later
    child = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert child.stdout.strip() == expected
