"""What differs between the engines of the local RDS: the image, and SQL as the server's owner."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reviewapps.local import images

POSTGRESQL_RENAME = r"""
SELECT format('ALTER ROLE reviewapps RENAME TO %I', {user})
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {user}) \gexec
"""
POSTGRESQL_SET = r"""
SELECT format('ALTER ROLE %I PASSWORD %L', {user}, {password}) \gexec
"""
MYSQL_RENAME = """
SELECT IF(EXISTS (SELECT 1 FROM mysql.user WHERE user = {user} AND host = '%'), 'DO 1',
    CONCAT('RENAME USER reviewapps@''%'' TO ', QUOTE({user}), '@''%''')) INTO @rename;
EXECUTE IMMEDIATE @rename;
"""
MYSQL_SET = """
SET PASSWORD FOR {user}@'%' = PASSWORD({password});
"""
SUPERUSER = "rdsadmin"  # as at RDS, where no master user is one


@dataclass(frozen=True)
class Engine:
    """An engine: its image, where the image keeps data, and how its owner talks to it inside.

    `set_master(user, password)` returns the statements that give the master user its name, and its
    password unless that is "".
    """

    image: str
    data: str
    port: int
    password_variable: str
    owner: str
    client: Sequence[str]
    set_master: Callable[[str, str], str]

    @property
    def tag(self) -> str:
        """Return the image's tag."""
        return images.RECIPES[self.image].tag


def set_postgresql_master(user: str, password: str) -> str:
    """Rename the image's own master user, whose rights stay what they are."""
    text = POSTGRESQL_RENAME.format(user=quoted(user))
    if password:
        text += POSTGRESQL_SET.format(user=quoted(user), password=quoted(password))
    return text


def set_mysql_master(user: str, password: str) -> str:
    """Rename the image's own master user, whose rights stay what they are."""
    name = quoted(user.replace("\\", "\\\\"))
    text = MYSQL_RENAME.format(user=name)
    if password:
        secret = quoted(password.replace("\\", "\\\\"))
        text += MYSQL_SET.format(user=name, password=secret)
    return text


def quoted(text: str) -> str:
    """Return a text as a literal."""
    return "'" + text.replace("'", "''") + "'"


POSTGRESQL = Engine(
    image="postgres",
    data="/var/lib/postgresql",
    port=5432,
    password_variable="POSTGRES_PASSWORD_FILE",  # noqa: S106 - the name of a variable
    owner="postgres",
    client=(
        *("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"),
        *(f"--username={SUPERUSER}", "--dbname=postgres"),
    ),
    set_master=set_postgresql_master,
)
MARIADB = Engine(
    image="mariadb",
    data="/var/lib/mysql",
    port=3306,
    password_variable="MARIADB_PASSWORD_FILE",  # noqa: S106 - the name of a variable
    owner="mysql",
    client=("mariadb", "--no-defaults", "--socket=/run/mysqld/mysqld.sock", "--user=mysql"),
    set_master=set_mysql_master,
)
ENGINES = {"postgres": POSTGRESQL, "mysql": MARIADB, "mariadb": MARIADB}


def first_password(folder: Path) -> Path:
    """Return the file with the password of the server's owner, made at the first time."""
    file = folder / "password"
    if not file.exists():
        scratch = folder / ".password"
        scratch.touch(mode=0o600)
        scratch.write_text(secrets.token_urlsafe(24))
        scratch.rename(file)
    return file
