# Makes the database cluster at the first start, then becomes PostgreSQL.
# POSTGRES_PASSWORD_FILE (or POSTGRES_PASSWORD) is the password of `postgres` and `reviewapps`.
# POSTGRES_SUPERUSER is another name for `postgres`, where that shall be nothing special.
# Arguments are handed to `postgres`, as in `-c max_connections=500`.
set -eu
umask 077
home=/var/lib/postgresql
data=$home/15

if [ "$(id -u)" = 0 ]; then
    # Without a password file of its own the unprivileged process could not read root's.
    if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
        POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
        export POSTGRES_PASSWORD
    fi
    mkdir -p "$home" /var/run/postgresql
    chown postgres:postgres "$home" /var/run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --init-groups sh "$0" "$@"
fi

if [ ! -e "$data" ]; then
    if [ -z "${POSTGRES_PASSWORD:-}" ]; then
        echo "PostgreSQL needs POSTGRES_PASSWORD_FILE or POSTGRES_PASSWORD for its first start" >&2
        exit 64
    fi
    # The cluster appears under its name when it is complete: a start that was killed starts over.
    rm -rf "$data.new"
    printf '%s' "$POSTGRES_PASSWORD" > "$home/password"
    superuser=${POSTGRES_SUPERUSER:-postgres}
    initdb --pgdata="$data.new" --username="$superuser" --pwfile="$home/password" \
        --auth-local=peer --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 \
        --data-checksums
    rm "$home/password"
    sed -i 's/ peer$/ peer map=owner/' "$data.new/pg_hba.conf"
    echo "owner postgres $superuser" >> "$data.new/pg_ident.conf"
    echo 'host all all all scram-sha-256' >> "$data.new/pg_hba.conf"
    postgres --single -j -D "$data.new" postgres \
        < /usr/local/share/reviewapps/first-start.sql > /dev/null
    mv "$data.new" "$data"
fi

unset POSTGRES_PASSWORD POSTGRES_PASSWORD_FILE
exec postgres -D "$data" -c listen_addresses='*' -c max_connections=300 -c jit=off \
    -c superuser_reserved_connections=5 -c password_encryption=scram-sha-256 "$@"
