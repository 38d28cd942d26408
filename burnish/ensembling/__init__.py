"""Several trained networks answer as one: averages, votes, stacks, greedy selections, soups and snapshots."""
