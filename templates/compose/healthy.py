# Does this container's server answer PATH with 200? usage: healthy.py PORT PATH
import socket
import sys

port, path = int(sys.argv[1]), sys.argv[2]
with socket.create_connection(("127.0.0.1", port), timeout=8) as connection:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    connection.sendall(request.encode())
    answer = connection.recv(64)
    while b"\r\n" not in answer and (more := connection.recv(64)):
        answer += more
sys.exit(0 if answer.split(b" ")[1:2] == [b"200"] else 1)
