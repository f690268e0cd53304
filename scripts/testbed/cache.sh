# shellcheck shell=bash
# What the testbed's scripts share; sourced. HAI_TESTBED: the cache, kept between runs and clones.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export HERE
HAI_TESTBED=${HAI_TESTBED:-${XDG_CACHE_HOME:-$HOME/.cache}/hai-testbed}
RUNTIME=$HAI_TESTBED/rt
IMAGES=$HAI_TESTBED/images
# Another version's kube-apiserver, kubelet, ... instead of those that are built here.
KUBERNETES=${HAI_TESTBED_KUBERNETES:-$HAI_TESTBED/k8s-build/bin}
export HAI_TESTBED RUNTIME IMAGES KUBERNETES

# The paths that kubelet, containerd and CNI plugins insist on: each node has its own behind them.
NODE_PATHS="/var/lib/kubelet /var/lib/cni /var/log/pods /var/log/containers /run/containerd"
export NODE_PATHS

fail() {
  echo "error: $*" >&2
  exit 1
}

# Hold the testbed's lock NAME until this process ends.
lock() {
  mkdir -p "$HAI_TESTBED"
  exec 9>"$HAI_TESTBED/.$1.lock"
  flock 9
}

# The checksum of what a cached thing is made by.
recipe() { cat "$@" | cksum; }

is_cached() { [ "$(cat "$1/.recipe" 2>/dev/null)" = "$2" ]; }

# An apt configuration of our own with the machine's mirror and key: the host's stays as it is.
# Sets APT_CONFIG in the caller's shell and CODENAME.
private_apt() {
  local folder=$1 mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg option=""
  # shellcheck source=/dev/null
  CODENAME=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mkdir -p "$folder"/lists/partial "$folder"/cache/archives/partial
  [ ! -f $keyring ] || option="[signed-by=$keyring]"
  # shellcheck disable=SC2016 # for apt
  apt-get indextargets --format '$(REPO_URI) $(CODENAME)' \
    "Created-By: Packages" "Component: main" "Origin: Debian" |
    while read -r mirror suite; do
      printf 'deb %s %s %s main\ndeb-src %s %s %s main\n' \
        "$option" "$mirror" "$suite" "$option" "$mirror" "$suite"
    done >"$folder/sources.list"
  [ -s "$folder/sources.list" ] || fail "apt has no Debian sources: run apt-get update"
  : >"$folder/status"
  cat >"$folder/apt.conf" <<C
Dir::Etc::sourcelist "$folder/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$folder/lists";
Dir::State::status "$folder/status";
Dir::Cache "$folder/cache";
APT::Sandbox::User "root";
Acquire::Languages "none";
C
  export APT_CONFIG=$folder/apt.conf CODENAME
  apt-get update -qq
}

# Unpack the newest packages into a folder; nothing is installed.
unpack() {
  local folder=$1
  shift
  mkdir -p "$folder"
  (
    cd "$folder" || exit
    apt-get download -qq "$@"
    for package in *.deb; do dpkg-deb -x "$package" .; done
    rm -f -- *.deb
  )
}
