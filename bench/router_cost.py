"""CPU per request and requests per second of every contender, compared inside each round."""

import random
import re
import statistics
import subprocess
import time
from collections.abc import Iterable

from router_stage import ADDRESS, CONTENDERS, HERE, LOAD_CORE, Stage, cpu_nanoseconds

Sample = dict[str, float]


def run_wrk(port: int, seconds: float, apps: int, seed: int) -> tuple[int, float, str]:
    """Load one contender; return requests, seconds and wrk's report."""
    command = [
        "taskset", "-c", LOAD_CORE, "wrk", "-t1", "-c32", f"-d{int(seconds)}s", "--latency",
        "-s", str(HERE / "router_load.lua"), f"http://{ADDRESS}:{port}/", "--", str(apps),
        str(seed),
    ]  # fmt: skip
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+) requests in ([\d.]+)(m?s)", report)
    assert found, report
    assert "Non-2xx" not in report, report
    scale = 0.001 if found[3] == "ms" else 1
    return int(found[1]), float(found[2]) * scale, report


def sample(pid: int, port: int, seconds: float, apps: int, seed: int) -> Sample:
    before = cpu_nanoseconds(pid)
    requests, took, report = run_wrk(port, seconds, apps, seed)
    spent = cpu_nanoseconds(pid) - before
    tail = re.search(r"99%\s+([\d.]+)(us|ms|s)", report)
    scale = {"us": 0.001, "ms": 1, "s": 1000}
    p99 = float(tail[1]) * scale[tail[2]] if tail else 0.0
    return {"cpu_us": spent / requests / 1000, "per_second": requests / took, "p99_ms": p99}


def rounds(  # noqa: PLR0913, PLR0917 - what a measurement is made of
    stage: Stage,
    names: Iterable[str],
    count: int,
    seconds: float,
    apps: int,
    first_port: int = 18100,
) -> dict[str, list[Sample]]:
    """Run every contender once per round in random order, after one round to warm up."""
    ports = {name: first_port + number for number, name in enumerate(names)}
    pids = {name: CONTENDERS[name](stage, port) for name, port in ports.items()}
    samples: dict[str, list[Sample]] = {name: [] for name in ports}
    for number in range(count + 1):
        for name in random.sample(list(ports), len(ports)):
            taken = sample(pids[name], ports[name], seconds if number else 1, apps, number)
            if number:
                samples[name].append(taken)
            time.sleep(0.3)
    return samples


def ratios(samples: dict[str, list[Sample]], name: str, base: str, key: str) -> list[float]:
    return [
        mine[key] / theirs[key] for mine, theirs in zip(samples[name], samples[base], strict=True)
    ]


def quartiles(values: list[float]) -> str:
    if len(values) < 3:
        return f"{statistics.median(values):.2f}"
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.2f} [{low:.2f}-{high:.2f}]"


def table(samples: dict[str, list[Sample]], base: str = "plain") -> str:
    lines = [
        f"| contender | CPU µs/request | against {base} | requests/s | against it | p99 ms |",
        "|---|---|---|---|---|---|",
    ]
    for name, taken in samples.items():
        middle = {key: statistics.median(s[key] for s in taken) for key in taken[0]}
        lines.append(
            f"| {name} "
            f"| {middle['cpu_us']:.1f} | {quartiles(ratios(samples, name, base, 'cpu_us'))} "
            f"| {middle['per_second']:.0f} "
            f"| {quartiles(ratios(samples, name, base, 'per_second'))} "
            f"| {middle['p99_ms']:.2f} |"
        )
    return "\n".join(lines)
