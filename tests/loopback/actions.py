"""What ``/exchange`` does with a signed action: who signed, may he, was the nonce used, and then."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.loopback.books import Account, Agent, Order, Trigger, money
from tests.loopback.exchange import Exchange, Rejected
from tests.loopback.signing import USER_SIGNED, l1_digest, recovered, user_digest
from tests.loopback.wire import Malformed, address, canonical

DAY_MS = 86_400_000
NONCES_KEPT = 100
AGENT_LIFE_MS = 180 * DAY_MS
NAMED_AGENTS = 3
HIGHEST_BUILDER_FEE = 100
FIRST_CREDIT_USD = Decimal(1)
WITHDRAWAL_FEE_USD = Decimal(1)
DEAD_MAN_VOLUME_USD = Decimal(1_000_000)
IMPLICIT = frozenset({"approveBuilderFee", "setReferrer", "userSetAbstraction", "userDexAbstraction"})
"""What a client library may do unasked."""


class Refusal(Exception):
    """The venue refuses the action as a whole: ``{"status": "err", "response": ...}``."""


@dataclass(slots=True)
class Sent:
    """One action that the venue understood, for the audit."""

    kind: str
    signer: str
    account: str
    nonce: int
    is_agent: bool
    action: dict[str, Any]
    refusal: str = ""


@dataclass(slots=True)
class Nonces:
    """The highest nonces of one signer."""

    used: set[int] = field(default_factory=set)

    def take(self, nonce: int, wall_ms: int) -> None:
        if not wall_ms - 2 * DAY_MS < nonce < wall_ms + DAY_MS:
            raise Refusal(f"Invalid nonce: {nonce} is not close to {wall_ms}")
        if nonce in self.used:
            raise Refusal(f"Invalid nonce: duplicate nonce {nonce}")
        if len(self.used) >= NONCES_KEPT:
            if nonce < min(self.used):
                raise Refusal(f"Invalid nonce: {nonce} is lower than all that are kept")
            self.used.discard(min(self.used))
        self.used.add(nonce)


class Actions:
    """The desk at which signed actions arrive. Nothing here looks at how they were made."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        is_testnet: bool,
        wall_ms: Callable[[], int],
        address_limit: int = 10_000,
        builder_needs_usd: Decimal = Decimal(0),
    ) -> None:
        self.exchange = exchange
        self.is_testnet = is_testnet
        self.sent: list[Sent] = []
        self.duplicate_nonces = 0
        self.unknown_signers: Counter[str] = Counter()
        self.address_limit = address_limit
        self._builder_needs_usd = builder_needs_usd
        self._wall_ms = wall_ms
        self._nonces: dict[str, Nonces] = defaultdict(Nonces)
        self._next_sub_account = 0

    # --- the whole ------------------------------------------------------------------------------

    def do(self, body: Any, *, refusal: str = "") -> dict[str, Any]:
        """Do what a request says; return the answer. ``refusal``: a fault, refused with that sentence.

        Raises:
            Malformed: the request has no such shape (HTTP 422).
        """
        action, nonce, vault, expires = self._read(body)
        kind = action["type"]
        try:
            if kind in USER_SIGNED:
                account, signer, is_agent = self._user_signed(action, nonce, body["signature"])
            else:
                account, signer, is_agent = self._l1_signed(action, nonce, vault, expires, body["signature"])
            sent = Sent(kind, signer, account.address, nonce, is_agent, action)
            self.sent.append(sent)
            try:
                self._spend(account, signer, action, nonce)
                if expires is not None and self._wall_ms() > expires:
                    raise Refusal("Action expired")  # after the nonce: it can never execute later
                if refusal:
                    raise Refusal(refusal)
                response = getattr(self, f"_do_{_snake(kind)}", self._unsupported)(account, action)
            except Refusal as reason:
                sent.refusal = str(reason)
                raise
        except Refusal as reason:
            return {"status": "err", "response": str(reason)}
        return {"status": "ok", "response": response}

    def _read(self, body: Any) -> tuple[dict[str, Any], int, str | None, int | None]:
        if not isinstance(body, Mapping):
            raise Malformed("a request is an object")
        nonce, vault, expires = body.get("nonce"), body.get("vaultAddress"), body.get("expiresAfter")
        if not isinstance(nonce, int) or not isinstance(body.get("signature"), Mapping):
            raise Malformed("a request has a nonce and a signature")
        if not isinstance(expires, int | None):
            raise Malformed("expiresAfter is a whole number")
        return canonical(body.get("action")), nonce, None if vault is None else address(vault), expires

    def _user_signed(
        self, action: dict[str, Any], nonce: int, signature: Mapping[str, Any]
    ) -> tuple[Account, str, bool]:
        chain = "Testnet" if self.is_testnet else "Mainnet"
        if action.get("hyperliquidChain") != chain:
            raise Refusal(f"Invalid chain: this is {chain}")
        if action.get("nonce", action.get("time")) != nonce:
            raise Refusal("Invalid nonce: the action's differs from the request's")
        try:
            signer = recovered(user_digest(action), signature)
        except (KeyError, TypeError, ValueError, AttributeError) as reason:
            raise Malformed(f"cannot be verified: {reason}") from reason
        account = self.exchange.accounts.get(signer)
        if account is None:
            self.unknown_signers[signer] += 1
            raise Refusal(f"Must deposit before performing actions. User: {signer}")
        return account, signer, False

    def _l1_signed(
        self,
        action: dict[str, Any],
        nonce: int,
        vault: str | None,
        expires: int | None,
        signature: Mapping[str, Any],
    ) -> tuple[Account, str, bool]:
        digest = l1_digest(action, nonce, is_testnet=self.is_testnet, vault=vault, expires_after=expires)
        try:
            signer = recovered(digest, signature)
        except ValueError as reason:
            raise Malformed(f"cannot be verified: {reason}") from reason
        owner = self.exchange.accounts.get(signer) or self.master_of(signer)
        if owner is None:
            self.unknown_signers[signer] += 1
            raise Refusal(f"User or API Wallet {signer} does not exist.")
        is_agent = owner.address != signer
        if vault is None:
            return owner, signer, is_agent
        sub_account = self.exchange.accounts.get(vault)
        if sub_account is None or sub_account.master != owner.address:
            raise Refusal(f"Vault not registered: {vault}")
        return sub_account, signer, is_agent

    def master_of(self, agent: str) -> Account | None:
        """Return the account for which a live agent signs."""
        for account in self.exchange.accounts.values():
            for known in account.agents:
                if known.address == agent and known.valid_until_ms > self._wall_ms():
                    return account
        return None

    def _spend(self, account: Account, signer: str, action: dict[str, Any], nonce: int) -> None:
        try:
            self._nonces[signer].take(nonce, self._wall_ms())
        except Refusal:
            self.duplicate_nonces += 1
            raise
        weight = len(action.get("orders") or action.get("cancels") or action.get("modifies") or [None])
        allowed = self.address_limit + int(account.volume)
        account.actions += weight
        if account.actions > allowed and action["type"] not in {"cancel", "cancelByCloid"}:
            raise Refusal(
                f"Too many cumulative requests sent ({account.actions} > {allowed}) for cumulative volume "
                f"traded ${account.volume:.2f}. Place taker orders to free up 1 request per USDC traded."
            )

    # --- orders ---------------------------------------------------------------------------------

    def _do_order(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        builder = self._builder(account, action)
        orders = [self._order(account, plain, builder) for plain in action["orders"]]
        grouping = action["grouping"]
        if grouping == "normalTpsl":
            statuses = self._place_with_children(orders)
        else:
            for order in orders:
                order.is_position_tpsl = grouping == "positionTpsl"
                if order.is_position_tpsl and not order.amount:
                    order.amount = order.rest = abs(account.size(order.coin))
            statuses = [self._placed(order) for order in orders]
        return {"type": "order", "data": {"statuses": statuses}}

    def _do_modify(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        (status,) = self._modified(account, [action])
        if isinstance(status, dict) and "error" in status:
            raise Refusal(status["error"])
        return {"type": "default"}

    def _do_batch_modify(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        return {"type": "order", "data": {"statuses": self._modified(account, action["modifies"])}}

    def _modified(self, account: Account, modifies: list[dict[str, Any]]) -> list[Any]:
        statuses = []
        for one in modifies:
            new = self._order(account, one["order"], None)
            old = self.exchange.find(account, one["oid"])
            if old is not None:  # it goes on paying the builder that the order had
                new.builder, new.builder_fee = old.builder, old.builder_fee
            try:
                self.exchange.modify(account, one["oid"], new)
                statuses.append(_status(new))
            except Rejected as reason:
                statuses.append({"error": str(reason)})
        return statuses

    def _do_cancel(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        return self._cancelled(account, [(one["a"], one["o"]) for one in action["cancels"]])

    def _do_cancel_by_cloid(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        return self._cancelled(account, [(one["asset"], one["cloid"]) for one in action["cancels"]])

    def _cancelled(self, account: Account, cancels: list[tuple[int, int | str]]) -> dict[str, Any]:
        statuses: list[Any] = []
        for asset, oid in cancels:
            if self.exchange.cancel(account, oid, self._coin(asset)) is not None:
                statuses.append("success")
            else:
                sentence = f"Order was never placed, already canceled, or filled. asset={asset}"
                statuses.append({"error": sentence})
        return {"type": "cancel", "data": {"statuses": statuses}}

    def _do_schedule_cancel(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        if account.volume < DEAD_MAN_VOLUME_USD:
            raise Refusal(
                "Cannot set scheduled cancel time until enough volume traded. "
                f"Required: ${DEAD_MAN_VOLUME_USD}. Traded: ${account.volume:.2f}."
            )
        time_ms = action.get("time")
        if time_ms is not None and time_ms < self._wall_ms() + 5_000:
            raise Refusal("Scheduled cancel time too early, must be at least 5 seconds from now.")
        account.cancel_at_ms = time_ms
        return {"type": "default"}

    def _order(self, account: Account, plain: dict[str, Any], builder: tuple[str, int] | None) -> Order:
        kind, trigger = plain["t"], None
        if "trigger" in kind:
            told = kind["trigger"]
            trigger = Trigger(told["isMarket"], Decimal(told["triggerPx"]), told["tpsl"] == "tp")
        return self.exchange.new_order(
            account.address,
            self._coin(plain["a"]),
            plain["b"],
            Decimal(plain["p"]),
            Decimal(plain["s"]),
            reduce_only=plain["r"],
            tif=None if trigger is not None else kind["limit"]["tif"],
            cloid=plain.get("c"),
            trigger=trigger,
            builder=builder,
        )

    def _placed(self, order: Order) -> Any:
        try:
            self.exchange.place(order)
        except Rejected as reason:
            return {"error": str(reason)}
        return _status(order)

    def _place_with_children(self, orders: list[Order]) -> list[Any]:
        """Place an order; its stop and target follow once it has filled."""
        main, *children = orders
        statuses = [self._placed(main)]
        for child in children:
            if main.status == "filled" and main.filled:
                statuses.append(self._placed(child))
            elif main.is_open:
                main.children.append(child)
                statuses.append("waitingForFill")
            else:
                statuses.append(statuses[0])
        return statuses

    def _builder(self, account: Account, action: dict[str, Any]) -> tuple[str, int] | None:
        builder = action.get("builder")
        if builder is None:
            return None
        approved = account.builders.get(builder["b"])
        if approved is None or builder["f"] > approved:
            raise Refusal("Builder fee has not been approved.")
        return builder["b"], builder["f"]

    def _coin(self, asset: int) -> str:
        if not 0 <= asset < len(self.exchange.coins):
            raise Refusal(f"Asset {asset} does not exist")
        return self.exchange.coins[asset].name

    # --- margin ---------------------------------------------------------------------------------

    def _do_update_leverage(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        name, leverage, is_isolated = self._coin(action["asset"]), action["leverage"], not action["isCross"]
        if not 1 <= leverage <= self.exchange.tapes[name].coin.max_leverage:
            raise Refusal("Invalid leverage value")
        held = account.position(name)
        if held is not None:
            if held.is_isolated != is_isolated:
                raise Refusal("Cannot switch leverage type with open position.")
            if is_isolated and leverage < held.leverage:
                needed = money(
                    abs(held.size) * held.entry * (1 / Decimal(leverage) - 1 / Decimal(held.leverage))
                )
                if needed > self.exchange.free(account):
                    raise Refusal("Insufficient margin available to decrease leverage.")
                held.margin += needed
                account.cash -= needed
            held.leverage = leverage
        account.leverages[name] = leverage, is_isolated
        return {"type": "default"}

    def _do_update_isolated_margin(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        held = account.position(self._coin(action["asset"]))
        if held is None or not held.is_isolated:
            raise Refusal("No isolated position to change the margin of.")
        usd = Decimal(action["ntli"]) / 1_000_000
        if usd > self.exchange.free(account) or held.margin + usd <= 0:
            raise Refusal("Insufficient margin to change the isolated margin.")
        held.margin += usd
        account.cash -= usd
        return {"type": "default"}

    # --- money ----------------------------------------------------------------------------------

    def _do_usd_send(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        usd, to = self._usd(action["amount"]), address(action["destination"])
        is_first = to not in self.exchange.accounts
        fee = FIRST_CREDIT_USD if is_first else Decimal(0)
        self._take_out(account, usd + fee, "Insufficient balance for token transfer")
        target = self.exchange.accounts.setdefault(to, Account(to))
        target.cash += usd
        target.deposits += usd
        self._book(account, "internalTransfer", usd, user=account.address, destination=to, fee=str(fee))
        self._book(target, "internalTransfer", usd, user=account.address, destination=to, fee="0.0")
        return {"type": "default"}

    def _do_withdraw3(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        usd = self._usd(action["amount"])
        if usd <= WITHDRAWAL_FEE_USD:
            raise Refusal("Insufficient balance for withdrawal: the amount does not cover the fee")
        self._take_out(account, usd, "Insufficient balance for withdrawal")
        self._book(account, "withdraw", usd, nonce=action["time"], fee=str(WITHDRAWAL_FEE_USD))
        return {"type": "default"}

    def _do_usd_class_transfer(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        usd = self._usd(action["amount"].split(" ")[0])
        if action["toPerp"]:
            if usd > account.spot:
                raise Refusal("Insufficient balance for token transfer")
            account.spot -= usd
            account.cash += usd
            account.deposits += usd
        else:
            self._take_out(account, usd, "Insufficient balance for token transfer")
            account.spot += usd
        self._book(account, "accountClassTransfer", usd, toPerp=action["toPerp"])
        return {"type": "default"}

    def _do_create_sub_account(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        return {"type": "createSubAccount", "data": self.sub_account(account, str(action["name"])).address}

    def sub_account(self, master: Account, name: str) -> Account:
        self._next_sub_account += 1
        created = Account(f"0x5ab0{self._next_sub_account:036x}", master=master.address, name=name)
        self.exchange.accounts[created.address] = created
        return created

    def _do_sub_account_transfer(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        sub_account = self.exchange.accounts.get(address(action["subAccountUser"]))
        if sub_account is None or sub_account.master != account.address:
            raise Refusal("Sub-account not registered")
        usd = Decimal(action["usd"]) / 1_000_000
        giver, taker = (account, sub_account) if action["isDeposit"] else (sub_account, account)
        self._take_out(giver, usd, "Insufficient balance for token transfer")
        taker.cash += usd
        taker.deposits += usd
        return {"type": "default"}

    def _usd(self, text: Any) -> Decimal:
        try:
            usd = Decimal(text)
        except (InvalidOperation, TypeError) as reason:
            raise Malformed(f"no amount: {text!r}") from reason
        if not usd.is_finite() or usd <= 0:
            raise Refusal("Invalid amount")
        return usd

    def _take_out(self, account: Account, usd: Decimal, sentence: str) -> None:
        if usd > self.exchange.free(account):
            raise Refusal(sentence)
        account.cash -= usd
        account.deposits -= usd

    def _book(self, account: Account, kind: str, usd: Decimal, **more: Any) -> None:
        account.ledger.append(
            {
                "time": self.exchange.now_ms,
                "hash": f"0x{len(self.sent):064x}",
                "delta": {"type": kind, "usdc": str(usd), **more},
            }
        )

    # --- approvals ------------------------------------------------------------------------------

    def _do_approve_agent(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        name, _, until = str(action.get("agentName") or "").partition(" valid_until ")
        agent, now_ms = address(action["agentAddress"]), self._wall_ms()
        if agent in self.exchange.accounts or self.master_of(agent) not in (None, account):
            raise Refusal("Extra agent already used.")
        valid_until_ms = int(until) if until else now_ms + AGENT_LIFE_MS
        if not now_ms < valid_until_ms <= now_ms + AGENT_LIFE_MS:
            raise Refusal("Invalid agent expiry: at most 180 days from now.")
        others = [one for one in account.agents if one.name != name and one.valid_until_ms > now_ms]
        if name and sum(bool(one.name) for one in others) >= NAMED_AGENTS:
            raise Refusal("Too many extra agents. Please remove one before adding another.")
        account.agents = [*others, Agent(agent, name, valid_until_ms)]
        return {"type": "default"}

    def _do_approve_builder_fee(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        builder, text = address(action["builder"]), action["maxFeeRate"]
        if not isinstance(text, str) or not text.endswith("%"):
            raise Malformed(f"no fee rate: {text!r}")
        fee = int(Decimal(text[:-1]) * 1000)
        if not 0 <= fee <= HIGHEST_BUILDER_FEE:
            raise Refusal("Builder fee rate is too high: at most 0.1% on perps.")
        known = self.exchange.accounts.get(builder)
        worth = Decimal(0) if known is None else self.exchange.account_value(known)
        if worth < self._builder_needs_usd:
            raise Refusal("Builder has insufficient balance to be approved.")
        account.builders[builder] = fee
        return {"type": "default"}

    def _do_set_referrer(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        if account.referrer is not None:
            raise Refusal("Referrer already set.")
        account.referrer = action["code"]
        return {"type": "default"}

    def _do_noop(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        return {"type": "default"}

    def _unsupported(self, account: Account, action: dict[str, Any]) -> dict[str, Any]:
        raise Refusal(f"Unsupported action {action['type']}")


def _status(order: Order) -> Any:
    who = {"oid": order.oid} | ({} if order.cloid is None else {"cloid": order.cloid})
    if order.filled and not order.is_open:
        return {"filled": {"totalSz": str(order.filled), "avgPx": str(money(order.average)), **who}}
    if order.is_open:
        return {"resting": who}
    return {"error": "Insufficient margin to place order."}


def _snake(kind: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind)
