# shellcheck shell=bash
# One cluster: its names, its folder, its processes; sourced.
# shellcheck source=scripts/testbed/cache.sh
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

CLUSTERS=$HAI_TESTBED/clusters
SYSCTLS_SAVED=$HAI_TESTBED/sysctl.saved
CGROUPS=/sys/fs/cgroup
export CGROUPS

# Everything of a cluster bears its name: namespaces NAME-sw and NAME-n1, the link NAME-h0, the
# cgroups NAME-node1, the folder.
use_cluster() {
  NAME=$1
  [[ $NAME =~ ^[a-z]{1,6}$ ]] || fail "NAME must be 1 to 6 small letters"
  CLUSTER=$CLUSTERS/$NAME
  export NAME CLUSTER KUBECONFIG=$CLUSTER/admin.kubeconfig
}

# background NAME COMMAND...: start it with a log of its own, and note its pid.
background() {
  local what=$1
  shift
  printf '%q ' env "PATH=$PATH" "$@" >"$CLUSTER/commands/$what" # for restart
  "$@" >>"$CLUSTER/logs/$what.log" 2>&1 </dev/null 9>&- &
  echo $! >"$CLUSTER/pids/$what"
}

# wait_for SECONDS COMMAND...: until it succeeds. Fails at once when a process of ours has ended.
wait_for() {
  local seconds=$1 file
  shift
  for _ in $(seq $((seconds * 5))); do
    ! "$@" >/dev/null 2>&1 || return 0
    for file in "$CLUSTER"/pids/*; do
      kill -0 "$(cat "$file")" 2>/dev/null || {
        tail -n 5 "$CLUSTER/logs/${file##*/}.log" >&2
        fail "${file##*/} has ended"
      }
    done
    sleep 0.2
  done
  tail -n 3 "$CLUSTER"/logs/*.log >&2
  fail "not within $seconds s: $*"
}

is_alive() {
  local pid
  for pid in "$@"; do
    ! kill -0 "$pid" 2>/dev/null || return 0
  done
  return 1
}

# stop_processes PIDFILE...: ask for a second, then insist.
stop_processes() {
  local pids=() file
  for file in "$@"; do
    [ -f "$file" ] || continue
    pids+=("$(cat "$file")")
    rm -f "$file"
  done
  [ ${#pids[@]} != 0 ] || return 0
  kill "${pids[@]}" 2>/dev/null || true
  for _ in $(seq 10); do
    is_alive "${pids[@]}" || return 0
    sleep 0.1
  done
  kill -9 "${pids[@]}" 2>/dev/null || true
}

# A kubelet changes settings of the whole machine; the last cluster that ends puts them back.
keep_kernel_settings() {
  (
    lock clusters
    [ -f "$SYSCTLS_SAVED" ] || sysctl vm.overcommit_memory vm.panic_on_oom kernel.panic \
      kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes >"$SYSCTLS_SAVED"
    # Mount points of all nodes of all clusters. Who removes one takes the mounts of all nodes with
    # it: a file in it prevents that, and tells at the end which ones are ours.
    for path in $NODE_PATHS; do
      [ -e "$path" ] || {
        mkdir -p "$path"
        touch "$path/.hai-testbed"
      }
    done
  )
}

restore_kernel_settings() {
  (
    lock clusters
    rmdir "$CLUSTERS" 2>/dev/null || exit 0
    [ ! -f "$SYSCTLS_SAVED" ] || sysctl -q -p "$SYSCTLS_SAVED"
    rm -f "$SYSCTLS_SAVED"
    for path in $NODE_PATHS; do
      [ ! -f "$path/.hai-testbed" ] || rm -f "$path/.hai-testbed"
      rmdir "$path" 2>/dev/null || true
    done
  )
}
