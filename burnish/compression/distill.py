"""Training a small network with a large one, or several, as its teacher.

Source: Hinton, Vinyals and Dean 2015, arXiv:1503.02531; values instead of classes: Saputra et al. 2019,
arXiv:1908.00858; teachers trained with label smoothing: Müller, Kornblith and Hinton 2019, arXiv:1906.02629.
"""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from burnish.losses import distillation

__all__ = ["SMOOTHED", "averaged", "distillation_loss", "distilled", "fidelity"]

KINDS = ("classification", "multilabel", "regression")
Array = np.ndarray
LossFunction = Callable[[Tensor, Tensor], Tensor]
Objective = Callable[[Tensor, Tensor, Tensor], Tensor]
# said before a network trained with label smoothing teaches
SMOOTHED = (
    "the teacher was trained with label smoothing, which hides from its students how similar the wrong classes are "
    "(Müller et al. 2019, arXiv:1906.02629): a teacher trained without it may teach better"
)


def distillation_loss(
    student_outputs: Tensor,
    teacher_outputs: Tensor,
    targets: Tensor,
    loss: LossFunction,
    *,
    temperature: float = 4.0,
    weight: float = 0.9,
    kind: str = "classification",
) -> Tensor:
    """`weight` times the distance to the teacher plus the rest times `loss` on the targets, a scalar.

    Args:
        student_outputs: `(batch, outputs)`: logits, or standardized values.
        teacher_outputs: The teacher's for the same inputs; no gradient reaches them.
        targets: What `loss` takes.
        loss: `(outputs, targets) -> scalar`.
        temperature: Softens both distributions; not used for regression.
        weight: Share of the teacher, in [0, 1].
        kind: `classification`, `multilabel` or `regression`.

    Raises:
        ValueError: `weight` or `temperature` is out of range, or the kind is unknown.
        UsageError: outputs differ in shape.
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"weight must be between 0 and 1, got {weight}")
    taught = distillation(student_outputs, teacher_outputs, kind=kind, temperature=temperature).mean()
    return weight * taught + (1 - weight) * loss(student_outputs, targets)


def averaged(outputs: Sequence[Tensor], *, kind: str = "classification", temperature: float = 1.0) -> Tensor:
    """What several teachers say together, as the outputs of one.

    Classes: the mean of their probabilities, softened by `temperature`, as logits that give it back at that
    temperature. The mean of logits would be a geometric mean, which the least sure teacher rules. Labels:
    the same for each. Values: their mean.

    Example:
        >>> both = averaged([torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 100.0]])])
        >>> both.softmax(1)
        tensor([[0.2500, 0.7500]])
    """
    if len(outputs) == 1:
        return outputs[0]
    stacked = torch.stack(list(outputs))
    if kind == "regression":
        return stacked.mean(0)
    if kind == "multilabel":
        yes, no = (nn.functional.logsigmoid(sign * stacked / temperature).logsumexp(0) for sign in (1, -1))
        return temperature * (yes - no)
    logs = (stacked / temperature).log_softmax(-1)
    return temperature * (logs.logsumexp(0) - float(np.log(len(outputs))))


def distilled(
    loss: LossFunction,
    teacher: nn.Module | Sequence[nn.Module],
    *,
    temperature: float = 4.0,
    weight: float = 0.9,
    kind: str = "classification",
) -> Objective:
    """The objective `(outputs, targets, inputs) -> scalar` of training a student with `teacher`.

    Teachers see the student's own inputs, augmented and mixed as they are. They are copied, put in evaluation
    mode and follow the inputs' device. Of several, the probabilities are averaged.

    Raises:
        ValueError: `weight` is not in [0, 1], `temperature` not positive, the kind unknown, or there is no teacher.
    """
    if not 0 <= weight <= 1 or temperature <= 0 or kind not in KINDS:
        raise ValueError(
            f"got weight={weight}, temperature={temperature}, kind={kind!r}; expected a weight in [0, 1], a positive "
            f"temperature, and one of {', '.join(KINDS)}"
        )
    given = [teacher] if isinstance(teacher, nn.Module) else list(teacher)
    if not given:
        raise ValueError("got no teacher; expected one network or several")
    masters = [copy.deepcopy(each).eval().requires_grad_(False) for each in given]

    def objective(outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        with torch.no_grad():
            said = [master.to(inputs.device)(inputs) for master in masters]
            taught = averaged(said, kind=kind, temperature=temperature)
        return distillation_loss(outputs, taught, targets, loss, temperature=temperature, weight=weight, kind=kind)

    return objective


def fidelity(student: Array, teacher: Array, *, kind: str = "classification") -> dict[str, float]:
    """How faithful a student is to its teacher, from their outputs `(n, outputs)`.

    Returns:
        `agreement` (share of examples with the same class, or of labels decided alike) and `divergence` (mean
        Kullback-Leibler divergence of the student from the teacher, in nats, over an example's labels summed); for
        regression `distance`, the root mean square of the difference.
    """
    if kind == "regression":
        return {"distance": float(np.sqrt(((student - teacher) ** 2).mean()))}
    if kind == "multilabel":
        return _label_fidelity(student.astype(np.float64), teacher.astype(np.float64))
    logs = [values - np.logaddexp.reduce(values, axis=1, keepdims=True) for values in (student, teacher)]
    divergence = (np.exp(logs[1]) * (logs[1] - logs[0])).sum(1).mean()
    return {
        "agreement": float((student.argmax(1) == teacher.argmax(1)).mean()),
        "divergence": max(float(divergence), 0.0),
    }


def _label_fidelity(student: Array, teacher: Array) -> dict[str, float]:
    sure = np.exp(-np.logaddexp(0, -teacher))
    divergence = sure * (np.logaddexp(0, -student) - np.logaddexp(0, -teacher))
    divergence += (1 - sure) * (np.logaddexp(0, student) - np.logaddexp(0, teacher))
    return {
        "agreement": float(((student >= 0) == (teacher >= 0)).mean()),
        "divergence": max(float(divergence.sum(1).mean()), 0.0),
    }
