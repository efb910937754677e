"""The options of ``firstwatch run start`` that say what to launch, and the launch settings made of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from firstwatch.cli.backtest_options import decimal
from firstwatch.cli.names import split_version
from firstwatch.market.launch_files import read_guards, read_reset, read_session
from firstwatch.store.algorithms import get_version
from firstwatch.store.runs import full_run_id
from firstwatch.store.wallets import get_wallet
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.launch import LaunchSettings, OnDiverged
from firstwatch.trading.validation import validation_sentences

if TYPE_CHECKING:
    from firstwatch.store.database import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchOptions:
    """The options as typed, not checked yet. Fields that ``LaunchSettings`` also has mean the same."""

    algorithm: str
    """``NAME`` or ``NAME@VERSION``."""
    wallet: str
    symbol: str
    capital: str
    leverage: str
    trades_limit: int | None
    assume_position_now: bool
    close_position_on_exit: bool
    session: Path | None
    reset: Path | None
    guards: Path | None
    on_diverged: OnDiverged
    accepted_warnings: str | None
    without_stop_reason: str | None
    skip_protection_proof: str | None
    parent: str | None
    """The beginning of a run's id."""

    def settings(self, store_session: "Session") -> LaunchSettings:
        """Return the checked settings; the confirmed name is still missing.

        Raises:
            WrongUseError: there is no such version, wallet or parent run, a file cannot be read, or a value
                is not allowed.
        """
        version = get_version(store_session, *split_version(self.algorithm))
        get_wallet(store_session, self.wallet)
        fields: dict[str, Any] = {
            "algorithm": version.name,
            "version": version.number,
            "wallet": self.wallet,
            "symbol": self.symbol,
            "trades_limit": self.trades_limit,
            "assume_position_now": self.assume_position_now,
            "close_position_on_exit": self.close_position_on_exit,
            "on_diverged": self.on_diverged,
            "accepted_warnings": self.accepted_warnings,
            "without_stop_reason": self.without_stop_reason,
            "skip_protection_proof": self.skip_protection_proof,
        }
        if self.session is not None:
            fields["session"] = read_session(self.session)
        if self.reset is not None:
            fields["reset"] = read_reset(self.reset)
        if self.guards is not None:
            fields["guards"] = read_guards(self.guards)
        fields["capital"] = decimal(self.capital, "--capital")
        fields["leverage"] = decimal(self.leverage, "--leverage")
        if self.parent is not None:
            fields["parent_run_id"] = full_run_id(store_session, self.parent)
        try:
            return LaunchSettings.model_validate(fields)
        except ValidationError as error:
            raise WrongUseError("\n".join(validation_sentences(LaunchSettings, error))) from error
