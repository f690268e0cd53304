# shellcheck shell=bash
# The network between the nodes, etcd, API server, controller manager, scheduler; sourced by up.

# A switch in a namespace of its own: a host firewall would drop frames from node to node.
# The cluster takes a whole 10.X.0.0/16 that nobody routes: nodes are 10.X.0.11 and up, the control
# plane is 10.X.0.1, the pods of node N are in 10.X.(128+N).0/24.
make_network() {
  ip netns add "$NAME-sw"
  ip -n "$NAME-sw" link add br0 type bridge
  ip -n "$NAME-sw" link set br0 up
  ip -n "$NAME-sw" link set lo up
  ip link add "$NAME-h0" type veth peer name p0 netns "$NAME-sw"
  ip -n "$NAME-sw" link set p0 master br0 up
  ip link set "$NAME-h0" up
  NET=$(
    lock clusters
    for x in $(seq 100 199); do
      [ -z "$(ip -4 -o addr show | grep -F " 10.$x.")$(ip -4 route show | grep "^10\.$x\.")" ] ||
        continue
      ip addr add "10.$x.0.1/17" dev "$NAME-h0"
      echo "10.$x"
      break
    done
  )
  [ -n "$NET" ] || fail "no network between 10.100 and 10.199 is free"
  MASTER=$NET.0.1
}

# Not one that the kernel gives to clients: who is killed and comes back must find it free.
free_port() {
  python3 -c '
import random, socket
for port in random.sample(range(10000, 30000), 1000):
    with socket.socket() as s:
        if s.connect_ex(("127.0.0.1", port)):
            print(port)
            break
'
}

# Secrets are readable by root alone.
make_credentials() {
  (
    umask 077
    openssl genrsa -out "$CLUSTER/pki/sa.key" 2048 2>/dev/null
    openssl rand -hex 16 >"$CLUSTER/pki/token"
    echo "$(cat "$CLUSTER/pki/token"),admin,admin-uid,\"system:masters\"" >"$CLUSTER/pki/token.csv"
    cat >"$KUBECONFIG" <<K
apiVersion: v1
kind: Config
clusters: [{name: $NAME, cluster: {server: "https://$MASTER:6443", insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: $(cat "$CLUSTER/pki/token")}}]
contexts: [{name: $NAME, context: {cluster: $NAME, user: admin}}]
current-context: $NAME
K
    cat >"$CLUSTER/cluster.env" <<C
NAME=$NAME
KUBECONFIG=$KUBECONFIG
MASTER=$MASTER
NETWORK=$NET
ETCD=$ETCD
PROGRAMS=$KUBERNETES
C
  )
}

# By which the API server is known to the kubelets: for logs, exec and proxy.
make_kubelet_client() {
  local pki=$CLUSTER/pki
  (
    umask 077
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$NAME-kubelets" \
      -keyout "$pki/kubelet-ca.key" -out "$pki/kubelet-ca.crt"
    openssl req -new -newkey rsa:2048 -nodes -subj "/O=system:masters/CN=apiserver" \
      -keyout "$pki/kubelet-client.key" -out "$pki/kubelet-client.csr"
    openssl x509 -req -in "$pki/kubelet-client.csr" -days 30 -CA "$pki/kubelet-ca.crt" \
      -CAkey "$pki/kubelet-ca.key" -CAcreateserial -out "$pki/kubelet-client.crt"
  ) 2>/dev/null
}

start_etcd() {
  background etcd "$RUNTIME/bin/etcd" --name "$NAME" --data-dir "$CLUSTER/etcd" \
    --listen-client-urls "$ETCD" --advertise-client-urls "$ETCD" \
    --listen-peer-urls "$ETCD_PEER" --initial-advertise-peer-urls "$ETCD_PEER" \
    --initial-cluster "$NAME=$ETCD_PEER" --unsafe-no-fsync
}

start_apiserver() {
  local key=$CLUSTER/pki/sa.key
  background apiserver "$KUBERNETES/kube-apiserver" --etcd-servers="$ETCD" \
    --cert-dir="$CLUSTER/pki" --bind-address="$MASTER" --advertise-address="$MASTER" \
    --secure-port=6443 --service-cluster-ip-range=10.96.0.0/16 --authorization-mode=Node,RBAC \
    --token-auth-file="$CLUSTER/pki/token.csv" --service-account-key-file="$key" \
    --service-account-signing-key-file="$key" \
    --service-account-issuer=https://kubernetes.default.svc \
    --kubelet-client-certificate="$CLUSTER/pki/kubelet-client.crt" \
    --kubelet-client-key="$CLUSTER/pki/kubelet-client.key" \
    --kubelet-preferred-address-types=InternalIP --allow-privileged=true
}

start_control_plane() {
  ETCD=http://127.0.0.1:$(free_port)
  ETCD_PEER=http://127.0.0.1:$(free_port)
  # A few flags and fields came and went with the minor version.
  MINOR=$("$KUBERNETES/kubelet" --version | sed 's/.*v1\.\([0-9]*\).*/\1/')
  make_credentials
  make_kubelet_client
  start_etcd
  wait_for 60 curl --silent --fail "$ETCD/health" # ours: wait_for sees if it could not start
  start_apiserver
  wait_for 90 kubectl get --raw /readyz
  local common=(--kubeconfig="$KUBECONFIG" --authentication-kubeconfig="$KUBECONFIG"
    --authorization-kubeconfig="$KUBECONFIG" --bind-address=127.0.0.1 --secure-port=0
    --leader-elect=false)
  [ "$MINOR" -ge 24 ] || common+=(--port=0)
  background controllers "$KUBERNETES/kube-controller-manager" "${common[@]}" \
    --service-account-private-key-file="$CLUSTER/pki/sa.key" \
    --root-ca-file="$CLUSTER/pki/apiserver.crt" --use-service-account-credentials=true \
    --node-monitor-grace-period="${NODE_GRACE:-8s}" --node-monitor-period=2s
  background scheduler "$KUBERNETES/kube-scheduler" "${common[@]}"
}
