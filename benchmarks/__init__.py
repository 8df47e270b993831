"""What Flux reaches on this machine, beside what the machine allows: `python -m benchmarks`."""
