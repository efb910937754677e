"""Compression of the store's JSON texts, against a dictionary.

The texts are short and similar, so compressing one alone saves little. Against a dictionary of common strings
a text shrinks to a quarter or less; against its earlier version, to the changes.
"""

import zlib

_USUAL = b"\x01"
_CHANGES = b"\x02"
_RAW = -15
_SHORT_RAW = -14
"""A window of 16 KiB: the dictionary and a text of at most ``_LONG`` bytes fit into it."""
_TABLES = 5
"""Of 9. Small tables and a small window are copied five times as fast, and the results are as short."""
_USUAL_LEVEL, _FAST = 6, 3
_LONG = 8_192
"""From so many bytes on a text takes 0.3 ms with the usual level, twice as long as the step that it is of."""
_LARGEST = 64 * 1024 * 1024
"""Most bytes of an unpacked text, more than any has: a damaged row must not fill the memory."""


def pack(text: bytes) -> bytes:
    """Return the text compressed against the dictionary."""
    # A copy already has the dictionary loaded.
    packer = (_PRIMED if len(text) < _LONG else _PRIMED_FAST).copy()
    return _USUAL + packer.compress(text) + packer.flush()


def pack_changes(text: bytes, base: bytes) -> bytes:
    """Return the text compressed against ``base``."""
    packer = zlib.compressobj(_FAST, zlib.DEFLATED, _RAW, _TABLES, zdict=base)
    return _CHANGES + packer.compress(text) + packer.flush()


def is_packed(stored: bytes) -> bool:
    """Return whether the bytes come from ``pack``: no text of the store begins like them."""
    return stored[:1] == _USUAL


def is_packed_as_changes(stored: bytes) -> bool:
    """Return whether the bytes come from ``pack_changes``."""
    return stored[:1] == _CHANGES


