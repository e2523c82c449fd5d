"""Imported before torch: lets torch's threads sleep while they wait for each other.

By default GNU OpenMP's threads spin at every barrier. On a machine that other programs keep busy, a thread that spins
holds the core that the thread it waits for needs: a training step of 12 ms then takes 50 to 80 ms on average, 650 ms at
worst, against 13 ms with sleeping. On an idle machine sleeping costs a few microseconds a barrier. A user's own setting
stays.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
