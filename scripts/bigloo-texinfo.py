#!/usr/bin/env python3
"""Writes the manual of (library ssl), docs/bigloo.md, as Texinfo in the style of Bigloo's own manual.

    bigloo-texinfo.py docs/bigloo.md VERSION > bigloo-ssl.texi

What has two hashes becomes a chapter; a heading, or the first cell of a table's row, that is a call in backquotes
becomes a definition; other headings become sections.
"""
import re
import sys

CALL = r"`(\((?:[^`])*\))`"
CALLS = re.compile(rf"{CALL}(?:, {CALL})*")
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]*)\)")
CODE = re.compile(r"(`[^`]*`)")

HEAD = r"""\input texinfo    @c -*-texinfo-*-
@c Made from docs/bigloo.md by scripts/bigloo-texinfo.py.
@setfilename bigloo-ssl.info
@documentencoding UTF-8
@set txicodequoteundirected
@set txicodequotebacktick
@settitle @code{(library ssl)} of bglssl %(version)s
@syncodeindex vr cp
@syncodeindex fn cp

@copying
This is the manual of @code{(library ssl)} of bglssl %(version)s, for Bigloo. It may be copied under the terms of the
library, which are in its file @file{LICENSE}.
@end copying

@dircategory Programming Language
@direntry
* bigloo-ssl: (bigloo-ssl).     TLS sockets, certificates and cryptography for Bigloo.
@end direntry

@titlepage
@title The SSL library for Bigloo
@subtitle bglssl %(version)s
@page
@insertcopying
@end titlepage
@contents

@ifnottex
@node Top
@top @code{(library ssl)} for Bigloo
@end ifnottex
"""


def escape(text):
    return re.sub(r"([@{}])", r"@\1", text)


def anchor(title):
    """As GitHub makes them."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def node(title):
    """A node's name must hold no comma, colon, period or parenthesis."""
    return re.sub(r"[,.:()`']", "", title).strip()


