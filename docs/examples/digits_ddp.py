"""The digits of digits.py, learned by PyTorch DistributedDataParallel on CPUs (gloo).

    hai-cli python digits_ddp.py -- -n 2 -f

Needs torch and numpy. Suspension works as in digits.py: the ranks agree on it at every step, rank 0
saves, and all leave together. MASTER_ADDR, MASTER_PORT, RANK and WORLD_SIZE come from the platform.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

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

CHAIN = os.environ.get("HAI_CHAIN_ID", "local")  # stays the same when a task is resumed
BATCH = 16  # images per step, over all ranks
Batch = tuple[torch.Tensor, torch.Tensor]


def load_digits() -> tuple[Batch, Batch]:
    """Images (n, 64) in 0..1 with their labels (n): to learn from, and held out (every fifth)."""
    data = np.loadtxt(Path(__file__).with_name("digits.csv.gz"), delimiter=",", dtype=np.float32)
    images, labels = torch.from_numpy(data[:, :64] / 16), torch.from_numpy(data[:, 64]).long()
    test = torch.arange(len(labels)) % 5 == 0
    return (images[~test], labels[~test]), (images[test], labels[test])


def save(path: Path, state: dict[str, object]) -> None:
    """Writes beside `path` and renames: a reader finds the old one or the new one, whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        torch.save(state, file)
        os.fsync(file.fileno())
    temporary.replace(path)


class Training:
    """The model, its optimizer, and how far it has come."""

    def __init__(self, args: argparse.Namespace) -> None:
        torch.manual_seed(args.seed)
        self.args = args
        self.model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.5)
        self.epoch, self.step, self.loss = 0, 0, 0.0
        # Rank 0 alone reads the file: on a shared file system others might see an older one.
        found: list[dict | None] = [None]
        if dist.get_rank() == 0 and args.checkpoint.exists():
            found[0] = torch.load(args.checkpoint)
            print(f"resumed from {args.checkpoint}: epoch {found[0]['epoch']}", flush=True)
        dist.broadcast_object_list(found)
        if state := found[0]:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.epoch, self.step, self.loss = state["epoch"], state["step"], state["loss"]
        self.ddp = DistributedDataParallel(self.model)

    def save(self) -> None:
        if dist.get_rank() == 0:
            model, optimizer = self.model.state_dict(), self.optimizer.state_dict()
            progress = {"epoch": self.epoch, "step": self.step, "loss": self.loss}
            save(self.args.checkpoint, {"model": model, "optimizer": optimizer, **progress})
            checkpoint_saved(self.args.checkpoint, self.epoch)
            set_whole_life_state(self.epoch, timeout=10, raise_exception=False)

    def run_step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        loss = nn.functional.cross_entropy(self.ddp(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1
        told = torch.tensor([loss.item(), float(bool(receive_suspend_command()))])
        dist.all_reduce(told)  # if any rank was asked to leave, all leave at this step
        self.loss += told[0].item() / dist.get_world_size()
        if told[1] > 0:
            self.save()
            dist.barrier()  # nobody may be stopped before rank 0 has saved
            go_suspend()  # the platform stops us here, and starts us again when it is our turn
        time.sleep(self.args.step_seconds)

    def run_epoch(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        """One pass over the data, from where the checkpoint left it; the mean loss."""
        seed = self.args.seed * 1_000_003 + self.epoch
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        steps = len(labels) // BATCH
        for step in range(self.step, steps):
            batch = order[step * BATCH : (step + 1) * BATCH]
            shard = batch[dist.get_rank() :: dist.get_world_size()]
            self.run_step(images[shard], labels[shard])
        mean = self.loss / steps
        self.epoch, self.step, self.loss = self.epoch + 1, 0, 0.0
        return mean


def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    with torch.no_grad():
        return (model(images).argmax(dim=1) == labels).double().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--checkpoint", type=Path, default=Path(f"digits-ddp-{CHAIN}.pt"))
    parser.add_argument("--out", type=Path, help="write the final weights here (.npy)")
    parser.add_argument("--step-seconds", type=float, default=0.0, help="rest after every step")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29510"}.items():
        os.environ.setdefault(name, value)
    torch.set_num_threads(1)  # with deterministic kernels: the same sums on every run
    torch.use_deterministic_algorithms(True)
    rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    dist.init_process_group("gloo", rank=rank, world_size=world_size)

    data, held_out = load_digits()
    training = Training(args)
    while training.epoch < args.epochs:
        loss = training.run_epoch(*data)
        training.save()
        if rank == 0:
            score = accuracy(training.model, *held_out)
            print(f"epoch {training.epoch:3d}  loss {loss:.4f}  accuracy {score:.4f}", flush=True)
    if rank == 0:
        score = accuracy(training.model, *held_out)
        print(f"final accuracy {score:.2%} on {len(held_out[1])} images", flush=True)
        if args.out:
            weights = nn.utils.parameters_to_vector(training.model.parameters())
            np.save(args.out, weights.detach().numpy())
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
