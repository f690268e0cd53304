"""Asks an API server and kubelets as whoever has no account: ask.py URL NAMESPACE KUBELET..."""

import json
import ssl
import sys
import urllib.error
import urllib.request

server, namespace, *kubelets = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE  # who answers does not matter, but what
pods = f"/api/v1/namespaces/{namespace}/pods"
pod = {"metadata": {"name": "mine"}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
questions = [
    (server, "GET", "/api/v1/secrets"),
    (server, "GET", f"/api/v1/namespaces/{namespace}/secrets"),
    (server, "GET", pods),
    (server, "POST", pods),
    (server, "DELETE", pods),
    (server, "GET", "/api/v1/nodes"),
    (server, "GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
]
for kubelet in kubelets:
    questions += [
        (kubelet, "GET", "/pods"),
        (kubelet, "GET", "/configz"),
        (kubelet, "GET", "/logs/"),
        (kubelet, "POST", f"/run/{namespace}/any/worker?cmd=id"),
        (kubelet, "GET", f"/exec/{namespace}/any/worker?command=id&output=1"),
    ]
answered = set()
refused = 0
for host, method, path in questions:
    body = json.dumps(pod).encode() if method == "POST" else None
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(host + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as reply:
            print("GOT", method, host + path, reply.status)
    except urllib.error.HTTPError as error:
        answered.add(host)
        refused += error.code in (401, 403)
        if error.code not in (401, 403):
            print("GOT", method, host + path, error.code)
    except OSError as error:
        print("no answer:", host, error)
for host in (server, *kubelets):
    if host not in answered:
        print("GOT no refusal of", host, "which could not be asked")
print(refused, "of", len(questions), "questions were refused")
print("DONE")