class Manual:
    def __init__(self, text):
        self.lines = text.splitlines()
        self.at = 0
        self.out = []
        self.definition = False
        titles = [line.lstrip("# ") for line in self.lines if re.match(r"###? ", line)]
        self.nodes = {anchor(title): node(title) for title in titles if not CALLS.match(title)}

    # ---- text within a line

    def inline(self, text):
        parts = []
        for part in CODE.split(text):
            if part.startswith("`") and len(part) > 1:
                parts.append("@code{" + escape(part[1:-1]) + "}")
            else:
                parts.append(self.plain(part))
        return "".join(parts)

    def plain(self, text):
        """Without code. Links are outside of it, but may contain some."""
        text = re.sub(r"\\(.)", r"\1", escape(text))
        return re.sub(r"\*\*([^*]+)\*\*", r"@strong{\1}", text)

    def paragraph(self, text):
        """With links, which may have code in them."""
        parts, end = [], 0
        for link in LINK.finditer(text):
            parts += [self.inline(text[end:link.start()]), self.link(*link.groups())]
            end = link.end()
        return "".join([*parts, self.inline(text[end:])])

    def link(self, text, target):
        if target.startswith("#"):
            return "@ref{" + self.nodes[target[1:]] + "}"
        if "://" in target:
            return "@uref{" + escape(target) + ", " + escape(text).replace(",", "@comma{}") + "}"
        return "@file{" + escape(text) + "}"

    # ---- blocks

    def emit(self, *lines):
        self.out += lines

    def end_definition(self):
        if self.definition:
            self.emit("@end deffn", "")
        self.definition = False

    def define(self, cell):
        """The lines that begin a definition of the calls in a heading or a cell."""
        for n, call in enumerate(re.findall(CALL, cell)):
            name, _, arguments = call[1:-1].partition(" ")
            command = "@deffnx" if n else "@deffn"
            kind = "form" if "::" in name else "procedure"
            self.emit(f"{command} {{SSL library {kind}}} {escape(name)} {escape(arguments)}".rstrip())

    def run(self, version):
        self.emit(HEAD % {"version": version})
        self.introduction()
        while self.at < len(self.lines):
            self.block()
        self.end_definition()
        self.emit("@node Index", "@unnumbered Index", "@printindex cp", "", "@bye")
        return "\n".join(self.out) + "\n"

    def introduction(self):
        """What is before the first chapter, without the list of chapters, which is the menu."""
        while not self.lines[self.at].startswith("## "):
            line = self.lines[self.at]
            if line.startswith("- ["):
                while self.lines[self.at].strip():
                    self.at += 1
            elif line.startswith("# "):
                self.at += 1
            else:
                self.block()
        self.emit("@menu")
        for line in self.lines:
            if line.startswith("## "):
                self.emit(f"* {node(line[3:])}::")
        self.emit("* Index::", "@end menu", "")

    def block(self):
        line = self.lines[self.at]
        if not line.strip():
            self.at += 1
            self.emit("")
        elif line.startswith("## "):
            self.end_definition()
            self.chapter(line[3:])
        elif line.startswith("### "):
            self.end_definition()
            self.section(line[4:])
        elif line.startswith("```"):
            self.example(self.fenced())
        elif line.startswith("    "):
            self.example(self.take(lambda l: l.startswith("    "), 4))
        elif line.startswith("|"):
            self.table()
        elif line.startswith("- "):
            self.list()
        else:
            text = self.take(lambda l: l.strip() and not re.match(r"#|\||- |```|    ", l), 0)
            self.emit(*self.paragraph("\n".join(text)).split("\n"), "")

    def take(self, wanted, indent):
        taken = []
        while self.at < len(self.lines) and wanted(self.lines[self.at]):
            taken.append(self.lines[self.at][indent:])
            self.at += 1
        return taken

    def fenced(self):
        self.at += 1
        text = self.take(lambda l: not l.startswith("```"), 0)
        self.at += 1
        return text

    def example(self, lines):
        self.emit("@smalllisp", *(escape(line) for line in lines), "@end smalllisp", "")

    def chapter(self, title):
        self.at += 1
        self.emit(f"@node {node(title)}", f"@chapter {self.inline(title)}")

    def section(self, title):
        self.at += 1
        if CALLS.match(title):
            self.define(title)
            self.definition = True
        else:
            self.emit(f"@node {node(title)}", f"@section {self.inline(title)}")

    def list(self):
        self.emit("@itemize @bullet")
        while self.at < len(self.lines) and self.lines[self.at].startswith("- "):
            text = [self.lines[self.at][2:]]
            self.at += 1
            text += self.take(lambda l: l.startswith("  "), 2)
            self.emit("@item", self.paragraph("\n".join(text)))
        self.emit("@end itemize", "")

    # ---- tables

    def rows(self):
        return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
                for line in self.take(lambda l: l.startswith("|"), 0)]

    def table(self):
        head, _, *rows = self.rows()
        if all(len(row) == 2 for row in rows):
            self.two_columns(rows)
        else:
            self.columns(head, rows)

    def two_columns(self, rows):
        """Calls become definitions, all else the items of a list."""
        if all(CALLS.fullmatch(first) for first, _ in rows) and not self.definition:
            for first, second in rows:
                self.define(first)
                self.emit(self.paragraph(second), "@end deffn", "")
            return
        self.emit("@table @asis")
        for first, second in rows:
            self.emit(f"@item {self.paragraph(first)}", self.paragraph(second))
        self.emit("@end table", "")

    def columns(self, head, rows):
        widths = {3: ".25 .20 .55"}.get(len(head), " ".join([f"{1 / len(head):.2f}"] * len(head)))
        self.emit(f"@multitable @columnfractions {widths}")
        for command, row in [("@headitem", head), *(("@item", row) for row in rows)]:
            self.emit(f"{command} " + "\n@tab ".join(self.paragraph(cell) for cell in row))
        self.emit("@end multitable", "")


def add_menus(lines):
    """The sections of each chapter, before the first of them."""
    out, sections, place = [], [], None
    for n, line in enumerate(lines):
        if line.startswith("@node ") and lines[n + 1].startswith("@section"):
            if place is None:
                place = len(out)
                sections = []
            sections.append(line[6:])
        elif line.startswith("@node ") and place is not None:
            out[place:place] = ["@menu", *(f"* {name}::" for name in sections), "@end menu", ""]
            place = None
        out.append(line)
    return out


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        text = Manual(file.read()).run(sys.argv[2])
    print("\n".join(add_menus(text.split("\n"))), end="")


main()
