"""Which processes a folder's files speak of: the web server, the worker, and Redis beside them."""

import re

from reviewapps.init.command import Choice, as_command
from reviewapps.init.evidence import Evidence

WORKER_NAMES = ("worker", "resque", "sidekiq", "jobs", "celery", "queue")
REDIS_PACKAGES = (
    *("redis", "resque", "sidekiq", "redis-client", "django-redis", "rq", "celery"),
    *("ioredis", "bull", "bullmq", "redis-rails"),
)
HEALTH = (
    r"""["'/\s](?P<path>up|healthz?|health_?check|health-check|livez|readyz|status|ping)["'/\s,]"""
)
SIGNALS = {"SIGTERM", "SIGQUIT", "SIGINT", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGWINCH"}


def redis(evidence: Evidence) -> list[Choice]:
    """Propose a Redis when a package wants one."""
    used = {*evidence.gems, *evidence.python, *evidence.node}
    hits = [name for name in REDIS_PACKAGES if name in used]
    if hits:
        return [Choice("redis/memory_mb", 64, f"{hits[0]} is used; the app reads REDIS_URL.")]
    reader = evidence.reader_of("REDIS_URL")
    return [Choice("redis/memory_mb", 64, f"{reader} reads REDIS_URL.")] if reader else []


def web(evidence: Evidence) -> list[Choice]:
    """Propose the web process: its command, port, health path and signal."""
    command, why = web_command(evidence)
    choices = [Choice("unicorn/command", as_command(command), why)] if command else []
    full = command or evidence.dockerfile.command
    port, port_why = web_port(evidence, full)
    path, path_why = health_path(evidence)
    choices.append(Choice("unicorn/port", port, port_why))
    choices.append(Choice("unicorn/health_path", path, path_why))
    signal, signal_why = stop_signal(evidence, full)
    if signal:
        choices.append(Choice("unicorn/stop_signal", signal, signal_why))
    return choices


def web_command(evidence: Evidence) -> tuple[str, str]:
    """Return the command and its reason; "" when the image's own is the best."""
    if evidence.dockerfile.command:
        return "", ""
    for command, why in web_commands(evidence):
        return command, why
    evidence.folder.note(
        "nothing tells how the web process is started: the image's CMD has to say it"
    )
    return "", ""


def web_commands(evidence: Evidence) -> list[tuple[str, str]]:
    """Return the commands that could start the web process, the surest first."""
    folder, gems = evidence.folder, evidence.gems
    found = []
    if "web" in evidence.processes:
        found.append((evidence.processes["web"], "The Procfile's web process."))
    if "unicorn" in gems:
        file = folder.first("config/unicorn.rb", "config/unicorn/production.rb")
        option = f" -c {file}" if file else ""
        found.append((f"bundle exec unicorn{option}", "The gem unicorn is used."))
    if "puma" in gems and folder.has("config/puma.rb"):
        found.append(("bundle exec puma -C config/puma.rb", "The gem puma and config/puma.rb."))
    if evidence.is_rails:
        found.append(("bin/rails server -b 0.0.0.0", "It is a Rails application."))
    if evidence.is_django:
        found.append(django_command(evidence))
    if "start" in evidence.scripts:
        found.append(("npm start", "The script start of package.json."))
    return found


def django_command(evidence: Evidence) -> tuple[str, str]:
    """Return gunicorn on Django's WSGI module, or its development server without gunicorn."""
    modules = evidence.folder.find("*/wsgi.py")
    if "gunicorn" in evidence.python and modules:
        module = modules[0].removesuffix(".py").replace("/", ".")
        return f"gunicorn {module}:application --bind 0.0.0.0:8000", "gunicorn is used."
    return "python manage.py runserver --noreload 0.0.0.0:8000", "manage.py is Django's."


def web_port(evidence: Evidence, command: str) -> tuple[int, str]:
    """Return the port that the web process listens at, and what says so."""
    for port, why in ports(evidence, command):
        if 0 < port < 65_536:
            return port, why
    return 8080, "A guess: nothing here tells the port."


def ports(evidence: Evidence, command: str) -> list[tuple[int, str]]:
    """Return the ports that it could be, the surest first."""
    file = evidence.dockerfile
    found = [(file.port, f"{file.name} says EXPOSE {file.port}.")]
    if match := re.search(r"(?:(?:-p|--port|--http-port)[ =]|0\.0\.0\.0:|\s:)(\d{2,5})\b", command):
        found.append((int(match[1]), "The command says so."))
    if "PORT" in command:
        found.append((8080, "The command takes it from PORT, which reviewapps sets."))
    if re.fullmatch(r"[0-9]{1,5}", file.variables.get("PORT", "")):
        found.append((int(file.variables["PORT"]), f"{file.name} sets PORT."))
    if evidence.is_rails:
        found.append((3000, "Rails takes it from PORT, which reviewapps sets; 3000 is custom."))
    if evidence.is_django:
        found.append((8000, "Django's custom."))
    if evidence.scripts:
        found.append((3000, "A guess: most Node servers take it from PORT, which is set."))
    return found


def health_path(evidence: Evidence) -> tuple[str, str]:
    """Return the path that tells whether the app is well, and what says so."""
    if evidence.dockerfile.health_path:
        path = evidence.dockerfile.health_path
        return path, f"{evidence.dockerfile.name} asks for it in HEALTHCHECK."
    for file in evidence.folder.find("config/routes.rb", "config.ru", "*/urls.py", "urls.py"):
        for line in evidence.folder.lines(file):
            if match := re.search(HEALTH, line):
                slash = "/" if file.endswith("urls.py") and f"{match['path']}/" in line else ""
                return f"/{match['path']}{slash}", f"{file} has a route for it."
    return "/", "No health route was found; one that does little work, such as /up, is better."


def stop_signal(evidence: Evidence, command: str) -> tuple[str, str]:
    """Return the signal after which the web process finishes its requests."""
    given = evidence.dockerfile.stop_signal
    if given in SIGNALS:
        return given, f"{evidence.dockerfile.name} says STOPSIGNAL {given}."
    if re.search(r"\bunicorn\b", command):
        return "SIGQUIT", "unicorn finishes its requests on SIGQUIT and drops them on SIGTERM."
    return "", ""


def worker(evidence: Evidence) -> list[Choice]:
    """Propose the background worker."""
    command, why = worker_command(evidence)
    if not command:
        return []
    choices = [Choice("resque/command", as_command(command), why)]
    if "resque" in command:
        reason = "Resque finishes its job on SIGQUIT and gives it up on SIGTERM."
        choices.append(Choice("resque/stop_signal", "SIGQUIT", reason))
        if "QUEUE" not in command:
            choices.append(Choice("resque/env/QUEUE", "*", "Resque wants to be told its queues."))
    return choices


def worker_command(evidence: Evidence) -> tuple[str, str]:
    """Return the worker's command and its reason, "" without one."""
    folder, gems = evidence.folder, evidence.gems
    named = [name for name in WORKER_NAMES if name in evidence.processes]
    if named:
        return evidence.processes[named[0]], f"The Procfile's {named[0]} process."
    known = {
        "resque": "bundle exec rake resque:work",
        "sidekiq": "bundle exec sidekiq",
        "good_job": "bundle exec good_job start",
        "delayed_job": "bundle exec rake jobs:work",
    }
    for gem, command in known.items():
        if gem in gems:
            return command, f"The gem {gem} is used."
    if "solid_queue" in gems and folder.has("bin/jobs"):
        return "bin/jobs", "The gem solid_queue and bin/jobs."
    celery = folder.find("*/celery.py")
    if "celery" in evidence.python and celery:
        module = celery[0].split("/")[0]
        return f"celery -A {module} worker --loglevel INFO", f"celery is used, with {celery[0]}."
    if "worker" in evidence.scripts:
        return "npm run worker", "The script worker of package.json."
    return next(iter(evidence.script("worker")), ("", ""))
