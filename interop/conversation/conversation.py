#!/usr/bin/env python3
"""One scripted conversation with an AMQP 0-9-1 broker, raw frames and all; the transcript is comparable between brokers.

    conversation.py URI                    prints the transcript
    conversation.py --record FILE URI      writes it to a file
    conversation.py --compare A B          A and B are URIs or recorded transcripts: prints the operations that differ.
                                           Differences that differences.toml explains are counted, all others fail (exit 1)
    conversation.py --only PART[,PART] ... the parts named, e.g. handshake,queue

differences.toml also lists, as not-yet, the parts that Leveret is not asked: they need what it does not have yet.

Standard library only. The broker needs guest/guest (or the URI's user) with all permissions on the vhost; everything
that is declared carries a random token in its name and is deleted again.
"""

import argparse
import difflib
import faulthandler
import pathlib
import sys
import tomllib

import parts
from talk import GaveUp, Talk

faulthandler.dump_traceback_later(600, exit=True)
HERE = pathlib.Path(__file__).parent


class Transcript:
    """Lines by operation, in order, and which broker said them."""

    def __init__(self, broker, operations):
        self.broker, self.operations = broker, operations

    @classmethod
    def play(cls, uri, only, allowed):
        talk = Talk(uri)
        skipped = not_yet(allowed.not_yet, talk.broker)
        try:
            for part in parts.SCRIPT:
                name = part.__name__.split(".")[-1]
                if (not only or name in only) and not skipped(name.replace("_", "-") + "."):
                    talk.part = part.__name__.removeprefix("parts.")
                    try:
                        part.play(talk)
                    except (RuntimeError, OSError) as error:
                        # The broker left the stage; what else it does is still worth knowing.
                        talk.write(f"script.{talk.part}", f"< stopped: {error}")
        except GaveUp as error:
            talk.write("script", f"< given up at {error}: too many operations without an answer")
        finally:
            talk.join()
            talk.end()
        operations = {}
        for operation, line in talk.lines:
            operations.setdefault(operation, []).append(line)
        return cls(talk.broker, operations)

    @classmethod
    def read(cls, path):
        broker, operations, lines = "unknown", {}, []
        for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
            if line.startswith("broker "):
                broker = line.removeprefix("broker ")
            elif line.startswith("## "):
                lines = operations.setdefault(line[3:], [])
            elif line:
                lines.append(line)
        return cls(broker, operations)

    def __str__(self):
        blocks = [f"## {operation}\n" + "\n".join(lines) for operation, lines in self.operations.items()]
        return f"broker {self.broker}\noperations {len(self.operations)}\n\n" + "\n\n".join(blocks) + "\n"


def read_or_play(source, only, allowed):
    return Transcript.play(source, only, allowed) if "://" in source else Transcript.read(source)


def not_yet(prefixes, *brokers):
    """Which operations Leveret is not asked yet; none where no Leveret takes part."""
    return lambda operation: "leveret" in brokers and any(f"{operation}.".startswith(prefix + ".") for prefix in prefixes)


class Differences:
    """differences.toml: which operations may differ between which brokers, why, and what the second one then says, whole or in part."""

    def __init__(self, path):
        written = tomllib.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        self.entries, self.not_yet = written["difference"], written.get("not-yet", [])
        self.used = set()

    def reason(self, operation, one, two):
        """The reason why these two may differ here, or None."""
        for entry in self.entries:
            if operation not in entry["operations"]:
                continue
            for first, second in ((one, two), (two, one)):
                if entry["between"] != [first.broker, second.broker]:
                    continue
                said = [line for line in second.operations.get(operation, []) if not line.startswith("> ")]
                if "says" in entry and said != entry["says"].strip().splitlines():
                    continue
                if entry.get("contains", "") not in "\n".join(said):
                    continue
                self.used.add((operation, entry["reason"]))
                return entry["reason"]
        return None

    def unused(self, one, two):
        """Entries about these brokers that no longer describe a difference: they are wrong, too."""
        pairs = ([one.broker, two.broker], [two.broker, one.broker])
        skipped = not_yet(self.not_yet, one.broker, two.broker)
        return [(operation, entry["reason"]) for entry in self.entries if entry["between"] in pairs
                for operation in entry["operations"] if (operation, entry["reason"]) not in self.used and not skipped(operation)]


def compare(one, two, allowed, partial):
    """Prints what differs without a reason; the number of such operations."""
    explained = unexplained = 0
    skipped = not_yet(allowed.not_yet, one.broker, two.broker)
    operations = list(dict.fromkeys([*one.operations, *two.operations]))
    if partial:
        # A recorded transcript has all parts, the other one only some.
        operations = [operation for operation in operations
                      if operation in one.operations and operation in two.operations or operation.startswith("script")]
    for operation in operations:
        if skipped(operation):
            continue
        first, second = one.operations.get(operation, []), two.operations.get(operation, [])
        if first == second:
            continue
        if allowed.reason(operation, one, two):
            explained += 1
            continue
        unexplained += 1
        print(f"## {operation}")
        print("\n".join(line for line in difflib.unified_diff(first, second, one.broker, two.broker, lineterm="", n=9)
                        if not line.startswith("@@")) + "\n")
    for operation, reason in [] if partial else allowed.unused(one, two):
        unexplained += 1
        print(f"## {operation}\nstands in differences.toml ({reason}), but does not differ as it says there\n")
    waiting = sum(skipped(operation) for operation in operations)
    print(f"{one.broker} and {two.broker}: {len(operations) - waiting} operations, "
          f"{f'{waiting} not yet, ' if waiting else ''}"
          f"{explained} differ for known reasons, {unexplained} for none")
    return unexplained


def main():
    sys.stdout.reconfigure(encoding="utf-8")
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("source", nargs="+", metavar="URI")
    arguments.add_argument("--compare", action="store_true")
    arguments.add_argument("--record", metavar="FILE")
    arguments.add_argument("--only", metavar="PARTS", type=lambda value: value.split(","))
    arguments.add_argument("--differences", metavar="FILE", default=HERE / "differences.toml")
    options = arguments.parse_args()
    if options.compare:
        if len(options.source) != 2:
            arguments.error("--compare needs two of URI or transcript file")
        allowed = Differences(options.differences)
        one, two = (read_or_play(source, options.only, allowed) for source in options.source)
        return 1 if compare(one, two, allowed, options.only) else 0
    transcript = Transcript.play(options.source[0], options.only, Differences(options.differences))
    if options.record:
        pathlib.Path(options.record).write_text(str(transcript), encoding="utf-8")
        print(f"{transcript.broker}: {len(transcript.operations)} operations in {options.record}")
    else:
        print(transcript, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
