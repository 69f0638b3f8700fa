# SPDX-License-Identifier: GPL-2.0-or-later
# page -> folio -> mapping -> inode -> path with drgn, for every frame, in two ways: with drgn's own objects, as
# its helpers and drgn-tools do it; and with drgn used only to read 64 KiB at a time, unpacked by Python.
# What a mapping leads to is looked up once in both.  Runs in the guest.
import json
import os
import struct
import time

import drgn
from drgn import FaultError, Object, cast
from drgn.helpers.linux.fs import inode_path
from drgn.helpers.linux.mm import for_each_page

start = time.process_time()
prog = drgn.Program()
prog.set_kernel()
prog.load_debug_info(["/usr/lib/debug/boot/vmlinux-" + os.uname().release])
max_pfn = prog["max_pfn"].value_()
loaded = time.process_time() - start
open("/tmp/loaded", "w").close()
while not os.path.exists("/tmp/go"):
    time.sleep(0.1)


def file_of(mapping):
    """(device, inode, pages, path) of an address_space that is a file's; None of another."""
    try:
        inode = mapping.host
        if not inode or inode.i_data.address_of_() != mapping:
            return None
        dev = inode.i_sb.s_dev.value_()
        path = inode_path(inode)
        path = os.fsdecode(path) if path else ""
        path = path.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
        return f"{dev >> 20}:{dev & 0xFFFFF}", inode.i_ino.value_(), mapping.nrpages.value_(), path
    except (FaultError, ValueError):
        return None


def walk():
    files, pages, found = {}, 0, 0
    for page in for_each_page(prog):
        pages += 1
        try:
            head = page.compound_head.value_()
            if head & 1:
                page = Object(prog, page.type_, value=head - 1)
            mapping = page.mapping.read_()
        except FaultError:
            continue
        address = mapping.value_()
        if not address or address & 3:
            continue
        if address not in files:
            files[address] = file_of(mapping)
        if files[address]:
            found += 1
    return pages, found, files


def unpacked():
    files, pages, found = {}, 0, 0
    page_type = prog.type("struct page")
    at = {m.name: m.bit_offset // 8 for m in flat(page_type) if m.name}
    size, base = page_type.size, prog["vmemmap_base"].value_()
    mapping_type = prog.type("struct address_space *")
    head_at, mapping_at = at["compound_head"], at["mapping"]
    chunk, heads = 65536 // size, {}
    for pfn in range(0, max_pfn, chunk):
        n = min(chunk, max_pfn - pfn)
        pages += n
        try:
            data = prog.read(base + pfn * size, n * size)
        except FaultError:
            continue
        for i in range(0, n * size, size):
            (head,) = struct.unpack_from("<Q", data, i + head_at)
            if head & 1:
                if head not in heads:
                    try:
                        heads[head] = prog.read_u64(head - 1 + mapping_at)
                    except FaultError:
                        heads[head] = 0
                address = heads[head]
            else:
                (address,) = struct.unpack_from("<Q", data, i + mapping_at)
            if not address or address & 3:
                continue
            if address not in files:
                files[address] = file_of(Object(prog, mapping_type, value=address))
            if files[address]:
                found += 1
    return pages, found, files


def flat(type_, offset=0):
    """Members of a structure and of the nameless ones in it."""
    for m in type_.members:
        if m.name:
            yield drgn.TypeMember(m.type, m.name, offset + m.bit_offset)
        else:
            yield from flat(m.type, offset + m.bit_offset)


def timed(function):
    cpu = None
    for _ in range(2):
        begin = time.process_time()
        pages, found, files = function()
        cpu = min(cpu or 1e9, time.process_time() - begin)
    known = [f for f in files.values() if f]
    return {"cpu_s": cpu, "pages": pages, "found": found, "files": len(known)}, known


results = {"version": drgn.__version__, "load_cpu_s": round(loaded, 1)}
results["unpacked"], _ = timed(unpacked)
results["walk"], known = timed(walk)
with open("/tmp/drgn.files", "w", errors="surrogateescape") as f:
    for row in sorted(known):
        print(*row, sep="\t", file=f)
with open("/tmp/drgn.json", "w") as f:
    json.dump(results, f)
