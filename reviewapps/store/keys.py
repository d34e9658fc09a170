"""The names of all keys that reviewapps has in Consul."""

ROOT = "reviewapps/"
APPS = f"{ROOT}apps/"
ROUTES = f"{ROOT}routes/"
HOSTS = f"{ROOT}hosts/"
LOCKS = f"{ROOT}locks/"
ROUTERS = f"{ROOT}routers/"
SEEN = f"{ROOT}seen/"
WISHES = f"{ROOT}wishes/"


def app(slug: str) -> str:
    """Return the key of the app's record."""
    return f"{APPS}{slug}"


def route(host: str) -> str:
    """Return the key of the host's route."""
    return f"{ROUTES}{host}"


def host(name: str) -> str:
    """Return the key of what the routers show and enforce for a host."""
    return f"{HOSTS}{name}"


def hosts_of(slug: str) -> tuple[str, str]:
    """Return the prefixes of all routes and pages of an app, whatever its domain was."""
    return f"{ROUTES}{slug}.", f"{HOSTS}{slug}."


def lock(slug: str) -> str:
    """Return the key of the app's lock."""
    return f"{LOCKS}{slug}"


def wish(slug: str) -> str:
    """Return the key of the routers' wish to wake the app."""
    return f"{WISHES}{slug}"
