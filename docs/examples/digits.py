"""Learns to read handwritten digits on any number of ranks, and can be suspended at any step.

    python digits.py                        # this machine, one process
    hai-cli python digits.py ++ -ss 2       # rehearse a suspension after 2 seconds
    hai-cli python digits.py -- -n 2 -f     # two nodes of the cluster

A network with one hidden layer learns by data-parallel gradient descent: each rank takes its shard
of every batch, and gradients are summed over the ranks. All sums are float64 in a fixed order, so a
run that was suspended ends with the same weights, bit for bit. Only numpy is needed.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a fixed order of summation; read by numpy

import argparse
import sys
import time
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

import numpy as np

# --- HAI: without it (plain Python) nobody asks us to leave, and these do nothing ---
try:
    from hai.client import (
        checkpoint_saved,
        go_suspend,
        receive_suspend_command,
        set_whole_life_state,
    )
except ImportError:
    checkpoint_saved = go_suspend = lambda *_, **__: False
    receive_suspend_command = set_whole_life_state = checkpoint_saved

RANK = int(os.environ.get("RANK", "0"))
WORLD_SIZE = int(os.environ.get("WORLD_SIZE", "1"))
CHAIN = os.environ.get("HAI_CHAIN_ID", "local")  # stays the same when a task is resumed

Array = np.ndarray
PIXELS, HIDDEN, CLASSES = 64, 256, 10
BATCH, LEARNING_RATE = 16, 0.1  # images per step, over all ranks
HEADER = 4  # the state is [epoch, step, loss of this epoch so far, seed, weights...]


class Peers:
    """Sums float64 vectors over all ranks, through rank 0. One rank alone has no connections."""

    def __init__(self) -> None:
        address = os.environ.get("MASTER_ADDR", ""), int(os.environ.get("MASTER_PORT", "0"))
        key = f"digits {CHAIN} {os.environ.get('HAI_ATTEMPT', '')}".encode()  # no other run's ranks
        self.ranks: dict[int, Connection] = {}
        if RANK > 0:
            self.ranks[0] = self._connect(address, key)
        elif WORLD_SIZE > 1:
            with Listener(address, backlog=WORLD_SIZE, authkey=key) as listener:
                while len(self.ranks) < WORLD_SIZE - 1:
                    with suppress(AuthenticationError, EOFError, OSError):  # a stranger called
                        peer = listener.accept()
                        self.ranks[int(peer.recv_bytes())] = peer

    def _connect(self, address: tuple[str, int], key: bytes) -> Connection:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with suppress(AuthenticationError, EOFError, OSError):  # rank 0 is not up yet
                peer = Client(address, authkey=key)
                peer.send_bytes(str(RANK).encode())
                return peer
            time.sleep(0.05)
        sys.exit(f"rank {RANK}: no rank 0 at {address}")

    def broadcast(self, vector: Array) -> Array:
        """Rank 0's vector, on every rank."""
        if RANK > 0:
            return np.frombuffer(self.ranks[0].recv_bytes())
        for peer in self.ranks.values():
            peer.send_bytes(vector.tobytes())
        return vector

    def sum(self, vector: Array) -> Array:
        """The sum over all ranks, added in the order of the ranks."""
        if RANK > 0:
            self.ranks[0].send_bytes(vector.tobytes())
        else:
            for rank in range(1, WORLD_SIZE):
                vector = vector + np.frombuffer(self.ranks[rank].recv_bytes())
        return self.broadcast(vector)


def load_digits() -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Images (n, 64) in 0..1 with their labels (n): to learn from, and held out (every fifth)."""
    data = np.loadtxt(Path(__file__).with_name("digits.csv.gz"), delimiter=",")
    images, labels = data[:, :PIXELS] / 16, data[:, PIXELS].astype(int)
    test = np.arange(len(labels)) % 5 == 0
    return (images[~test], labels[~test]), (images[test], labels[test])


def layers(weights: Array) -> list[Array]:
    """Views of one flat vector as [W1 (64, H), b1 (H), W2 (H, 10), b2 (10)]."""
    w1, b1, w2, b2 = np.split(weights, np.cumsum([PIXELS * HIDDEN, HIDDEN, HIDDEN * CLASSES]))
    return [w1.reshape(PIXELS, HIDDEN), b1, w2.reshape(HIDDEN, CLASSES), b2]


def loss_and_gradient(weights: Array, images: Array, labels: Array) -> tuple[float, Array]:
    """Cross-entropy and its gradient, both summed over the given images."""
    w1, b1, w2, b2 = layers(weights)
    hidden = np.maximum(images @ w1 + b1, 0)
    logits = hidden @ w2 + b2
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    wrong = odds / odds.sum(axis=1, keepdims=True)  # probabilities, then their distance to 1
    rows = np.arange(len(labels))
    loss = -np.log(wrong[rows, labels]).sum()
    wrong[rows, labels] -= 1
    blame = (wrong @ w2.T) * (hidden > 0)
    parts = [images.T @ blame, blame.sum(axis=0), hidden.T @ wrong, wrong.sum(axis=0)]
    return loss, np.concatenate([part.ravel() for part in parts])


def accuracy(weights: Array, images: Array, labels: Array) -> float:
    w1, b1, w2, b2 = layers(weights)
    scores = np.maximum(images @ w1 + b1, 0) @ w2 + b2
    return float((scores.argmax(axis=1) == labels).mean())


def save(path: Path, state: Array) -> None:
    """Writes beside `path` and renames: a reader finds the old one or the new one, whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        np.savez(file, state=state)
        os.fsync(file.fileno())
    temporary.replace(path)


