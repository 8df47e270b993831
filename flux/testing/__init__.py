"""Help for the tests of those who use Flux."""

from flux.testing.clock import FakeClock

__all__ = ["FakeClock"]
