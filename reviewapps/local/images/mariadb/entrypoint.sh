# Makes the data directory at the first start, then becomes MariaDB.
# MARIADB_PASSWORD_FILE (or MARIADB_PASSWORD) is the password of `root` and `reviewapps`.
# Arguments are handed to `mariadbd`, as in `--port=3307`.
set -eu
umask 077
home=/var/lib/mysql
data=$home/10.11

if [ "$(id -u)" = 0 ]; then
    if [ -n "${MARIADB_PASSWORD_FILE:-}" ]; then
        MARIADB_PASSWORD=$(cat "$MARIADB_PASSWORD_FILE")
        export MARIADB_PASSWORD
    fi
    chown mysql:mysql "$home"
    exec setpriv --reuid=mysql --regid=mysql --init-groups sh "$0" "$@"
fi

if [ ! -e "$data" ]; then
    if [ -z "${MARIADB_PASSWORD:-}" ]; then
        echo "MariaDB needs MARIADB_PASSWORD_FILE or MARIADB_PASSWORD for its first start" >&2
        exit 64
    fi
    # The data appear under their name when they are complete: a start that was killed starts over.
    rm -rf "$data.new"
    mariadb-install-db --no-defaults --datadir="$data.new" --skip-test-db \
        --auth-root-authentication-method=socket --auth-root-socket-user=mysql > /dev/null
    # Hexadecimal needs no quoting, whatever the password contains.
    hex=$(printf '%s' "$MARIADB_PASSWORD" | od -An -v -tx1 | tr -d ' \n')
    { echo "SET @password = QUOTE(CAST(X'$hex' AS CHAR));"; cat /usr/local/share/reviewapps/first-start.sql; } |
        mariadbd --no-defaults --datadir="$data.new" --bootstrap
    mv "$data.new" "$data"
fi

unset MARIADB_PASSWORD MARIADB_PASSWORD_FILE
exec mariadbd --no-defaults --datadir="$data" --socket=/run/mysqld/mysqld.sock --bind-address='*' \
    --max-connections=300 --character-set-server=utf8mb4 --skip-name-resolve "$@"
