"""Smaller and faster: pruning, int8, distillation; steps accepted on paired evidence, and the frontier they leave."""
