"""The variables that Ray reads when it is imported."""

import os
import secrets
from typing import Optional


def set_ray_environment(address: Optional[str]) -> None:
    """
    Set what Ray needs to run quietly, on this machine or as a client of the cluster at an address. It reads some variables once, when it
    is imported, and must not have been before.

    On this machine its processes listen on ports of all interfaces, which cannot be changed. Without the token, which is made for this
    run, they answer nothing.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Otherwise it warns, on machines with GPUs, that what it hides from workers without any will change.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # The first error that a worker raises ends the run; Ray would print those of the others, with their tracebacks.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    if address is None:
        # As this process: it is for `nice` to say otherwise. Ray's 15 starves workers beside anything else that computes.
        os.environ.setdefault("RAY_worker_niceness", "0")
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
