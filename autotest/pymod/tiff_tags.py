"""Reads the directories of a TIFF as they stand in the file, without GDAL."""

import struct

SUBIFD, EXIF_IFD = 330, 34665
PLACES = {273: "offsets", 279: "byte counts", 324: "offsets", 325: "byte counts"}
# By TIFF type: format of one value for struct; a rational is two numbers.
FORMATS = {
    1: "B", 2: "c", 3: "H", 4: "I", 5: "II", 6: "b", 7: "B", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d",
    13: "I", 16: "Q", 17: "q", 18: "Q",
}  # fmt: skip


class _Reader:
    def __init__(self, data):
        self.data = data
        self.order = {b"II": "<", b"MM": ">"}[data[:2]]
        self.big = self.numbers("H", 2)[0] == 43

    def numbers(self, form, at, count=1):
        return struct.unpack_from(self.order + form * count, self.data, at)

    def directory(self, at):
        """The tags of the directory at this place, {tag: (type, values)}, and the place of the next one."""
        entry_bytes, size, room = (20, "Q", 8) if self.big else (12, "I", 4)
        count = self.numbers("Q" if self.big else "H", at)[0]
        at += 8 if self.big else 2
        found = {}
        for _ in range(count):
            tag, kind = self.numbers("HH", at)
            values = self.numbers(size, at + 4)[0]
            form = FORMATS[kind]
            place = at + 4 + room
            if struct.calcsize("=" + form) * values > room:
                place = self.numbers(size, place)[0]
            numbers = self.numbers(form, place, values)
            assert tag not in found, f"tag {tag} twice"
            found[tag] = (kind, b"".join(numbers) if form == "c" else numbers)
            at += entry_bytes
        assert list(found) == sorted(found), "tags out of order"
        return found, self.numbers(size, at)[0]


def directories(data):
    """All directories of a TIFF given as bytes, in the order of the chain, sub-directories after their parent."""
    reader = _Reader(data)
    at = reader.numbers("Q", 8)[0] if reader.big else reader.numbers("I", 4)[0]
    found = []
    while at:
        tags, at = reader.directory(at)
        found.append(tags)
        for place in tags.get(SUBIFD, (0, ()))[1]:
            found.append(reader.directory(place)[0])
    return found


def shape(data):
    """What the tags of a TIFF say, but for where its tiles lie: {(directory, tag): (type, values)}."""
    reader = _Reader(data)
    told = {("header", "byte order"): reader.order, ("header", "BigTIFF"): reader.big}
    for number, tags in enumerate(directories(data)):
        for tag, (kind, values) in tags.items():
            if tag in PLACES:
                told[number, tag] = len(values)
            elif tag in (SUBIFD, EXIF_IFD):
                told[number, tag] = "a place"
            else:
                told[number, tag] = (kind, values)
    return told
