"""Where the services are: the file, the environment over it, and what is told of mistakes."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reviewapps.errors import UserError
from reviewapps.settings import Settings, load, parse


def written(folder: Path, text: str | bytes) -> dict[str, str]:
    """Write a settings file and return an environment that names it."""
    file = folder / "settings.yml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return {"REVIEWAPPS_SETTINGS": str(file)}


def told(folder: Path, text: str | bytes, **variables: str) -> str:
    """Return what is said about a faulty file, without the folder's name."""
    with pytest.raises(UserError) as raised:
        load(written(folder, text) | variables)
    return raised.value.message.replace(f"{folder}/", "")


def test_without_a_file_everything_is_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load({}) == Settings()
    assert load({}).nomad.address == "http://127.0.0.1:4646"
    assert load({}).consul.address == "http://127.0.0.1:8500"


def test_the_default_file_is_the_local_clusters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / ".reviewapps/local/settings.yml"
    file.parent.mkdir(parents=True)
    file.write_text("domain: here.localhost")
    assert load({}).domain == "here.localhost"


def test_the_file_is_read(tmp_path: Path) -> None:
    text = """\
domain: preview.example.com
url_scheme: https
url_port: 443
nomad: {address: "https://nomad:4646", ca_file: /etc/ca.pem}
postgresql: {host: db.internal, port: 5432, password_secret_arn: "arn:aws:x"}
aws: {region: eu-central-1, group: apps}
"""
    values = load(written(tmp_path, text))
    assert (values.domain, values.url_scheme, values.url_port) == (
        "preview.example.com",
        "https",
        443,
    )
    assert (values.nomad.address, values.nomad.ca_file) == ("https://nomad:4646", "/etc/ca.pem")
    assert values.consul == Settings().consul
    assert values.postgresql is not None
    assert (values.postgresql.host, values.postgresql.user) == ("db.internal", "postgres")
    assert values.mysql is None
    assert (values.aws.region, values.aws.group) == ("eu-central-1", "apps")


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert load(written(tmp_path, "")) == Settings()
    assert load(written(tmp_path, "# nothing\n")) == Settings()


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    environment = written(tmp_path, "nomad: {address: 'http://file:4646', token: from-file}")
    values = load(environment | {"NOMAD_ADDR": "http://variable:4646", "CONSUL_HTTP_TOKEN": "c"})
    assert values.nomad.address == "http://variable:4646"
    assert values.nomad.token == "from-file"
    assert values.consul.token == "c"


@pytest.mark.parametrize(
    ("variable", "address"),
    [("127.0.0.1:8500", "http://127.0.0.1:8500"), ("https://c:8501", "https://c:8501")],
)
def test_consuls_address_may_lack_its_scheme(variable: str, address: str) -> None:
    assert parse({}, "x", {"CONSUL_HTTP_ADDR": variable}).consul.address == address


def test_an_empty_variable_changes_nothing() -> None:
    assert parse({}, "x", {"NOMAD_ADDR": "", "NOMAD_TOKEN": ""}) == Settings()


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="which does not exist") as raised:
        load({"REVIEWAPPS_SETTINGS": str(tmp_path / "none.yml")})
    assert raised.value.hint == "reviewapps local up"


def test_all_faults_are_told_together(tmp_path: Path) -> None:
    text = """\
domian: x
nomad: {address: 5, tokn: x}
consul: here
postgresql: {host: db}
url_port: many
aws:
"""
    assert told(tmp_path, text, CONSUL_HTTP_ADDR="http://c:1", AWS_ENDPOINT_URL="http://a:1") == (
        "settings.yml has faults:\n"
        "  nomad/address: should be text; put it in quotes\n"
        "  nomad/tokn: is not known\n"
        "  consul: should be a section with keys of its own\n"
        "  postgresql/port: is missing\n"
        "  aws: should be a section with keys of its own\n"
        "  url_port: should be a whole number\n"
        "  domian: is not known"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "settings.yml should be a mapping such as `domain: localhost`"),
        ("nomad", "settings.yml should be a mapping such as `domain: localhost`"),
        ("a: [", "settings.yml, line 1, is not YAML"),
        ("domain: x\n\ta: b", "settings.yml, line 2, is not YAML"),
        (b"domain: caf\xe9", "settings.yml is not YAML"),
        (b"domain: \x00", "settings.yml is not YAML"),
        ("a: !!python/object/apply:os.system [id]", "settings.yml, line 1, is not YAML"),
        ("a: " + "[" * 5000, "settings.yml is not YAML"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_is_no_settings_file(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert told(tmp_path, text) == message


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Is a directory"):
        load({"REVIEWAPPS_SETTINGS": str(tmp_path)})


@pytest.mark.parametrize(
    "text",
    [
        "nomad: {tokn: hunter2}",
        "nomad: {token: [hunter2]}",
        "nomad: hunter2",
        "hunter2",
        "nomad: {token: *hunter2}",
        "nomad: {token: 'hunter2}",
        "nomad: {token: hunter2: x}",
        "consul: {token: {hunter: hunter2}}",
    ],
)
def test_no_token_is_in_a_message(tmp_path: Path, text: str) -> None:
    assert "hunter2" not in told(tmp_path, text)


@given(
    st.dictionaries(
        st.sampled_from([*Settings.__dataclass_fields__, "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
            max_leaves=5,
        ),
    ),
    st.dictionaries(st.sampled_from(["NOMAD_ADDR", "CONSUL_HTTP_TOKEN"]), st.text(max_size=5)),
)
@settings(max_examples=300)
def test_any_values_are_settings_or_a_user_error(
    values: dict[str, object], environment: dict[str, str]
) -> None:
    try:
        assert isinstance(parse(values, "settings.yml", environment), Settings)
    except UserError as error:
        assert error.message.startswith("settings.yml has faults:")


def test_a_server_at_rds_needs_no_address() -> None:
    server = parse({"postgresql": {"instance": "previews", "create": {}}}, "x", {}).postgresql
    assert server is not None and server.create is not None
    assert (server.instance, server.create.storage_gb) == ("previews", 20)


@pytest.mark.parametrize(
    ("server", "fault"),
    [
        ({}, "postgresql/host: is missing"),
        ({"host": "db"}, "postgresql/port: is missing"),
        ({"host": "db", "port": 1, "create": {}}, "postgresql/instance: is missing"),
        ({"instance": "a", "create": {"size": 1}}, "postgresql/create/size: is not known"),
    ],
)
def test_a_server_that_cannot_be_found_is_a_fault(server: dict[str, object], fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        parse({"postgresql": server}, "settings.yml", {})
