"""The parts of scripts/benchmark: bills, the peer, processes, works, the table."""
