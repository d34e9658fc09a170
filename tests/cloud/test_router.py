"""The cloud's router is configured for the balancer, and the secret beside it is kept."""

from dataclasses import replace
from typing import Any

from reviewapps.cloud import router
from reviewapps.settings import Settings, SignIn

SETTINGS = Settings(
    domain="previews.test",
    url_scheme="https",
    url_port=443,
    node_network="10.90.128.0/17",
    trusted_proxies=("10.90.0.0/24",),
)


class Nomad:
    """A Nomad in memory with one node; registering a job runs it there."""

    def __init__(self) -> None:
        self.items = {"consul_token": "secret"}
        self.jobs: dict[str, Any] = {}
        self.registered = 0

    def variable(self, _path: str) -> dict[str, str]:
        return dict(self.items)

    def put_variable(self, _path: str, items: dict[str, str]) -> None:
        self.items = items

    def job(self, name: str) -> Any:
        return self.jobs.get(name)

    def parse(self, _text: str) -> dict[str, Any]:
        return {"ID": "router"}

    def register(self, job: dict[str, Any], index: int) -> None:
        self.registered += 1
        assert index == self.jobs.get("router", {}).get("JobModifyIndex", 0)
        self.jobs["router"] = job | {"JobModifyIndex": self.registered, "Version": self.registered}

    def nodes(self) -> list[dict[str, Any]]:
        return [{"ID": "n", "Name": "n", "Status": "ready", "SchedulingEligibility": "eligible"}]

    def allocations(self, _job: str) -> tuple[int, list[dict[str, Any]]]:
        row = {"NodeID": "n", "ClientStatus": "running", "JobVersion": self.registered}
        return 1, [row]


def ensure(nomad: Any, image: str = "router:1") -> bool:
    return router.ensure(nomad, SETTINGS, image, lambda _line: None)


def test_the_token_that_the_servers_laid_there_is_kept() -> None:
    nomad = Nomad()
    assert ensure(nomad)
    assert nomad.items["consul_token"] == "secret"
    assert "nginx_conf" in nomad.items


def test_a_second_run_changes_nothing() -> None:
    nomad = Nomad()
    ensure(nomad)
    assert not ensure(nomad)
    assert nomad.registered == 1


def test_a_new_image_is_a_new_job_and_a_new_configuration_is_not() -> None:
    nomad = Nomad()
    ensure(nomad)
    nomad.items["nginx_conf"] = "older"
    assert ensure(nomad)
    assert nomad.registered == 1
    assert ensure(nomad, "router:2")
    assert nomad.registered == 2


def test_a_job_that_was_stopped_is_started() -> None:
    nomad = Nomad()
    ensure(nomad)
    nomad.jobs["router"]["Stop"] = True
    assert ensure(nomad)


def test_the_team_s_sign_in_is_where_the_settings_say() -> None:
    text = router.config(replace(SETTINGS, sign_in=SignIn("127.0.0.1:4180", cookie="_team")))
    assert 'set $sign_in_address "127.0.0.1:4180";' in text
    assert '"sign_in_cookie": "_team"' in text
    assert '"sign_in_start": "/oauth2/start"' in text


def test_it_listens_for_the_balancer_and_trusts_no_one_else() -> None:
    text = router.config(SETTINGS)
    assert "listen @NODE_IP@:8080" in text
    assert "listen @NODE_IP@:9145" in text
    assert text.count("set_real_ip_from") == 1
    assert "set_real_ip_from 10.90.0.0/24;" in text
