"""Every error that reviewapps raises on purpose, named by what its reader should do next.

ReviewAppsError
├── UserError            the user must change something            exit 2
│   ├── ProjectError     faults in reviewapps.yml, all together
│   └── NotFound         there is no such app                      exit 3
├── Conflict             another holder is at work                 exit 4
│   ├── LostLock         we held the app's lock and lost it
│   └── Superseded       somebody asked for something newer
├── ServiceError         Nomad, Consul, AWS … refused              exit 5
│   └── Unreachable      … or did not answer
├── Failed               the app itself failed, with the cause     exit 1
└── Waiting              not ready yet; only the engine sees this
"""

from dataclasses import dataclass


class ReviewAppsError(Exception):
    """The root: a sentence for people, the next command to try, and an exit code."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UserError(ReviewAppsError):
    """Something the user wrote or asked for has to change before it can work."""

    exit_code = 2


@dataclass(frozen=True)
class Fault:
    """One mistake in a project file: where it is, what stands there and what should."""

    path: str
    line: int
    message: str
    value: str = ""

    def __str__(self) -> str:
        found = f", not {self.value}" if self.value else ""
        return f"line {self.line}: {self.path or 'the file'}: {self.message}{found}"


class ProjectError(UserError):
    """The project file has faults; all of them are reported at once."""

    def __init__(self, file: str, faults: list[Fault]) -> None:
        lines = "\n".join(f"  {fault}" for fault in faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(
            f"{file} has {count}:\n{lines}",
            hint="reviewapps init --example prints the whole file with comments",
        )
        self.file = file
        self.faults = faults


class NotFound(UserError):
    """There is no such review app, release or allocation."""

    exit_code = 3


class Conflict(ReviewAppsError):
    """Another holder is at work on the same thing; nothing was lost."""

    exit_code = 4


class LostLock(Conflict):
    """The app's lock was lost: whatever is left is for the new holder to do."""


class Superseded(Conflict):
    """Somebody asked for something newer while this was under way."""


class ServiceError(ReviewAppsError):
    """A service that reviewapps depends on refused a request."""

    exit_code = 5


class Unreachable(ServiceError):
    """A service did not answer, so nothing is known of what it did."""


class Failed(ReviewAppsError):
    """The app failed: one sentence with the root cause, then details such as log lines."""

    exit_code = 1

    def __init__(self, message: str, *, details: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.details = details


class Waiting(ReviewAppsError):
    """Not ready yet, with what is waited for; the engine looks again."""
