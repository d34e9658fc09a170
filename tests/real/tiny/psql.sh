# Runs one statement in the app's database; the password stays out of the command line.
rest=${DATABASE_URL#*://}
login=${rest%%@*}
place=${rest#*@}
export PGUSER=${login%%:*} PGPASSWORD=${login#*:} PGDATABASE=${place#*/} PGOPTIONS=-cclient_min_messages=warning
host=${place%%/*}
export PGHOST=${host%:*} PGPORT=${host##*:}
exec psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --command "$1"
