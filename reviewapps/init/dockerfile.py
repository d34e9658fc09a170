"""Reads of a Dockerfile what its last stage says about the port, the command and the signal.

Of all stages it reads which packages they install.
"""

import json
import re
from dataclasses import dataclass, field

from reviewapps.init.folder import Folder

NAMES = ("Dockerfile", "Dockerfile.production", "docker/Dockerfile", "docker/production/Dockerfile")
INSTALLERS = ("apt-get", "apt", "apk", "docker-php-ext-install")


@dataclass(frozen=True)
class Dockerfile:
    """What the image's last stage says; empty where it says nothing."""

    name: str = ""
    port: int = 0
    command: str = ""
    stop_signal: str = ""
    health_path: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()


def read(folder: Folder) -> Dockerfile:
    """Return the folder's Dockerfile; one without a name when there is none."""
    name = folder.first(*NAMES)
    if not name:
        return Dockerfile()
    found: dict[str, str] = {}
    variables: dict[str, str] = {}
    packages: list[str] = []
    # a line that ends in a backslash goes on, and comments between such lines do not count
    lines = [line for line in folder.text(name).splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\s*\n", " ", "\n".join(lines)).splitlines():
        word, _, rest = line.strip().partition(" ")
        instruction, rest = word.upper(), rest.strip()
        if instruction == "FROM":
            found.clear()
        elif instruction in {"ENV", "ARG"}:
            variables |= assigned(rest, variables)
        elif instruction == "RUN":
            packages += installed(rest)
        elif instruction == "EXPOSE" and "EXPOSE" in found:
            continue  # the first port is the web server's as a rule
        else:
            found[instruction] = rest
    return Dockerfile(
        name=name,
        port=port_of(found.get("EXPOSE", ""), variables),
        command=words_of(found.get("CMD", "")) or words_of(found.get("ENTRYPOINT", "")),
        stop_signal=found.get("STOPSIGNAL", ""),
        health_path=health_path_of(found.get("HEALTHCHECK", "")),
        variables=variables,
        packages=tuple(packages),
    )


def installed(text: str) -> list[str]:
    """Return the packages that a RUN installs with apt, apk or the PHP images' own command."""
    commands = [part.split() for part in re.split(r"&&|[;|]", text)]
    words = [word for words in commands if words[:1] and words[0] in INSTALLERS for word in words]
    return [
        word.partition("=")[0]
        for word in words
        if re.match(r"[a-z0-9]", word) and word not in INSTALLERS
    ]


def assigned(text: str, variables: dict[str, str]) -> dict[str, str]:
    """Return what an ENV or ARG sets, in its new form `A=b C=d` or its old one `A b`."""
    pairs = re.findall(r"([A-Za-z_]\w*)=(\"[^\"]*\"|\S*)", text)
    if not pairs and " " in text:
        name, _, value = text.partition(" ")
        pairs = [(name, value.strip())]
    return {name: filled(value.strip('"'), variables) for name, value in pairs}


def filled(text: str, variables: dict[str, str]) -> str:
    """Return text with its variables filled in."""
    form = re.compile(r"\$\{?(\w+)(?::-(\w*))?\}?")
    return form.sub(lambda match: variables.get(match[1]) or match[2] or "", text)


def port_of(text: str, variables: dict[str, str]) -> int:
    """Return the first port of an EXPOSE; 0 when it says none."""
    match = re.match(r"(\d{1,5})(/tcp)?(\s|$)", filled(text, variables).strip())
    return int(match[1]) if match and 0 < int(match[1]) < 65_536 else 0


def words_of(text: str) -> str:
    """Return a CMD as text, whichever of its two forms it has."""
    try:
        words = json.loads(text)
    except ValueError:
        return text
    return " ".join(map(str, words)) if isinstance(words, list) else text


def health_path_of(text: str) -> str:
    """Return the path that a HEALTHCHECK asks for."""
    match = re.search(r"https?://[^/\s\"']+(/[\w./-]*)", text)
    return match[1] if match else ""
