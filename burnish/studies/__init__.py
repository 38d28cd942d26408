"""Designed experiments: which runs to do, which effects they show, what to confirm. Knows names, not techniques.

In the order of use: `budget`, `design`, `collapse`, `analysis`, `candidates`, `confirmation`, `contrasts`, `effects`.
"""
