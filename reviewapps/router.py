"""Renders the router's nginx configuration from values; no I/O but the packaged template."""

import json
from dataclasses import dataclass
from pathlib import Path

import jinja2

from reviewapps import packages

DEBIAN_MODULES = (
    "/usr/lib/nginx/modules/ndk_http_module.so",
    "/usr/lib/nginx/modules/ngx_http_lua_module.so",
)


@dataclass(frozen=True, kw_only=True)
class Router:
    """One router: where it listens, what it watches, which addresses a route may name."""

    listen: tuple[str, ...]
    domains: tuple[str, ...]
    node_networks: tuple[str, ...]
    consul_address: str
    run_dir: str
    router_id: str = ""
    consul_token_file: str = ""
    prefix: str = "reviewapps/"
    first_port: int = 20000
    last_port: int = 32000
    listen_metrics: tuple[str, ...] = ("127.0.0.1:9145",)
    listen_tls: tuple[str, ...] = ()
    tls_certificate: str = ""
    tls_key: str = ""
    public_port: int | None = None
    trusted_proxies: tuple[str, ...] = ()
    real_ip_header: str = "X-Forwarded-For"
    sign_in_address: str = ""
    sign_in_start: str = "/oauth2/start"
    sign_in_cookie: str = "_oauth2_proxy"
    unrecorded_are_public: bool = True
    user: str = ""
    open_files: int | None = None
    workers: int | str = "auto"
    worker_connections: int = 16384
    keepalive_pools: int = 1
    reuseport: bool = False
    drain_seconds: int = 300
    hold_seconds: int = 50
    hold_max: int = 2000
    wait_seconds: int = 30
    answer_seconds: int = 10
    back_off_seconds: float = 5
    seen_seconds: int = 30
    keep_seconds: int = 600
    shard_size: int = 2000
    shard_limit: int = 80
    snapshot_path: str = ""
    routes_megabytes: int = 64
    hosts_megabytes: int = 256
    max_body_megabytes: int = 1024
    access_log: str = "/dev/stdout"
    error_log: str = "/dev/stderr"
    nginx_dir: str = "/usr/share/reviewapps/nginx"
    modules: tuple[str, ...] = DEBIAN_MODULES


LUA_SETTINGS = (
    "domains",
    "node_networks",
    "first_port",
    "last_port",
    "consul_address",
    "consul_token_file",
    "prefix",
    "run_dir",
    "nginx_dir",
    "router_id",
    "sign_in_address",
    "sign_in_start",
    "sign_in_cookie",
    "hold_seconds",
    "hold_max",
    "wait_seconds",
    "answer_seconds",
    "back_off_seconds",
    "seen_seconds",
    "keep_seconds",
    "shard_size",
    "shard_limit",
)


def lua_settings(router: Router) -> str:
    """Return what the Lua reads, as JSON on one line."""
    settings: dict[str, object] = {name: getattr(router, name) for name in LUA_SETTINGS}
    settings["snapshot_path"] = router.snapshot_path or f"{router.run_dir}/snapshot.jsonl"
    if router.unrecorded_are_public:
        settings["unrecorded"] = {"state": "running", "access": {"kind": "public"}}
    text = json.dumps(settings, sort_keys=True)
    if "]=]" in text:
        raise ValueError("a setting of the router contains ]=], which ends its place in nginx.conf")
    return text


def port_suffix(router: Router) -> str:
    """Return what follows the host in links to an app: nothing on the usual ports."""
    if router.public_port in (None, 80, 443):
        return ""
    return f":{router.public_port}"


def client_scheme(router: Router) -> str:
    """Return how nginx knows the client's scheme: a constant is cheaper than a variable."""
    if router.trusted_proxies:
        return "$client_scheme"
    if router.listen and router.listen_tls:
        return "$scheme"
    return "https" if router.listen_tls else "http"


def render(router: Router, nginx_dir: Path | None = None) -> str:
    """Return nginx.conf for `router`, from the template in `nginx_dir` or the packaged one."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(nginx_dir or packages.folder("nginx")),
        undefined=jinja2.StrictUndefined,
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - nginx.conf is no HTML; values come from the operator
    )
    values = {name: getattr(router, name) for name in router.__dataclass_fields__}
    return environment.get_template("nginx.conf.j2").render(
        **values,
        settings_json=lua_settings(router),
        port_suffix=port_suffix(router),
        client_scheme=client_scheme(router),
    )
