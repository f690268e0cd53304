# Folders on the shared file system, as root for a moment: theirs are those that did not exist.
set -eu
made() { # FOLDER OWNER MODE
  [ -d "$1" ] || { mkdir -p "$1" && chown "$2:$2" "$1" && chmod "$3" "$1"; }
}
if [ -n "${DATABASE_FOLDER:-}" ]; then
  made "$DATABASE_FOLDER" "$PLATFORM_UID" 0700
fi
if [ -n "${PLATFORM_PATH:-}" ]; then
  made "$PLATFORM_PATH/workspace" 0 0755
  made "$PLATFORM_PATH/workspace/log" "$PLATFORM_UID" 0755
  for user in $WORKSPACE_USERS; do
    made "$PLATFORM_PATH/workspace/${user%%:*}" "${user##*:}" 0755
  done
fi
if [ -n "${SIGNING_KEY:-}" ]; then
  (umask 077 && printf '%s\n' "$SIGNING_KEY" >/opt/hai/run/secret)
  chown "$PLATFORM_UID:$PLATFORM_UID" /opt/hai/run/secret
fi
