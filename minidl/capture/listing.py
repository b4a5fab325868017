"""A recorded step as a program that one can read."""

from .recording import Recording


def text(recording: Recording) -> str:
    return "\n".join(f"{o.phase:8} {o.name} {o.line} {1e6 * o.seconds:.2f}" for o in recording.operations)


def html(recording: Recording) -> str:
    return f"<pre>{text(recording)}</pre>"
