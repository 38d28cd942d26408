"""Designed experiments: which runs to do, which effects they show, what to confirm. Knows names, not techniques.

In the order of use: `budget`, `levels`, `exchange`, `design`, `strength` (what a design can show), `collapse`,
`analysis`, `candidates`, `confirmation`, `contrasts`, `effects`; `so_far` while runs are under way.
"""