def unpack(packed: bytes, base: bytes | None = None) -> bytes:
    """Return the text; ``base``: that of ``pack_changes``, or None for ``pack``.

    Raises:
        ValueError: the bytes are damaged, or a newer program wrote them.
    """
    if packed[:1] != (_USUAL if base is None else _CHANGES):
        raise ValueError("a packed text of the store is damaged, or was written by a newer firstwatch")
    unpacker = zlib.decompressobj(_RAW, zdict=_WORDS if base is None else base)
    try:
        text = unpacker.decompress(packed[1:], _LARGEST)
    except zlib.error as error:
        raise ValueError(f"a packed text of the store is damaged: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("a packed text of the store is damaged: it is not whole")
    return text


# Must never change, or old rows become unreadable. The most frequent strings come last.
_WORDS = (
    b'"alerted":0,"entry_order":0,"entry_side":-1,"entry_steps":0,"entry_limit":0.0,"entry_bars":0,"entr'
    b'y_is_link":0,"reset_cause":0,"reset_side":-1,"reset_bar":0,"link":0,"chain":0,"decision":0,"decisi'
    b'on_side":0,"decision_steps":0,"decision_limit":0.0,"decision_reason":0,"decision_is_follow_up":0,"'
    b'stop_moved":0,"refused":0,"alert":0,"closed_side":-1,"closed_steps":0,"closed_entry_price":0.0,"cl'
    b'osed_exit_price":0.0,"closed_gross":0.0,"closed_fees":0.0,"closed_funding":0.0,"closed_pnl":0.0,"c'
    b'losed_reason":0,"closed_bars_held":0,"closed_adverse":0.0,"closed_favourable":0.0,"closed_expected'
    b'_entry":0.0,"closed_expected_exit":0.0},"state":"RUNNING","order_number":0,"orders":{{"core":{"pha'
    b'se":0,"bar_time_ms":17,"last_close":0.0,"armed_long":0,"armed_short":0,"refused_long":0,"refused_s'
    b'hort":0,"entries":0,"trades":0,"stop_run":0,"cash":0.0,"equity":0.0,"equity_cap":0.0,"peak_equity"'
    b':0.0,"day":-1,"day_first_equity":0.0,"losing_trades":0,"entries_paused_by_guard":0,"slippage_paid"'
    b':0.0,"steps":0,"amount":0.0,"entry_price":0.0,"margin":0.0,"liquidation":0.0,"level_price":0.0,"st'
    b'op":0.0,"target":0.0,"best":0.0,"stop_has_moved":0,"atr_stop":0.0,"atr_target":0.0,"entry_at_open"'
    b':0,"bars_held":0,"adverse":0.0,"favourable":0.0,"position_steps":0,"exit_steps":0,"exit_price":0.0'
    b',"gross":0.0,"fees":0.0,"funding":0.0,"expected_entry":0.0,"expected_exit":0.0,"fills_horizon_ms":'
    b'17,"now_ms":17,"elapsed_ms":0,"clock_ms":null,"pending":[],"tokens":[],"started_ms":17,"last_bar_m'
    b's":17,"price":0.0,"is_in_bar":false,"waiting_bar":null,"wants_bars":false,"feed_ended":false,"leve'
    b'rage_is_set":true,"leverage_tries":0,"leverage_at_ms":0,"wallet_total":"0","entry":null,"closing":'
    b'null,"stop":{"order_id":null,"problem":null,"problem_reason":"","is_corrected":false,"has_ended":f'
    b'alse,"retries":0,"unsent":0,"rests_since_ms":null,"retry_at_ms":0,"unprotected_since_ms":null},"ta'
    b'rget":{"order_id":null,"problem":null,"problem_reason":"","is_corrected":false,"has_ended":false,"'
    b'retries":0,"unsent":0,"rests_since_ms":null,"retry_at_ms":0,"unprotected_since_ms":null},"foreign"'
    b':"0","foreign_fills":[],"unwanted":"0","is_adopted":false,"is_undecided":false,"wants_position":fa'
    b'lse,"is_compared":true,"is_read_out":false,"mismatches":0,"position_at_ms":0,"wants_open_orders":f'
    b'alse,"wants_fills":false,"wants_balance":false,"wants_reconcile":"","failed_reads":0,"read_at_ms":'
    b'0,"trade_entry_ms":0,"exit_reason":null,"refusals":0,"pause_reasons":[],"guard_pauses":0,"alarms":'
    b'{},"stale":"","lost_streams":{},"stop_mode":null,"stop_why":"","stopping_ms":0,"sentence":"","writ'
    b'ten":{"position":"0 0 0.0 0.0 0.0 0.0","facts":"() ok  flat not_needed None None "}}"fills_seen":{'
    b'"0000000000":17},"fundings_seen":{},"last_trades":[{"side":"short","entry_time_ms":17,"entry_price'
    b'":"0","exit_time_ms":17,"exit_price":"0","amount":"0.0","gross_pnl":"0.0","fees":"0.0","funding":"'
    b'0.0","pnl":"-0.0","reason":"signal","bars_held":0,"adverse_excursion":"0.0","favourable_excursion"'
    b':"0.0","expected_entry_price":"0","expected_exit_price":"0"}],"settled":{"000000000000000000000000'
    b'00000000":{"intent":{"client_order_id":"00000000000000000000000000000000","run_id":"00000000000000'
    b'00","account":"","symbol":"/USDC:USDC","purpose":"exit","side":"sell","kind":"market","amount":"0.'
    b'0","reduce_only":true,"price":null,"trigger_price":null},"created_ms":17,"bar_time_ms":17,"state":'
    b'"CANCELED","reason":null,"filled":"0","cost":"0","reported":"0","reported_price":null,"venue_order'
    b'_id":"","replaces":null,"trade_is_closed":false,"wants_read":false,"is_missing":false,"is_left_ove'
    b'r":false,"asks":0,"ask_at_ms":0,"mid_at_decision":0.0,"mid_at_submission":0.0,"mid_at_acknowledgem'
    b'ent":0.0},{"kind":"transitioned","old":null,"new":"NEW","why":"launch of ","stop_mode":null}{"kind'
    b'":"check_waived","check":"sharpe","found":"no backtest of @1 on /USDC:USDC is stored","reason":""}'
    b'{"kind":"alarm_raised","topic":"engine","sentence":"the engine cannot work on this run: "}{"kind":'
    b'"alarm_cleared","topic":"unprotected"}{"kind":"recovered","why":"","past_bars":0,"doubtful_orders"'
    b':0}{"kind":"funding_booked","paid":"0.0","rate":"0.00001"}{"kind":"hole_found","first_ms":17,"last'
    b'_ms":17,"is_confirmed":false}{"kind":"decision_dropped","bar_time_ms":17,"decision":"entry long","'
    b'cause":"late"}{"kind":"noted","sentence":"the run starts flat and unarmed: each side waits until i'
    b'ts group was false once"}{"kind":"exit_decided","bar_time_ms":1700000000000,"reason":"trailing_sto'
    b'p","expected_price":0.0}{"kind":"entry_decided","bar_time_ms":1700000000000,"side":"short","amount'
    b'":"0.0","expected_price":0.0,"limit_price":null,"is_follow_up":false}{"kind":"trade_closed","side"'
    b':"long","amount":"0.0","entry_price":"0.0","exit_price":"0.0","pnl":"-0.0","reason":"stop_loss"}{"'
    b'fill_id": "0000000000", "client_order_id": "00000000000000000000000000000000", "account": "", "sym'
    b'bol": "/USDC:USDC", "side": "buy", "amount": "0.0", "price": "0.0", "fee": "0.0", "time_ms": 17000'
    b'00000000, "is_maker": false, "is_liquidation": false, "beyond_price": "0", "builder_fee": "0"}{"ki'
    b'nd":"fill_booked","fill_id":"0000000000","client_order_id":"00000000000000000000000000000000","sid'
    b'e":"buy","amount":"0.0","price":"0.0","fee":"0.0","mid_at_decision":0.0,"mid_at_submission":0.0,"m'
    b'id_at_acknowledgement":0.0,"mid_at_fill":0.0}{"kind":"protection_moved","stop":"0.0","target":null'
    b',"why":"target placed"}{"kind":"protection_moved","stop":null,"target":"0.0","why":"stop moved"}{"'
    b'client_order_id": "00000000000000000000000000000000", "number": 1, "account": "", "symbol": "/USDC'
    b':USDC", "side": "buy", "kind": "limit", "steps": 0, "reduce_only": true, "price": "0.0", "trigger_'
    b'price": null, "ready_ms": 1700000000000, "updated_ms": 1700000000000, "state": "FILLED", "filled_s'
    b'teps": 0, "average_price": 0.0, "is_triggered": true, "reason": "the position that it would reduce'
    b' is gone", "volume_bar_ms": -1, "volume_steps": 0}"state": "ACCEPTED", "filled_steps": 0, "average'
    b'_price": 0.0, "is_triggered": false, "reason": "", "volume_bar_ms": -1, "volume_steps": 0}{"client'
    b'_order_id": "00000000000000000000000000000000", "run_id": "0000000000000000", "account": "", "symb'
    b'ol": "/USDC:USDC", "purpose": "entry", "side": "sell", "kind": "market", "amount": "0.0", "reduce_'
    b'only": false, "price": null, "trigger_price": null}{"client_order_id": "00000000000000000000000000'
    b'000000", "purpose": "target", "side": "buy", "kind": "limit", "amount": "0.0", "reduce_only": true'
    b', "price": "0.0", "trigger_price": "0.0"}{"kind":"order_intended","client_order_id":"0000000000000'
    b'0000000000000000000","purpose":"stop","side":"sell","order_kind":"stop","amount":"0.0","price":"0.'
    b'0","trigger_price":"0.0","reduce_only":true}{"kind":"order_intended","purpose":"entry","side":"buy'
    b'","order_kind":"market","price":null,"trigger_price":null,"reduce_only":false}[[null, null, null],'
    b" [null, null, null], [0.0, 0.0, 0.0, 1700000000000], [0.0, 0.0, 0.0, 1700000000000]][[170000000000"
    b'0, "PENDING_SUBMIT", ""], [1700000000000, "SUBMITTED", ""], [1700000000000, "ACCEPTED", ""], [1700'
    b'000000000, "PENDING_CANCEL", "cancel wanted"], [1700000000000, "CANCELED", "the position that it w'
    b'ould reduce is gone"], [1700000000000, "PARTIALLY_FILLED", "fill"], [1700000000000, "FILLED", "fil'
    b'l"], [1700000000000, "UNKNOWN", "the answer was lost"]]{"kind":"order_moved","client_order_id":"00'
    b'000000000000000000000000000000","old":"PENDING_CANCEL","new":"CANCELED","why":"cancel wanted"}{"ki'
    b'nd":"order_moved","client_order_id":"00000000000000000000000000000000","old":"ACCEPTED","new":"FIL'
    b'LED","why":"fill"}{"kind":"order_moved","client_order_id":"00000000000000000000000000000000","old"'
    b':"PENDING_SUBMIT","new":"SUBMITTED","why":""}{"kind":"order_moved","client_order_id":"000000000000'
    b'00000000000000000000","old":"SUBMITTED","new":"ACCEPTED","why":""}'
)

_PRIMED = zlib.compressobj(_USUAL_LEVEL, zlib.DEFLATED, _SHORT_RAW, _TABLES, zdict=_WORDS)
_PRIMED_FAST = zlib.compressobj(_FAST, zlib.DEFLATED, _RAW, _TABLES, zdict=_WORDS)
