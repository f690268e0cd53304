# shellcheck shell=bash
# A node: namespaces, cgroups, containerd, images, kubelet, kube-proxy; sourced by up.
# shellcheck disable=SC2154 # nodes: how many there are

# in_node N COMMAND...: not `ip netns exec`, which hides the cgroup mounts.
in_node() {
  local n=$1
  shift
  nsenter -t "$(cat "$CLUSTER/pids/node$n")" -m -n -u "$@"
}

link_node() {
  local n=$1 other
  ip netns add "$NAME-n$n"
  ip -n "$NAME-sw" link add "p$n" type veth peer name eth0 netns "$NAME-n$n"
  ip -n "$NAME-sw" link set "p$n" master br0 up
  ip -n "$NAME-n$n" addr add "$NET.0.$((10 + n))/17" dev eth0
  ip -n "$NAME-n$n" link set eth0 up
  ip -n "$NAME-n$n" link set lo up
  ip -n "$NAME-n$n" route add default via "$MASTER"
  for other in $(seq "$nodes"); do
    [ "$other" = "$n" ] ||
      ip -n "$NAME-n$n" route add "$NET.$((128 + other)).0/24" via "$NET.0.$((10 + other))"
  done
  ip route add "$NET.$((128 + n)).0/24" via "$NET.0.$((10 + n))" # the API server to pods
}

# The holder: the node's namespaces and mounts live as long as it does.
start_holder() {
  local n=$1 path folder=$CLUSTER/n$1
  for path in $NODE_PATHS; do mkdir -p "$folder/host$path"; done
  mkdir -p "$folder/cni"
  # shellcheck disable=SC2016 # expanded inside the node
  background "node$n" nsenter "--net=/run/netns/$NAME-n$n" \
    env FOLDER="$folder" HOST="node$n" PATHS="$NODE_PATHS" \
    unshare --mount --uts --propagation private sh -ec '
      hostname "$HOST"
      sysctl -qw net.ipv4.ip_forward=1
      for path in $PATHS; do
        mount --bind "$FOLDER/host$path" "$path"
        mount --make-shared "$path"
      done
      touch "$FOLDER/is-up"
      exec sleep infinity'
  wait_for 10 test -e "$folder/is-up"
}

make_cgroups() {
  local n=$1 controller file
  for controller in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
    [ ! -d "$CGROUPS/$controller" ] || mkdir -p "$CGROUPS/$controller/$NAME-node$n"
  done
  [ ! -d "$CGROUPS/cpuset" ] || for file in cpus mems; do
    cat "$CGROUPS/cpuset/cpuset.$file" >"$CGROUPS/cpuset/$NAME-node$n/cpuset.$file"
  done
}

# containerd 1.x and 2.x read this version. Without CAP_SYS_RESOURCE a negative oom_score_adj kills
# runc: restrict_oom_score_adj.
write_containerd_config() {
  local n=$1 folder=$CLUSTER/n$1
  cat >"$folder/containerd.toml" <<C
version = 2
root = "$folder/root"
state = "$folder/state"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "$folder/c.sock"
[ttrpc]
  address = "$folder/c.sock.ttrpc"
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/local/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$RUNTIME/cni"
    conf_dir = "$folder/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "$RUNTIME/bin/runc"
C
  cat >"$folder/cni/10-net.conflist" <<C
{"cniVersion": "1.0.0", "name": "$NAME-n$n", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$NET.$((128 + n)).0/24"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}}]}
C
}

# As kubeadm's kubelets: nobody is answered without an account, and the API server says what that
# may. oomScoreAdj, maxOpenFiles: no CAP_SYS_RESOURCE. A node that is cut is NotReady after 8 s.
write_kubelet_config() {
  local n=$1 folder=$CLUSTER/n$1
  cat >"$folder/kubelet.yaml" <<C
kind: KubeletConfiguration
apiVersion: kubelet.config.k8s.io/v1beta1
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: "$CLUSTER/pki/kubelet-ca.crt"}
authorization: {mode: Webhook}
podPidsLimit: 16384
cgroupDriver: cgroupfs
cgroupRoot: /$NAME-node$n
kubeletCgroups: /
failSwapOn: false
oomScoreAdj: 0
maxOpenFiles: 20000
nodeStatusUpdateFrequency: 2s
nodeStatusReportFrequency: 10s
nodeLeaseDurationSeconds: 4
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"}
C
  [ "$MINOR" -lt 27 ] || echo "containerRuntimeEndpoint: unix://$folder/c.sock" >>"$folder/kubelet.yaml"
  [ "$MINOR" -lt 31 ] || echo "failCgroupV1: false" >>"$folder/kubelet.yaml"
}

# Runtime up to the point where images can be imported; start_kubelet completes it.
start_node() {
  local n=$1
  link_node "$n"
  start_holder "$n"
  make_cgroups "$n"
  write_containerd_config "$n"
  write_kubelet_config "$n"
  PATH=$RUNTIME/bin:$PATH background "containerd$n" \
    nsenter -t "$(cat "$CLUSTER/pids/node$n")" -m -n -u \
    containerd --config "$CLUSTER/n$n/containerd.toml"
}

# import_images N IMAGE.tar...
import_images() {
  local n=$1 image
  shift
  local ctr=("$RUNTIME/bin/ctr" -a "$CLUSTER/n$n/c.sock" -n k8s.io)
  wait_for 30 "${ctr[@]}" version
  for image in "$@"; do in_node "$n" "${ctr[@]}" images import "$image" >/dev/null; done
}

start_kubelet() {
  local n=$1 folder=$CLUSTER/n$1 flags
  flags=(--config="$folder/kubelet.yaml" --kubeconfig="$KUBECONFIG" --root-dir=/var/lib/kubelet
    --cert-dir="$folder/pki" --hostname-override="node$n" --node-ip="$NET.0.$((10 + n))"
    --runtime-cgroups=/)
  [ "$MINOR" -ge 24 ] || flags+=(--container-runtime=remote)
  [ "$MINOR" -ge 27 ] || flags+=("--container-runtime-endpoint=unix://$folder/c.sock")
  AWS_EC2_METADATA_DISABLED=true PATH=$RUNTIME/bin:$PATH background "kubelet$n" \
    nsenter -t "$(cat "$CLUSTER/pids/node$n")" -m -n -u "$KUBERNETES/kubelet" "${flags[@]}"
  [ ! -x "$KUBERNETES/kube-proxy" ] || PATH=$RUNTIME/bin:$PATH background "proxy$n" \
    nsenter -t "$(cat "$CLUSTER/pids/node$n")" -m -n -u "$KUBERNETES/kube-proxy" \
    --kubeconfig="$KUBECONFIG" --proxy-mode=iptables --hostname-override="node$n" \
    --cluster-cidr="$NET.128.0/17" --conntrack-max-per-core=0 --oom-score-adj=0
}
