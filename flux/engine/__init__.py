"""Runs, replays and suspends workflows; reaches the world through the protocols in `flux.engine.ports`."""
