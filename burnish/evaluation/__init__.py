"""Quality with intervals, cost, paired comparison, generalization and cross-fitted choices."""
