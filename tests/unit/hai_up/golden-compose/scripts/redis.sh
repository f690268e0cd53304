# Redis with a password, which is in no command line.
set -eu
umask 077
printf 'requirepass %s\ndir /data\nbind * -::*\nappendonly no\nsave ""\nmaxmemory 512mb\n' \
  "$REDIS_PASSWORD" >/run/hai/redis.conf
unset REDIS_PASSWORD
exec redis-server /run/hai/redis.conf
