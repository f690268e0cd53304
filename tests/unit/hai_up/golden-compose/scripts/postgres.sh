# PostgreSQL in $PGDATA: made at the first start; the password is the Secret's from each start on.
set -eu
umask 077
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA.new"
  initdb -D "$PGDATA.new" -U "$POSTGRES_USER" -E UTF8 --locale=C.UTF-8 \
    --auth=trust >/dev/null # nobody can connect before the next line holds
  echo "host all all all scram-sha-256" >"$PGDATA.new/pg_hba.conf"
  echo "CREATE DATABASE hai" | postgres --single -D "$PGDATA.new" postgres >/dev/null
  mv "$PGDATA.new" "$PGDATA"
fi
quoted=$(printf %s "$POSTGRES_PASSWORD" | sed "s/'/''/g")
printf "ALTER ROLE \"%s\" PASSWORD '%s'\n" "$POSTGRES_USER" "$quoted" |
  postgres --single -D "$PGDATA" postgres >/dev/null
unset quoted POSTGRES_PASSWORD
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/run/hai \
  -c max_connections=200
