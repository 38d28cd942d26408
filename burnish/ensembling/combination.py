"""How the answers of several networks become one answer, as a value that is fitted, applied, exported and stored.

Members answer with tables `(members, rows, outputs)`: class probabilities, label probabilities, or values in the
network's own scale. Probabilities are averaged, never logits: a mean of logits is a geometric mean, which the least
sure member rules.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.errors import UsageError

__all__ = ["SMALLEST", "Combination", "as_outputs", "as_tables", "features"]

Array = np.ndarray
SMALLEST = 1e-6  # probabilities below it are taken for it where logarithms are needed
TIE = 1e-3  # of a vote's answer is the mean probability, which breaks ties and keeps logarithms finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """How members are combined.

    Attributes:
        method: `average`, `vote`, `greedy`, `weights` or `stack`.
        kind: `classification`, `multilabel` or `regression`.
        weights: Share of each member; they sum to one.
        coefficients: Of a stack, one row for each output: on the log probabilities of all members and classes, or on
            the members' values (log odds for labels) of the same output.
        intercepts: Of a stack, one for each output.
    """

    method: str
    kind: str
    weights: tuple[float, ...]
    coefficients: tuple[tuple[float, ...], ...] = ()
    intercepts: tuple[float, ...] = ()

    def apply(self, tables: Array) -> Array:
        """One table `(rows, outputs)` from those of the members.

        Raises:
            UsageError: there are not as many tables as members.
        """
        if len(tables) != len(self.weights):
            raise UsageError(f"the combination is for {len(self.weights)} members, got the tables of {len(tables)}")
        if self.coefficients:
            return self._stacked(np.asarray(tables, dtype=np.float64))
        mean = np.tensordot(np.array(self.weights), np.asarray(tables, dtype=np.float64), axes=1)
        return mean if self.method != "vote" else (1 - TIE) * self._votes(tables) + TIE * mean

    def without_idle(self) -> tuple[tuple[int, ...], "Combination"]:
        """Positions of the members that count, and the combination of these alone: what has to ship."""
        used = tuple(i for i, weight in enumerate(self.weights) if weight > 0)
        if self.coefficients or len(used) == len(self.weights):
            return tuple(range(len(self.weights))), self
        weights = tuple(self.weights[i] for i in used)
        return used, Combination(method=self.method, kind=self.kind, weights=weights)

    def to_json(self) -> dict[str, Any]:
        """Plain types; `from_json` rebuilds the combination."""
        return {
            "method": self.method,
            "kind": self.kind,
            "weights": list(self.weights),
            "coefficients": [list(row) for row in self.coefficients],
            "intercepts": list(self.intercepts),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Combination":
        """What `to_json` gave."""
        return cls(
            method=value["method"],
            kind=value["kind"],
            weights=tuple(value["weights"]),
            coefficients=tuple(tuple(row) for row in value["coefficients"]),
            intercepts=tuple(value["intercepts"]),
        )

    def _votes(self, tables: Array) -> Array:
        if self.kind == "multilabel":
            ballots = (np.asarray(tables) >= 0.5).astype(np.float64)
        else:
            ballots = np.eye(tables.shape[2])[np.asarray(tables).argmax(2)]
        return np.tensordot(np.array(self.weights), ballots, axes=1)

    def _stacked(self, tables: Array) -> Array:
        inputs, rows = features(tables, self.kind), np.array(self.coefficients)
        if self.kind == "classification":
            logits = inputs @ rows.T + self.intercepts
            exponentials = np.exp(logits - logits.max(1, keepdims=True))
            return exponentials / exponentials.sum(1, keepdims=True)
        values = np.einsum("mnk,km->nk", inputs, rows) + self.intercepts
        return 1 / (1 + np.exp(-values)) if self.kind == "multilabel" else values


def features(tables: Array, kind: str) -> Array:
    """What a stack sees: log probabilities `(rows, members * classes)`, or log odds or values as the tables are."""
    if kind == "regression":
        return tables
    certain = np.clip(tables, SMALLEST, 1 - SMALLEST)
    if kind == "multilabel":
        return np.log(certain) - np.log1p(-certain)
    return np.concatenate(list(np.log(np.clip(tables, SMALLEST, 1))), axis=1)


def as_tables(outputs: Array, kind: str) -> Array:
    """Network outputs `(..., outputs)` as probabilities, or as they are where values are predicted."""
    values = np.asarray(outputs, dtype=np.float64)
    if kind == "regression":
        return values
    if kind == "multilabel":
        return np.exp(-np.logaddexp(0, -values))
    exponentials = np.exp(values - values.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def as_outputs(table: Array, kind: str) -> Array:
    """Network outputs `(rows, outputs)` that decode to `table`: the way back of `as_tables`."""
    if kind == "regression":
        return table
    certain = np.clip(table, SMALLEST, 1 - SMALLEST) if kind == "multilabel" else np.clip(table, SMALLEST, 1)
    return np.log(certain) - np.log1p(-certain) if kind == "multilabel" else np.log(certain)
