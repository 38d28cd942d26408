"""Learning from a teacher's outputs.

Source: Hinton, Vinyals and Dean 2015, arXiv:1503.02531.
"""

import torch.nn.functional as F
from torch import Tensor

from burnish.errors import UsageError

__all__ = ["distillation"]


def distillation(outputs: Tensor, teacher: Tensor, *, kind: str = "classification", temperature: float = 2.0) -> Tensor:
    """How far the student's outputs are from the teacher's, one value per example `(batch,)`.

    Classes: divergence of the student's from the teacher's distribution, both softened by `temperature` and
    scaled by its square, so that gradients keep their size. Labels: the same for each label, summed. Values: mean
    squared difference.

    Args:
        outputs: The student's `(batch, outputs)`.
        teacher: The teacher's, of the same shape; no gradient reaches it.
        kind: `classification`, `multilabel` or `regression`.
        temperature: Above one shows more of how the teacher ranks the wrong classes.

    Raises:
        UsageError: shapes differ.
        ValueError: `temperature` is not positive, or the kind is unknown.

    Example:
        >>> import torch
        >>> distillation(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 2.0]])).item()
        0.0
    """
    if outputs.shape != teacher.shape:
        raise UsageError(f"student outputs {tuple(outputs.shape)} and teacher outputs {tuple(teacher.shape)} differ")
    if temperature <= 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    teacher = teacher.detach()
    if kind == "regression":
        return F.mse_loss(outputs, teacher, reduction="none").mean(1)
    if kind == "multilabel":
        losses = F.binary_cross_entropy_with_logits(
            outputs / temperature, (teacher / temperature).sigmoid(), reduction="none"
        )
        least = F.binary_cross_entropy_with_logits(
            teacher / temperature, (teacher / temperature).sigmoid(), reduction="none"
        )
        return (losses - least).sum(1) * temperature**2
    if kind != "classification":
        raise ValueError(f"unknown kind {kind!r}; classification, multilabel or regression")
    student_logs = (outputs / temperature).log_softmax(1)
    teacher_logs = (teacher / temperature).log_softmax(1)
    return F.kl_div(student_logs, teacher_logs, reduction="none", log_target=True).sum(1) * temperature**2