def load_or_start(path: Path, seed: int) -> Array:
    if not path.exists():
        random = np.random.default_rng(seed)
        w1 = random.normal(0, (2 / PIXELS) ** 0.5, PIXELS * HIDDEN)
        w2 = random.normal(0, (1 / HIDDEN) ** 0.5, HIDDEN * CLASSES)
        return np.concatenate([[0, 0, 0, seed], w1, np.zeros(HIDDEN), w2, np.zeros(CLASSES)])
    state = np.load(path)["state"]
    if state[3] != seed:
        sys.exit(f"{path} is of --seed {state[3]:.0f}: remove it or give another --checkpoint")
    print(f"resumed from {path}: epoch {state[0]:.0f}, step {state[1]:.0f}", flush=True)
    return state


def suspend(peers: Peers, path: Path, state: Array) -> None:
    """All ranks come here at the same step. Nobody may be stopped before rank 0 has saved."""
    if RANK == 0:
        save(path, state)
        print(f"suspended at epoch {state[0]:.0f}, step {state[1]:.0f}", flush=True)
        set_whole_life_state(int(state[0]), timeout=10, raise_exception=False)
    peers.sum(np.zeros(1))
    go_suspend()  # the platform stops us here, and starts us again when it is our turn


def train(peers: Peers, args: argparse.Namespace) -> Array:
    (images, labels), held_out = load_digits()
    steps = len(labels) // BATCH
    # Rank 0 alone reads the checkpoint: on a shared file system others might see an older one.
    found = load_or_start(args.checkpoint, args.seed) if RANK == 0 else np.empty(0)
    state = np.array(peers.broadcast(found))
    weights = state[HEADER:]
    for epoch in range(int(state[0]), args.epochs):
        order = np.random.default_rng([args.seed, epoch]).permutation(len(labels))
        for step in range(int(state[1]), steps):
            shard = order[step * BATCH : (step + 1) * BATCH][RANK::WORLD_SIZE]
            loss, gradient = loss_and_gradient(weights, images[shard], labels[shard])
            asked = bool(receive_suspend_command())  # travels with the gradient, so all agree
            total = peers.sum(np.concatenate([[loss, float(asked)], gradient]))
            weights -= LEARNING_RATE / BATCH * total[2:]
            state[:3] = epoch, step + 1, state[2] + total[0]
            if total[1] > 0:
                suspend(peers, args.checkpoint, state)
            time.sleep(args.step_seconds)
        loss, score = state[2] / (steps * BATCH), accuracy(weights, *held_out)
        state[:3] = epoch + 1, 0, 0
        if RANK == 0:
            print(f"epoch {epoch + 1:3d}  loss {loss:.4f}  accuracy {score:.4f}", flush=True)
            if (epoch + 1) % args.save_every == 0 or epoch + 1 == args.epochs:
                save(args.checkpoint, state)
                checkpoint_saved(args.checkpoint, epoch + 1)
                set_whole_life_state(epoch + 1, timeout=10, raise_exception=False)
    if RANK == 0:
        print(f"final accuracy {accuracy(weights, *held_out):.2%} on {len(held_out[1])} images")
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--checkpoint", type=Path, default=Path(f"digits-{CHAIN}.npz"))
    parser.add_argument("--save-every", type=int, default=5, metavar="EPOCHS")
    parser.add_argument("--out", type=Path, help="write the final weights here (.npy)")
    parser.add_argument("--step-seconds", type=float, default=0.0, help="rest after every step")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    weights = train(Peers(), args)
    if RANK == 0 and args.out:
        np.save(args.out, weights)


if __name__ == "__main__":
    main()
