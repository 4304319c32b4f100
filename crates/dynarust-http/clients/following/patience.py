"""Waiting for a condition, never for a time."""

import time

PATIENCE_SECONDS = 60
PAUSE_SECONDS = 0.02


class Failed(Exception):
    """Something is not as promised; the text is for whoever runs the check."""


def wait_until(holds, otherwise):
    """`otherwise` tells what is wrong, once patience is over."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise Failed(f"{otherwise()}, for {PATIENCE_SECONDS} s")
        time.sleep(PAUSE_SECONDS)
