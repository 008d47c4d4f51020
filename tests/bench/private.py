# SPDX-License-Identifier: Apache-2.0
"""What benchmarks with real programs share: a fleet with a Redis of its own, for a `with` block.
Who imports this finds the modules of the fault tests (fleet, resp) too.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "fault"))
from fleet import Fleet  # noqa: E402


def need_built(*paths):
    """Ends the program when one of these is not built."""
    for path in paths:
        if not os.path.exists(path):
            sys.exit(f"{path} is missing: build first, or name the build in WH_BUILD_DIR")


class Private:
    """Everything ends with the block, also when its beginning fails."""

    def __init__(self):
        self.fleet = Fleet(appendfsync=None)

    def begin(self):
        """What a subclass needs besides Redis, which answers by now."""

    def __enter__(self):
        try:
            self.fleet.start_redis()
            self.begin()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            self.fleet.stop()
        except AssertionError:
            if kind is None:  # else what went wrong first tells more
                raise
        finally:
            self.fleet.remove()
