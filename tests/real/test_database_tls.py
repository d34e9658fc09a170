"""With a CA in the settings, a database server has to prove its name before it gets a password."""

import datetime
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from reviewapps.clients.mysql import Mysql
from reviewapps.clients.postgres import Postgres
from reviewapps.errors import ServiceError
from tests.real.databases import Running, mysql, postgres, superuser
from tests.real.engines import Engine, mysql_engine, name_of, owner_of, postgres_engine

pytestmark = pytest.mark.real
PASSWORD = "swordfish"


@dataclass(frozen=True)
class Authority:
    """A CA of our own, such as RDS has one: in no browser's list."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    name: x509.Name

    @property
    def file(self) -> str:
        return str(self.folder / "ca.pem")

    def issue(self, host: str) -> tuple[Path, Path]:
        """Return the files of a certificate for one host, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "database")])
        try:
            name: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        certificate = (
            dated(subject, self.name, key)
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        files = self.folder / f"{host}.pem", self.folder / f"{host}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files


def dated(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )


def authority(folder: Path, called: str) -> Authority:
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(
        key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
    certificate = (
        dated(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Authority(folder, key, name)
    Path(made.file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return made


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("tls") / "ours", "ours")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("tls") / "theirs", "theirs")


@pytest.fixture(scope="module")
def with_postgres() -> Iterator[Engine]:
    with postgres() as running:
        yield postgres_engine(running)


def serve(running: Running, certificate: Path, key: Path) -> None:
    """Let a running PostgreSQL use a certificate, which only its superuser can bring to it."""
    with superuser(running) as connection:
        for file, end in ((certificate, "pem"), (key, "key")):
            place = f"/tmp/server.{end}"
            connection.execute(
                "COPY (SELECT unnest(string_to_array("
                f"'{file.read_text()}', E'\\n'))) TO PROGRAM 'umask 077; cat > {place}'"
            )
            what = {"pem": "cert", "key": "key"}[end]
            connection.execute(f"ALTER SYSTEM SET ssl_{what}_file = '{place}'".encode())
        connection.execute("ALTER SYSTEM SET ssl = on")
        connection.execute("SELECT pg_reload_conf(), pg_sleep(0.5)")


def test_postgres_is_believed_only_under_its_name(
    with_postgres: Engine, ours: Authority, theirs: Authority
) -> None:
    running = with_postgres.running
    trusting = Postgres(with_postgres.moved(ca_file=ours.file), lambda: running.password)
    with pytest.raises(ServiceError, match="SSL"):
        trusting.owned()  # no TLS yet

    serve(running, *ours.issue(running.server.host))
    assert trusting.owned() == []
    with trusting.connection() as connection:
        mine = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert connection.execute(mine).fetchone() == (True,)

    misled = Postgres(with_postgres.moved(ca_file=theirs.file), lambda: running.password)
    with pytest.raises(ServiceError, match="certificate") as caught:
        misled.owned()
    assert "ca_file" in caught.value.hint

    serve(running, *ours.issue("another.example"))
    with pytest.raises(ServiceError, match="certificate"):
        trusting.owned()
    serve(running, *ours.issue(running.server.host))


def test_the_url_of_an_app_demands_tls(with_postgres: Engine, ours: Authority) -> None:
    running = with_postgres.running
    serve(running, *ours.issue(running.server.host))
    client = Postgres(with_postgres.moved(ca_file=ours.file), lambda: running.password)
    name = name_of("tls")
    client.create(name, owner_of(name), PASSWORD)
    for url, mode in (
        (client.url(name, PASSWORD), "sslmode=require"),
        (client.url(name, PASSWORD, ca_file=ours.file), "sslmode=verify-full"),
    ):
        assert mode in url
        with psycopg.connect(url) as connection:
            assert connection.pgconn.ssl_in_use
    client.drop(name)


def test_mysql_is_believed_only_under_its_name(ours: Authority, theirs: Authority) -> None:
    """Two servers: MariaDB reads its certificate when it starts."""
    for host in ("172.17.0.1", "another.example"):
        for file in ours.issue(host):
            file.chmod(0o644)
    ours.folder.chmod(0o755)

    def options(host: str) -> tuple[str, ...]:
        return (f"--ssl-cert=/tls/{host}.pem", f"--ssl-key=/tls/{host}.key")

    volumes = {str(ours.folder): "/tls"}
    with mysql(options("172.17.0.1"), volumes=volumes) as running:
        engine = mysql_engine(running)
        host = running.server.host
        if host != "172.17.0.1":
            pytest.skip(f"Docker's ports are at {host} here, not at 172.17.0.1")
        client = Mysql(engine.moved(ca_file=ours.file), lambda: running.password)
        assert client.owned() == []
        misled = Mysql(engine.moved(ca_file=theirs.file), lambda: running.password)
        with pytest.raises(ServiceError, match="certificate") as caught:
            misled.owned()
        assert "ca_file" in caught.value.hint
        assert "ssl_mode=verify_identity&sslca=%2Fca" in client.url("x", "y", ca_file="/ca")
        assert "ssl_mode=required" in client.url("x", "y")
    with mysql(options("another.example"), volumes=volumes) as running:
        moved = mysql_engine(running).moved(ca_file=ours.file)
        with pytest.raises(ServiceError, match="certificate"):
            Mysql(moved, lambda: running.password).owned()
