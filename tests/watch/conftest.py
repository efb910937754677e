from tests.engine.host.conftest import folder

__all__ = ["folder"]
