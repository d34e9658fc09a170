"""Rendering the router's configuration: plain values in, one whole nginx.conf out."""

import dataclasses
import json
import re

import pytest

from reviewapps.router import LUA_SETTINGS, Router, lua_settings, render

PLAIN = Router(
    listen=("127.0.0.1:8080",),
    domains=("localhost", "review.example.org"),
    node_networks=("10.86.0.0/24",),
    consul_address="127.0.0.1:8500",
    run_dir="/run/reviewapps",
)
TLS = dataclasses.replace(
    PLAIN, listen_tls=("0.0.0.0:443",), tls_certificate="/c.pem", tls_key="/k.pem"
)


def test_every_setting_of_the_lua_is_a_field() -> None:
    fields = {field.name for field in dataclasses.fields(Router)}
    assert set(LUA_SETTINGS) <= fields


def test_no_placeholder_is_left_and_braces_match() -> None:
    for router in (PLAIN, TLS, dataclasses.replace(TLS, trusted_proxies=("10.0.0.0/8",))):
        text = render(router)
        assert "[%" not in text
        without_lua = re.sub(r"\[=\[.*?\]=\]", "", text)
        assert "[[" not in without_lua
        assert text.count("{") == text.count("}")


def test_the_lua_settings_are_json_on_one_line() -> None:
    text = lua_settings(PLAIN)
    assert "\n" not in text
    found = json.loads(text)
    assert found["snapshot_path"] == "/run/reviewapps/snapshot.jsonl"
    assert found["unrecorded"]["access"] == {"kind": "public"}
    assert "unrecorded" not in json.loads(
        lua_settings(dataclasses.replace(PLAIN, unrecorded_are_public=False))
    )


def test_a_setting_cannot_end_its_place_in_the_configuration() -> None:
    with pytest.raises(ValueError, match="]=]"):
        lua_settings(dataclasses.replace(PLAIN, router_id="x]=]y"))


def test_a_usual_port_is_not_part_of_the_host() -> None:
    assert "Host $host;" in render(dataclasses.replace(PLAIN, public_port=443))
    assert "Host $host:8080;" in render(dataclasses.replace(PLAIN, public_port=8080))


def test_tls_brings_http2_and_the_question_of_sni() -> None:
    assert "ssl http2" in render(TLS)
    assert "$ssl_server_name" in render(TLS)
    assert "ssl" not in render(PLAIN).replace("X-Forwarded-Ssl", "")


def test_one_pool_is_named_and_several_are_chosen_by_the_host() -> None:
    assert "proxy_pass http://0_edge;" in render(PLAIN)
    assert "split_clients" not in render(PLAIN)
    several = render(dataclasses.replace(PLAIN, keepalive_pools=4))
    assert "proxy_pass http://$edge;" in several
    assert [f"upstream {number}_edge" in several for number in range(5)] == [True] * 4 + [False]


def test_the_scheme_is_a_constant_where_it_can_be() -> None:
    assert "X-Forwarded-Proto http;" in render(PLAIN)
    assert "X-Forwarded-Proto $scheme;" in render(TLS)
    assert "X-Forwarded-Proto https;" in render(dataclasses.replace(TLS, listen=()))
    proxied = dataclasses.replace(PLAIN, trusted_proxies=("10.0.0.0/8",))
    assert "X-Forwarded-Proto $client_scheme;" in render(proxied)
