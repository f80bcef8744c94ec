#!/usr/bin/env python3
"""tidy.py FOLDER JOBS PATTERN: clang-tidy on the sources in FOLDER/compile_commands.json whose path
matches PATTERN; prints what it finds and fails where it finds something.

Most of clang-tidy's time goes to headers, the same in every source. So sources that are compiled
alike are read together, as one that includes them: what clang-tidy says of an included source it
says of it alone. Apart are those that give one name to different things, as far as names can be
told by lines' beginnings. Where they cannot, the sources are read once more, one by one."""

import concurrent.futures
import itertools
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

CHECKS = pathlib.Path(__file__).resolve().parents[1] / ".clang-tidy"
TOGETHER = 9  # sources at most: more would leave a core idle at the end

# What a line at the margin defines: a type, a constant, or a function.
DEFINITION = re.compile(
    r"^(?:struct|class|enum|enum class) (\w+) [^;]*{"
    r"|^(?:static |inline )*(?:constexpr|const) [^=({;]*?(\w+)(?:\[\w*\])? ?[={]"
    r"|^(?!using|return|namespace|template|[A-Z_]+\()[A-Za-z_][\w:<>,*& ]*[ *&](\w+)\(",
    re.M,
)


def flags_of(entry):
    """The compiler's arguments but for the source and the object, and the object's target."""
    words = shlex.split(entry["command"])
    at = words.index("-o")
    target = words[at + 1].split(".dir/")[0]
    del words[at : at + 2]
    return [word for word in words if word not in ("-c", entry["file"])], target


def sources_of(entry):
    """The sources themselves, where CMake has joined some."""
    path = pathlib.Path(entry["file"])
    if path.suffix != ".cxx":
        return [str(path)]
    return re.findall(r'^#include "(.*)"$', path.read_text(encoding="utf-8"), re.M)


def groups_of(sources):
    """The sources, those together that can be."""
    alone, together = [], []
    for source in sources:
        text = pathlib.Path(source).read_text(encoding="utf-8")
        names = {name for found in DEFINITION.findall(text) for name in found if name}
        if "main" in names:
            alone.append([source])
            continue
        for group, known in together:
            if len(group) < TOGETHER and not names & known:
                group.append(source)
                known |= names
                break
        else:
            together.append(([source], names))
    return alone + [group for group, _ in together]


class Reader:
    def __init__(self, folder):
        self.folder = folder / "together"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.entries = []
        self.groups = {}  # file that is read: the sources in it

    def add(self, flags, directory, sources):
        for source in sources:
            self.entries.append(self.entry(flags, directory, source))
        if len(sources) == 1:
            self.groups[sources[0]] = sources
            return
        path = self.folder / f"{len(self.groups)}{pathlib.Path(sources[0]).suffix}"
        lines = [f'#include "{source}"  // NOLINT\n' for source in sources]
        path.write_text("".join(lines), encoding="utf-8")
        self.entries.append(self.entry(flags, directory, str(path)))
        self.groups[str(path)] = sources

    @staticmethod
    def entry(flags, directory, source):
        return {"directory": directory, "file": source, "arguments": [*flags, "-c", source]}

    def write_database(self):
        path = self.folder / "compile_commands.json"
        path.write_text(json.dumps(self.entries, indent=1), encoding="utf-8")

    def read(self, path):
        options = ["--quiet", f"--config-file={CHECKS}", "-p", str(self.folder)]
        done = subprocess.run(["clang-tidy", *options, path], capture_output=True, text=True)
        return done.returncode == 0, done.stdout, done.stderr

    def findings(self, path):
        """What is wrong with the sources in a file, as text."""
        good, out, err = self.read(path)
        sources = self.groups[path]
        if good:
            return ""
        if len(sources) > 1 and ("clang-diagnostic-error" in out or "Error while" in err):
            print(f"tidy: read one by one, not together: {' '.join(sources)}", flush=True)
            return "".join(text for text in map(self.findings_of_one, sources))
        return out or err

    def findings_of_one(self, source):
        good, out, err = self.read(source)
        return "" if good else out or err


def main(folder, jobs, pattern):
    folder = pathlib.Path(folder).resolve()
    entries = json.loads((folder / "compile_commands.json").read_text(encoding="utf-8"))
    alike = {}
    for entry in entries:
        flags, target = flags_of(entry)
        key = (tuple(flags), entry["directory"], target)
        chosen = [source for source in sources_of(entry) if re.search(pattern, source)]
        alike.setdefault(key, []).extend(chosen)
    reader = Reader(folder)
    for (flags, directory, _), sources in alike.items():
        for group in groups_of(sources):
            reader.add(flags, directory, group)
    reader.write_database()

    # The longest first, so that none of them is left to the end.
    def length(path):
        return sum(os.path.getsize(source) for source in reader.groups[path])

    paths = sorted(reader.groups, key=length, reverse=True)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        texts = list(pool.map(reader.findings, paths))
    lines = itertools.chain.from_iterable(text.splitlines() for text in texts)
    found = [line for line in lines if not line.endswith("warnings treated as errors")]
    if found:
        print("\n".join(found))
    number = sum(len(sources) for sources in reader.groups.values())
    print(f"tidy: {number} sources, {'findings above' if any(texts) else 'nothing found'}")
    return 1 if any(texts) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
