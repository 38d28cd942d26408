"""Soups: one network whose weights are the mean of several, at the price of one.

It works where the members lie in one basin, as networks fine-tuned from the same start do; means of networks from
different starts are usually worthless, which their score shows.

Source: Wortsman et al., "Model soups", ICML 2022, arXiv:2203.05482; batch statistics of a mean, Izmailov et al. 2018,
arXiv:1803.05407.
"""

import copy
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import nn

from burnish.errors import NotApplicable
from burnish.training.averaging import reestimate_batch_norm

__all__ = ["greedy_soup", "uniform_soup"]


@torch.no_grad()
def uniform_soup(members: Sequence[nn.Module], batches: Iterable[torch.Tensor]) -> nn.Module:
    """A network with the mean of the members' weights; they are not changed.

    Args:
        members: Networks of one architecture.
        batches: Training inputs, on which batch statistics are estimated anew.

    Raises:
        NotApplicable: the members are not alike.
    """
    states = [member.state_dict() for member in members]
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    if any(shape != shapes[0] for shape in shapes[1:]):
        raise NotApplicable("weights of unlike networks have no mean; combine what they say, by average or stack")
    soup = copy.deepcopy(members[0])
    mean = {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(first.dtype)
        for name, first in states[0].items()
        if first.is_floating_point()
    }
    soup.load_state_dict(states[0] | mean)
    reestimate_batch_norm(soup, batches)
    return soup.eval()


def greedy_soup(
    members: Sequence[nn.Module], score: Callable[[nn.Module], float], batches: Sequence[torch.Tensor]
) -> tuple[nn.Module, tuple[int, ...]]:
    """Start with the best member; each further one, best first, stays in the mean where that is not worse.

    Args:
        members: Networks of one architecture.
        score: Larger is better; on rows that no member was trained on.
        batches: Training inputs for batch statistics.

    Returns:
        The soup and the positions of its members.

    Raises:
        NotApplicable: the members are not alike.
    """
    uniform_soup(members, [])  # refuses unlike ones before anything is scored
    alone = [score(member) for member in members]
    order = sorted(range(len(members)), key=lambda i: -alone[i])
    kept, best, soup = [order[0]], alone[order[0]], copy.deepcopy(members[order[0]]).eval()
    for index in order[1:]:
        tried = uniform_soup([members[i] for i in (*kept, index)], batches)
        reached = score(tried)
        if reached >= best:
            kept, best, soup = [*kept, index], reached, tried
    return soup, tuple(kept)
