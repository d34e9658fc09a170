"""The router's benchmark: `python bench/router.py all`, or one part; prints Markdown tables."""

import argparse
import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import router_cost  # noqa: E402 - the path is set just above
import router_profile  # noqa: E402
import router_soak  # noqa: E402
import router_stage  # noqa: E402
import router_times  # noqa: E402

QUICK = {
    "rounds": 3,
    "reloads": 20,
    "seconds": 1,
    "follow": 40,
    "others": 5.0,
    "hold": 5.0,
    "minutes": 0.5,
}
FULL = {
    "rounds": 9,
    "reloads": 1000,
    "seconds": 2,
    "follow": 200,
    "others": 10.0,
    "hold": 30.0,
    "minutes": 30.0,
}
HEAD = "| | N | median ms | p99 ms | max ms |\n|---|---|---|---|---|"


COSTS = [
    (1, ["plain", "router", "router, 16 pools", "haproxy", "caddy", "blocking"], ["plain"]),
    (1, ["plain, logging", "router, logging"], ["plain, logging"]),
    (
        200,
        ["plain", "plain with 200 upstreams", "router", "router, 16 pools", "haproxy"],
        ["plain", "plain with 200 upstreams"],
    ),
]


def cost(size: dict[str, float]) -> None:
    """CPU per request and requests per second against all contenders; one app, then 200."""
    with router_stage.open_stage(1000) as stage:
        for number, (apps, names, bases) in enumerate(COSTS):
            print(f"\n### {apps} app{'s in random order' if apps > 1 else ''}, 1,000 routes\n")
            taken = router_cost.rounds(
                stage, names, int(size["rounds"]), size["seconds"], apps, 18100 + 20 * number
            )
            for base in bases:
                print(router_cost.table(taken, base), end="\n\n", flush=True)


def profile(size: dict[str, float]) -> None:
    """Instructions for each request, part by part, under valgrind; needs no quiet machine."""
    print("\n### Instructions for each request (user space)\n")
    with router_stage.open_stage(router_stage.APPS) as stage:
        router_profile.table(stage, 18100)


def follow(size: dict[str, float]) -> None:
    """KV write to first request on the new place."""
    print(f"\n### From the KV write to the first answer\n\n{HEAD}")
    for routes, alike in ((1000, False), (10_000, False), (10_000, True), (100_000, False)):
        with router_stage.open_stage(routes, alike) as stage:
            router_stage.start_router(stage, 18150)
            name = f"{routes:,} routes{' that begin alike' if alike else ''}"
            for unlike in (False, True) if routes > 1000 else (False,):
                rounds = int(size["follow"]) // (4 if unlike else 1)
                taken = router_times.follow(stage, 18150, rounds, unlike)
                kind = f"{name}, a host that begins as no other" if unlike else name
                print(router_times.report(kind, taken.router))
                print(router_times.report("a bare blocking read of that key", taken.bare))
                print(f"against it, from the beginning of the write: "
                      f"{router_cost.quartiles(taken.ratios)} times", flush=True)  # fmt: skip


def others(size: dict[str, float]) -> None:
    """Other requests while routes change."""
    print(f"\n### Other requests at 10,000 routes, 200 a second\n\n{HEAD}")
    for alike in (False, True):
        with router_stage.open_stage(10_000, alike) as stage:
            router_stage.start_router(stage, 18150)
            for rate in (0, 10, 0, 10):
                taken = router_times.other_requests(stage, 18150, size["others"], rate)
                name = f"{rate} changes a second{', hosts begin alike' if alike else ''}"
                print(router_times.report(name, taken), flush=True)


def hold(size: dict[str, float]) -> None:
    """1,000 requests held, then released, and 1,000 at once to plain nginx, in turns."""
    print(f"\n### 1,000 requests held for {size['hold']:.0f} s, then 1,000 at once\n\n{HEAD}")
    with router_stage.open_stage(100) as stage:
        router_stage.start_router(stage, 18150)
        router_stage.start_plain(stage, 18151)
        for _ in range(3):
            taken = router_times.hold(stage, 18150, 1000, size["hold"])
            print(router_times.report("from the KV write to the answer", taken), flush=True)
            for name, port in (("plain nginx, 1,000 at once", 18151), ("router, at once", 18150)):
                taken = router_times.answers(port, router_stage.host(0), 1000, 0, lambda: None)
                print(router_times.report(name, taken), flush=True)


def memory(size: dict[str, float]) -> None:
    """Memory for each thousand routes, and after many reloads."""
    with router_stage.open_stage(1000) as stage:
        pid = router_stage.start_router(stage, 18150)
        before, after = router_times.memory(stage, 18150, pid, 20_000)
        print(f"\nworker 0 with 1,000 routes: {before:.1f} MiB; with 21,000: {after:.1f} MiB; "
              f"{(after - before) / 20:.2f} MiB for each 1,000")  # fmt: skip
    with router_stage.open_stage(100) as stage:
        reloads, rounds = int(size["reloads"]), int(size["reloads"] * 100)
        found = router_times.rss_after_reloads(stage, 18150, reloads)
        print(f"MiB of master and workers along {reloads:,} reloads:",
              ", ".join(f"{value:.1f}" for value in found), flush=True)  # fmt: skip
        found = router_times.rss_after_rounds(stage, 18151, rounds)
        print(f"MiB of the worker along {rounds:,} rounds of the watch:",
              ", ".join(f"{value:.1f}" for value in found), flush=True)  # fmt: skip


def soak(size: dict[str, float]) -> None:
    """200 requests a second through reloads, a frozen Consul and redeploys."""
    with router_stage.open_stage(1000) as stage:
        found, log = router_soak.run(stage, 18150, size["minutes"])
        failed = sum(found.results.values()) - found.results["200"]
        print(f"\n{failed} failed of {sum(found.results.values())}; slowest {found.slowest:.2f} s; "
              f"{len(log)} disturbances; {dict(found.results)}", flush=True)  # fmt: skip


PARTS = {part.__name__: part for part in (cost, follow, others, hold, memory, soak, profile)}
ALL = [name for name in PARTS if name != "profile"]  # which needs valgrind


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        default=["all"],
        help=f"all ({', '.join(ALL)}), or of {', '.join(PARTS)}",
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, to see it run")
    parser.add_argument("--minutes", type=float, help="how long the soak lasts")
    chosen = parser.parse_args()
    size = dict(QUICK if chosen.quick else FULL)
    size["minutes"] = chosen.minutes or size["minutes"]
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} processors, load {load:.1f} before the start")
    for name in ALL if chosen.parts == ["all"] else chosen.parts:
        PARTS[name](size)


if __name__ == "__main__":
    main()
