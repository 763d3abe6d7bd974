"""One target in another process, with a limit on its memory."""

import argparse
import dataclasses
import json
import pathlib
import resource

from tests.fuzz.fuzzing import Target
from tests.fuzz.fuzzing import fuzz

MEGABYTE = 2**20
CURRENT, NUMBER, REPORT = "current", "number", "report.json"


def make_target(kind: str) -> Target:
    """The target of that name."""
    if kind in ("records", "record files"):
        from tests.fuzz import records

        makers = {
            "records": records.record_target,
            "record files": records.record_file_target,
        }
        return makers[kind]()
    if kind == "images":
        from tests.fuzz.images import image_target

        return image_target()
    if kind in ("configs", "label maps"):
        from tests.fuzz import texts

        makers = {
            "configs": texts.config_target,
            "label maps": texts.label_map_target,
        }
        return makers[kind]()
    from tests.fuzz.faulty import faulty_target

    return faulty_target(kind)


def limit_memory(megabytes: int) -> None:
    """Leaves so much room beside what the process has already."""
    data = next(
        int(line.split()[1]) * 1024
        for line in pathlib.Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmData")
    )
    limit = data + megabytes * MEGABYTE
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def peak_megabytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Fuzzes, and tells the parent how far it is."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.child")
    parser.add_argument("kind")
    parser.add_argument("count", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("megabytes", type=int)
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    folder = arguments.folder
    target = make_target(arguments.kind)

    def before(number: int, content: bytes) -> None:
        (folder / CURRENT).write_bytes(content)
        (folder / NUMBER).write_text(str(number))

    for content in target.seeds:
        before(0, content)
        try:
            target.read(content)
        except Exception:  # noqa: BLE001, S112
            # Seeds only warm up; the same inputs come again.
            continue
    limit_memory(arguments.megabytes)
    before_all = peak_megabytes()
    report = fuzz(target, arguments.count, arguments.seed, before)
    values = dataclasses.asdict(report)
    values["failures"] = [message for message, _ in report.failures]
    for number, (_, content) in enumerate(report.failures):
        (folder / f"failure-{number}").write_bytes(content)
    values["peak_megabytes"] = peak_megabytes()
    values["grown_megabytes"] = peak_megabytes() - before_all
    (folder / REPORT).write_text(json.dumps(values))


if __name__ == "__main__":
    main()
