"""Actions on the engine, the vault and the program."""

from firstwatch.manager.views import EngineWhere
from firstwatch.tui.actions.action import Action, AppControls, Severity, Situation, needs_engine


class UnlockVaultAction(Action):
    id, title, short = "engine.unlock", "engine: Unlock vault", "Unlock"
    help = "Give the engine the vault's passphrase; the engine keeps it until it ends."
    severity = Severity.TRADE

    def refusal(self, situation: Situation) -> str:
        return needs_engine(situation)

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.engine.ask_passphrase()


class StopEngineAction(Action):
    id, title, short = "engine.stop", "engine: Stop", "Stop engine"
    help = "Ask an engine in another process to stop; runs stay active and this screen takes over."
    severity = Severity.TRADE

    def refusal(self, situation: Situation) -> str:
        if situation.snapshot.engine.where is EngineWhere.EMBEDDED:
            return "The engine runs in this screen; quit to stop it"
        return needs_engine(situation)

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.engine.stop()


class StartEngineAction(Action):
    id, title, short = "engine.start", "engine: Start", "Start engine"
    help = "Run the engine in this screen after it was stopped or has failed; its runs are recovered."
    severity = Severity.TRADE
    is_for_any_size = True

    def refusal(self, situation: Situation) -> str:
        engine = situation.snapshot.engine
        return "" if engine.where is EngineWhere.NONE else f"{engine.sentence or engine.where}"

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.engine.start()


class HelpAction(Action):
    id, title, short, key = "app.help", "app: Help", "Help", "question_mark"
    help = "Show all keys and what they do, those of the pane in front first."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.show_help()


class QuitAction(Action):
    id, title, short, key = "app.quit", "app: Quit", "Quit", "q"
    help = "Leave the screen; asks what to do with active runs."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.engine.ask_quit()
