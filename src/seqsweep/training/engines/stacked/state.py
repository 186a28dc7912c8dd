"""The state of a stack after an epoch: its members and their networks.

K members, D directions, N = K*D lanes, P numbers of a lane.
"""

import dataclasses
from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from seqsweep.stacked.grouping import padded
from seqsweep.stacked.layout import Layout, StackShape
from seqsweep.stacked.loss import StackedLoss
from seqsweep.stacked.network import StackedNetwork
from seqsweep.training.engines.joint.member import Checkpoint, TrainingMember, checkpoints, unpacked
from seqsweep.training.stack_shape import stack_shape


class Stack:
    """The networks, loss, optimizer and best weights of the members that still train.

    Args:
        members: of one `engine.stack_key`.
        input_size, num_classes: the sizes of the data.
        device, compute_dtype: see `StackedNetwork`.
    """

    def __init__(
        self,
        members: Sequence[TrainingMember],
        input_size: int,
        num_classes: int,
        device: torch.device | str = "cpu",
        compute_dtype: torch.dtype | None = None,
    ) -> None:
        network = members[0].network
        self.shape = stack_shape(network, padded(network.hidden_size), input_size, num_classes)
        self.device = torch.device(device)
        self.compute_dtype = compute_dtype
        self.members = list(members)
        self.epochs = 0
        self._build()
        for index, member in enumerate(self.members):
            self.network.load(index, member.initial_vector())
        self.best = self.rows.clone()

    def _build(self) -> None:
        members = self.members
        self.network = self._network(members, [member.network.dropout for member in members])
        self.loss = self._loss(members)
        self.optimizer = members[0].schedule.kind(
            self.rows,
            self.network.rows(self.network.gradient),
            [member.schedule.options(self.epochs) for member in members],
        )
        self.max_norm: Tensor | None = None
        if any(member.clip is not None for member in members):
            # An infinite norm leaves the gradients of a member without clipping unchanged.
            norms = [float("inf") if m.clip is None else m.clip for m in members]
            self.max_norm = torch.tensor(norms, device=self.device)

    def _network(
        self, members: Sequence[TrainingMember], dropout: Sequence[float]
    ) -> StackedNetwork:
        hidden = [member.network.hidden_size for member in members]
        return StackedNetwork(
            self.shape, hidden, dropout, torch.float32, self.device, self.compute_dtype
        )

    def _loss(self, members: Sequence[TrainingMember]) -> StackedLoss:
        return StackedLoss(
            [member.class_weights for member in members],
            [member.label_smoothing for member in members],
            self.shape.num_classes,
            device=self.device,
        )

    @property
    def rows(self) -> Tensor:
        """All weights (K, D*P)."""
        return self.network.rows(self.network.flat)

    @property
    def steps(self) -> int:
        """The number of optimizer steps of each member."""
        return self.optimizer.steps

    def keep_best(self, better: Collection[TrainingMember]) -> None:
        """Keeps the weights of these members as their best so far."""
        if len(better) == len(self.members):
            self.best.copy_(self.rows)
        elif better:
            indices = [index for index, member in enumerate(self.members) if member in better]
            chosen = torch.tensor(indices, device=self.device)
            self.best.index_copy_(0, chosen, self.rows.index_select(0, chosen))

    def drop(self, gone: Collection[TrainingMember]) -> None:
        """Takes members out of the stack, which then takes less time and memory."""
        indices = [index for index, member in enumerate(self.members) if member not in gone]
        if not indices:
            self.members.clear()
            return
        chosen = torch.tensor(indices, device=self.device)
        # The networks are built again for fewer members, so their state is copied over.
        weights, best = self.rows[chosen], self.best[chosen]
        state = {name: moment[chosen] for name, moment in self.optimizer.state.items()}
        steps = self.steps
        self.members[:] = [self.members[index] for index in indices]
        self._build()
        self.rows.copy_(weights)
        self.best = best
        self._set_state(steps, state)

    def best_of(self, members: Sequence[TrainingMember]) -> tuple[StackedNetwork, StackedLoss]:
        """Returns networks with the best weights of some members, and their loss."""
        network = self._network(members, [0.0] * len(members))
        indices = [self.members.index(member) for member in members]
        network.rows(network.flat).copy_(self.best[indices])
        return network, self._loss(members)

    def state_dict(self) -> Checkpoint:
        """Returns the state of the whole stack in a dozen tensors."""
        return {
            "engine": "stacked",
            "epoch": self.epochs - 1,
            "global_step": self.steps,
            "shape": dataclasses.asdict(self.shape),
            "run_ids": [member.run_id for member in self.members],
            "weights": self.rows,
            "best": self.best,
            "optimizer": self.optimizer.state,
            "members": [member.packed() for member in self.members],
        }

    def restore(self, checkpoints: Sequence[Checkpoint], bests: Sequence[Checkpoint]) -> None:
        """Restores the state from the members' own checkpoints, all of one epoch."""
        (epoch,) = {checkpoint["epoch"] for checkpoint in checkpoints}
        (steps,) = {checkpoint["global_step"] for checkpoint in checkpoints}
        self.epochs = epoch + 1
        state = {name: torch.zeros_like(self.rows) for name in self.optimizer.moments}
        for index, (member, checkpoint, best) in enumerate(
            zip(self.members, checkpoints, bests, strict=True)
        ):
            self.network.load(index, member.vector(checkpoint["state_dict"]))
            positions = self.network.layout.positions(member.network.hidden_size).to(self.device)
            # A member's own checkpoint has no padding, so its numbers are put at their places in
            # the lane.
            self.best[index].zero_()
            self.best[index, positions] = member.vector(best["state_dict"]).to(self.best)
            for name, moment in checkpoint["optimizer"].items():
                state[name][index, positions] = moment.to(self.best)
            member.load_state_dict(checkpoint)
        self._set_state(steps, state)
        self.set_options()

    def set_options(self) -> None:
        """Gives the optimizer the members' options of the next epoch."""
        self.optimizer.set([member.schedule.options(self.epochs) for member in self.members])

    def _set_state(self, steps: int, state: dict[str, Tensor]) -> None:
        self.optimizer.steps = steps
        for name, moment in state.items():
            self.optimizer.state[name].copy_(moment)


def cut(checkpoint: Checkpoint, member: TrainingMember) -> tuple[Checkpoint, Checkpoint]:
    """Returns a member's last and best checkpoint, from the state of its stack."""
    index = checkpoint["run_ids"].index(member.run_id)
    positions = Layout(StackShape(**checkpoint["shape"])).positions(member.network.hidden_size)

    def vector(rows: Tensor) -> Tensor:
        return rows[index].cpu()[positions]

    head = {
        "engine": "stacked",
        **unpacked(checkpoint["members"][index]),
        "epoch": checkpoint["epoch"],
        "global_step": checkpoint["global_step"],
    }
    moments = {name: vector(rows) for name, rows in checkpoint["optimizer"].items()}
    weights, best = vector(checkpoint["weights"]), vector(checkpoint["best"])
    return checkpoints(member, head, weights, moments, best)
