# ruff: noqa: E501
"""Breaks the router on purpose, one way at a time, and says which break no test caught.

`python -m tests.router.mutations` (some minutes); a name or part of it runs only those.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LUA = "lua/reviewapps"


@dataclass(frozen=True)
class Break:
    name: str
    file: str
    old: str
    new: str
    tests: str


BREAKS = [
    Break("drop the allow-list of addresses", f"{LUA}/address.lua",
          "        if not allowed(rules, number, port) then", "        if false then",
          "test_isolation.py -k outside_the_nodes"),
    Break("accept octal forms", f"{LUA}/address.lua",
          'if value > 255 or (#part > 1 and part:sub(1, 1) == "0") then', "if value > 255 then",
          "test_isolation.py -k outside_the_nodes"),
    Break("pass the client's Host on", "nginx.conf.j2",
          "proxy_set_header Host $host[[ port_suffix ]];", "proxy_set_header Host $http_host;",
          "test_routes.py -k final_dot"),
    Break("do not compare Host with the request line", "nginx.conf.j2",
          "if ($http_host != $host[[ port_suffix ]]) {", 'if ($http_host = "") {',
          "test_isolation.py -k absolute_target"),
    Break("do not compare SNI with Host", f"{LUA}/gate.lua",
          'if sni ~= "" and sni ~= name then', "if false then", "test_protocols.py -k sni"),
    Break("believe forwarded headers of clients", "edge_headers.conf",
          'proxy_set_header X-Forwarded-Host "";', "", "test_isolation.py -k forwarding_headers"),
    Break("pass the platform's cookie on in the fast lane", "nginx.conf.j2",
          '"reviewapps=|[[ sign_in_cookie ]]"', '"never="', "test_isolation.py -k never_reach_an_app"),
    Break("pass the platform's cookie on in the gate", f"{LUA}/credentials.lua",
          "        if not is_ours(pair.name) then", "        if true then",
          "test_isolation.py -k never_reach_an_app"),
    Break("forward the bypass token", f"{LUA}/credentials.lua",
          '"^x%-reviewapps%-", ', "", "test_access.py -k forwarded_or_logged"),
    Break("let apps set cookies for their siblings", "nginx.conf.j2",
          "clean_edge(lines)", "clean(lines[1] or lines)", "test_isolation.py -k siblings"),
    Break("serve without asking for access", f"{LUA}/routes.lua",
          'and type(access) == "table" and access.kind == "public"', "", "test_access.py -k reaches_the_app"),
    Break("wake before the access check", f"{LUA}/gate.lua",
          "    local verdict, used_basic = gate.judge(entry)",
          "    wish.wake(entry)\n    local verdict, used_basic = gate.judge(entry)",
          "test_access.py -k wakes_or_learns"),
    Break("a dead sign-in service says yes", "gate.conf",
          "    error_page 401 = @sign_in;", "    error_page 401 500 = @again;",
          "test_access.py -k dead_sign_in"),
    Break("serve an app that is asleep or paused", f"{LUA}/routes.lua",
          "    return entry.peers ~= nil and SERVED[entry.record.state] == true",
          "    return entry.peers ~= nil", "test_states.py -k stale_route"),
    Break("do not hold requests", f"{LUA}/hold.lua", "until why or ngx.now() > deadline", "until true",
          "test_states.py -k held_until"),
    Break("let bots wake apps", f"{LUA}/gate.lua",
          "    local machine = machines.kind(ngx.var.http_user_agent)\n    if machine then",
          "    local machine = machines.kind(ngx.var.http_user_agent)\n    wish.wake(entry)\n    if machine then",
          "test_states.py -k bots"),
    Break("escape nothing on pages", f"{LUA}/pages.lua",
          '''return (tostring(text or ""):gsub("[&<>\\"']", escapes))''', 'return tostring(text or "")',
          "test_states.py -k say_what_is_the_matter"),
    Break("never reset the index", f"{LUA}/watch.lua",
          "    self.index = 0 -- after any error", "    self.index = self.index -- after any error",
          "test_lying_consul.py -k without_an_index"),
    Break("believe an answer without a leader", f"{LUA}/answer.lua",
          'if headers["x-consul-knownleader"] ~= "true" then', "if false then",
          "test_lying_consul.py -k 'only_lies'"),
    Break("believe an answer that loses most", f"{LUA}/answer.lua",
          "return before > 10 and #gone * 2 > before", "return false",
          "test_lying_consul.py -k 'partial_answer'"),
    Break("publish a route before its record is known", f"{LUA}/sync.lua",
          "        if (hosts and hosts.index or 0) < row.ModifyIndex and", "        if false and",
          "test_lying_consul.py -k before_its_record"),
    Break("forget what Consul lost", f"{LUA}/kept.lua", "if is_loss and not deadline then",
          "if false then", "test_faults.py -k restarted_empty"),
    Break("a kept address does not yield", f"{LUA}/sync.lua",
          "        result[name] = result[name] or false", "        result[name] = result[name]",
          "test_faults.py -k restarted_empty"),
    Break("a new worker forgets what it must withdraw", f"{LUA}/sync.lua",
          "        known[key] = 0\n", "", "test_faults.py -k 'killed_worker or nginx_was_down'"),
    Break("serve the snapshot before asking Consul", f"{LUA}/snapshot.lua",
          '    store.state:set("from_snapshot", true)', '    store.state:set("synced", true)',
          "test_faults.py -k nginx_was_down"),
    Break("believe half a snapshot", f"{LUA}/snapshot.lua", "    if not complete then",
          "    if false then", "test_faults.py -k damaged"),
    Break("retry a POST that reached the app", "http.conf", "proxy_next_upstream error timeout;",
          "proxy_next_upstream error timeout non_idempotent;", "test_faults.py -k never_sent_twice"),
    Break("send a POST on a kept connection", "http.conf", "    default app_fresh;", "    default app_kept;",
          "test_faults.py -k kept_connection"),
    Break("do not wait for a restarted app", f"{LUA}/broken.lua", "local ROUNDS = 4", "local ROUNDS = 0",
          "test_faults.py -k restarted_app"),
    Break("claim an index before every shard has it", f"{LUA}/acknowledge.lua",
          "    if not watches[\"\"] and index ~= claimed then", "    if false then", "test_lying_consul.py -k behind"),
    Break("acknowledge without moving the workers' tables", f"{LUA}/store.lua",
          "    if moved > 0 then\n        version.move(store.state)\n    end", "",
          "test_routes.py -k withdrawn"),
    Break("do not check the identity of an app", f"{LUA}/answers.lua",
          'if type(identity) == "string" and', "if false and", "test_isolation.py -k identity"),
    Break("index the pages", "edge_headers.conf",
          'add_header X-Robots-Tag "noindex, nofollow, noarchive" always;', "",
          "test_states.py -k unindexed"),
    Break("cache the pages", f"{LUA}/pages.lua", 'ngx.header["Cache-Control"] = "no-store"\n    ngx.header["X-R',
          'ngx.header["X-R', "test_states.py -k unindexed"),
]  # fmt: skip


def run(broken: Break, folder: Path) -> bool:
    """Return whether the tests noticed."""
    copy = folder / "nginx"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT / "nginx", copy)
    path = copy / broken.file
    text = path.read_text()
    assert broken.old in text, f"{broken.name}: {broken.file} has changed"
    path.write_text(text.replace(broken.old, broken.new))
    file, _, chosen = broken.tests.partition(" -k ")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        f"tests/router/{file}",
        "-k",
        chosen.strip("'"),
    ]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "ROUTER_UNDER_TEST": str(copy)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout[-2000:]
    return done.returncode == 1


def main() -> None:
    """Run all breaks, or those whose name contains a word of the command line."""
    chosen = [one for one in BREAKS if not sys.argv[1:] or any(w in one.name for w in sys.argv[1:])]
    unseen = []
    with tempfile.TemporaryDirectory(prefix="mutations-") as name:
        for broken in chosen:
            started = time.monotonic()
            noticed = run(broken, Path(name))
            took = time.monotonic() - started
            print(
                f"{'caught' if noticed else 'NOT CAUGHT':11} {took:4.0f} s  {broken.name}",
                flush=True,
            )
            if not noticed:
                unseen.append(broken.name)
    print(f"{len(chosen) - len(unseen)} of {len(chosen)} breaks were caught")
    sys.exit(1 if unseen else 0)


if __name__ == "__main__":
    main()
