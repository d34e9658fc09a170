"""The error of a step whose task has failed: the cause first, its last words, all its output."""

from reviewapps import cause
from reviewapps.errors import Failed
from reviewapps.step import Context

LOG_LINES = 50


def failed(step: str, trouble: cause.Trouble, context: Context) -> Failed:
    """Return the error for a trouble, with the last lines of the task's output."""
    log = log_tail(trouble, context)
    last = next((line for line in reversed(log.splitlines()) if line.strip()), "")
    ending = (
        f'; its last words: "{last.strip()[:200]}"' if last and "crash" in trouble.sentence else ""
    )
    memory = "more memory" in trouble.sentence
    hint = f"raise {step}.memory_mb in reviewapps.yml" if memory else ""
    return Failed(f"{step} failed: {trouble.sentence}{ending}", details=log, hint=hint)


def log_tail(trouble: cause.Trouble, context: Context) -> str:
    """Return the last lines of what the task wrote, errors last."""
    if not trouble.task:
        return ""
    texts = [
        context.nomad.logs(trouble.allocation, trouble.task, kind) for kind in ("stdout", "stderr")
    ]
    lines = [line for text in texts for line in text.splitlines()[-LOG_LINES:]]
    return "\n".join(lines)
