"""How a pass over shard specifications runs: Beam's runners, worker processes, pieces of a split."""
