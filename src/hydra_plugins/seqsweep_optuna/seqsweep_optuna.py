"""`hydra/sweeper=optuna` searches a space with Optuna's samplers, within a budget.

Every Hydra app of the environment imports this module at its start, so it imports only Hydra.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

from hydra_plugins.seqsweep_sweeper._base import ConfirmConf, RunsSweeper


@dataclass
class BudgetConf:
    """The limits of a search; the first one that is reached ends it."""

    trials: int | None = 50
    epochs: int | None = None
    minutes: float | None = None


@dataclass
class SamplerOptionsConf:
    """The options of all samplers; those that are not null must be the sampler's."""

    n_startup_trials: int | None = None  # tpe, gp
    n_ei_candidates: int | None = None  # tpe
    multivariate: bool | None = None
    group: bool | None = None
    constant_liar: bool | None = None
    deterministic_objective: bool | None = None  # gp


@dataclass
class PrunerOptionsConf:
    """The options of all pruners; those that are not null must be the pruner's."""

    n_startup_trials: int | None = None  # median
    n_warmup_epochs: int | None = None
    interval: int | None = None
    min_epochs: int | None = None  # hyperband
    eta: int | None = None


@dataclass
class OptunaSweeperConf:
    """The sweeper's config; `seqsweep.extras.search.settings` says what the keys mean."""

    _target_: str = "hydra_plugins.seqsweep_optuna.seqsweep_optuna.OptunaSweeper"
    params: dict[str, Any] | None = field(default_factory=dict)
    sampler: str = "tpe"
    sampler_options: SamplerOptionsConf = field(default_factory=SamplerOptionsConf)
    seed: int = 0
    budget: BudgetConf = field(default_factory=BudgetConf)
    parallel: int = 16
    pruner: str = "none"
    pruner_options: PrunerOptionsConf = field(default_factory=PrunerOptionsConf)
    seeds: int = 1
    confirm: ConfirmConf = field(default_factory=ConfirmConf)


# conf/hydra/sweeper/optuna.yaml gives it the name `optuna` for seqsweep alone: hydra-optuna-sweeper
# uses this name for all Hydra apps of an environment.
ConfigStore.instance().store(
    group="hydra/sweeper", name="seqsweep_optuna", node=OptunaSweeperConf, provider="seqsweep"
)


class OptunaSweeper(RunsSweeper):
    """Passes a space and the settings of its search to `seqsweep.extras.search`.

    Args:
        params: overrides with the space. Those on the command line take precedence.
        options: the other keys of `OptunaSweeperConf`.
    """

    def __init__(self, params: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(params)
        self.options = options

    def sweep(self, arguments: list[str]) -> None:
        # Imported here for the reason in the module's docstring.
        from seqsweep.extras.search.findings import has_optuna

        if not has_optuna():
            raise ModuleNotFoundError(
                "hydra/sweeper=optuna: needs Optuna: pip install 'seqsweep[search]'"
            )
        from seqsweep.extras.search.command import search

        overrides, launcher = self.overrides(arguments), self.run_launcher()
        code = search(self.options, overrides, self.composer(), launcher, self.folder)
        if code:
            raise SystemExit(code)
