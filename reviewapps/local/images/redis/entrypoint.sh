# Becomes Redis, with its settings on standard input so that no password is on a command line.
#
#   REDIS_PASSWORD_FILE or REDIS_PASSWORD   who knows it may do everything; required
#   REDIS_PORT                              6379 unless set
#   REDIS_MEMORY_MB                         limit of the data; writes beyond it are refused
#
# Arguments are handed to redis-server, as in `--appendonly yes`. With `redis-server FILE` as
# arguments that file says everything, as Nomad's template for an app's Redis does.
set -eu

if [ "${1:-}" = redis-server ]; then
    exec "$@"
fi

if [ -n "${REDIS_PASSWORD_FILE:-}" ]; then
    REDIS_PASSWORD=$(cat "$REDIS_PASSWORD_FILE")
fi
if [ -z "${REDIS_PASSWORD:-}" ]; then
    echo "Redis needs REDIS_PASSWORD_FILE or REDIS_PASSWORD" >&2
    exit 64
fi
# A quoted string of redis.conf ends at a quote and knows backslashes.
password=$(printf '%s' "$REDIS_PASSWORD" | sed 's/[\\"]/\\&/g')
memory=${REDIS_MEMORY_MB:+maxmemory ${REDIS_MEMORY_MB}mb}
port=${REDIS_PORT:-6379}
unset REDIS_PASSWORD REDIS_PASSWORD_FILE

exec redis-server - "$@" <<SETTINGS
port $port
bind * -::*
protected-mode no
requirepass "$password"
maxmemory-policy noeviction
$memory
save ""
SETTINGS
