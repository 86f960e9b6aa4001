#!/usr/bin/python3
"""Makes the manual page of the D-Bus interface from its XML: make-dbus-page.py IN.xml OUT.5

The words are those of the comments; a comment belongs to the element it stands before, and begins with the name of that
element and a colon, "@argument: …" lines and paragraphs. The page cannot say what the XML does not.
"""

import re
import sys
import xml.dom.minidom

HEAD = """.\\" Made from {source} by make-dbus-page.py.
.Dd November 21, 2026
.Dt DEV.FIREZONE.CLIENT.TUNNEL1 5
.Os
.Sh NAME
.Nm dev.firezone.Client.Tunnel1
.Nd the tunnel of this machine, on the system bus
.Sh SYNOPSIS
.Bd -literal
busctl introspect dev.firezone.Client.Tunnel1 /dev/firezone/Client/Tunnel1
.Ed
.Sh DESCRIPTION
"""

TAIL = """.Sh SEE ALSO
.Xr busctl 1 ,
.Xr firezone 1 ,
.Xr gdbus 1 ,
.Xr firezone-client-tunnel 8
"""


def escape(text):
    text = text.replace("\\", "\\e")
    return re.sub(r"(?m)^(['.])", r"\\&\1", text)


def dedent(text):
    """The lines of a comment, without the margin that they share."""
    lines = text.expandtabs().rstrip().split("\n")
    first = [lines[0].strip()] if lines[0].strip() else []
    margin = min((len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()), default=0)
    return first + [line[margin:].rstrip() for line in lines[1:]]


def write_sentence(text, out):
    """A line of input for each sentence, as the formatter wants it."""
    out += re.split(r"(?<=[.?!]) +(?=\w)", escape(text))


def write_paragraphs(lines, out):
    """Words run on; what is set in from its paragraph, or begins with "- ", stands as it is."""
    block, is_first = [], True

    def flush():
        nonlocal block
        if block:
            write_sentence(" ".join(line.strip() for line in block), out)
        block = []

    i = 0
    while i < len(lines):
        line = lines[i]
        is_set = (line.startswith(("  ", "- ")) and line.strip() != "")
        if is_set:
            flush()
            literal = []
            while i < len(lines) and lines[i].strip() and (lines[i].startswith("  ") or lines[i].startswith("- ")):
                literal.append(escape(lines[i]))
                i += 1
            out += [".Bd -literal -offset indent -compact", *literal, ".Ed"]
            continue
        if not line.strip():
            flush()
            if not is_first and any(rest.strip() for rest in lines[i:]) and not out[-1].startswith((".Pp", ".Ss")):
                out.append(".Pp")
        else:
            block.append(line)
            is_first = False
        i += 1
    flush()
    while out and out[-1] == ".Pp":
        out.pop()


def comment_of(element):
    node = element.previousSibling
    while node is not None and node.nodeType == node.TEXT_NODE and not node.data.strip():
        node = node.previousSibling
    return node.data if node is not None and node.nodeType == node.COMMENT_NODE else ""


def words_of(element, name):
    """(paragraphs, {argument: text}) of the comment before @element."""
    lines = dedent(comment_of(element))
    arguments, rest, current = {}, [], None
    for line in lines:
        match = re.match(r"\s*@(\w+):\s*(.*)", line)
        if match:
            current = match.group(1)
            arguments[current] = match.group(2)
        elif current is not None and line.startswith("  "):
            arguments[current] += " " + line.strip()
        else:
            current = None
            rest.append(line)
    if rest:
        rest[0] = re.sub(rf"^(?:[\w.]+, )*{re.escape(name)}(?:, \w+)*:\s*", "", rest[0])
    arguments.pop("short_description", None)
    while rest and not rest[0].strip():
        rest.pop(0)
    return rest, arguments


def signature(element):
    def list_of(direction):
        found = [(a.getAttribute("type"), a.getAttribute("name")) for a in element.getElementsByTagName("arg")
                 if (a.getAttribute("direction") or "out") == direction]
        return ", ".join(f"{kind} {name}" for kind, name in found)

    if element.tagName == "signal":
        return f"({list_of('out')})"
    returned = list_of("out")
    return f"({list_of('in')})" + (f" -> ({returned})" if returned else "")


def write_member(element, out):
    name = element.getAttribute("name")
    paragraphs, arguments = words_of(element, name)
    what = element.getAttribute("type") if element.tagName == "property" else signature(element)
    out.append(f".It Ic {name} {what}" if element.tagName == "property" else f".It Ic {name} Ns {what}")
    before = len(out)
    write_paragraphs(paragraphs, out)
    if arguments:
        if len(out) > before:
            out.append(".Pp")
        for argument, text in arguments.items():
            out.append(f".Ar {argument} :")
            write_sentence(text, out)
            out.append(".br")
        out.pop()


def write_interface(interface, out):
    name = interface.getAttribute("name")
    short = re.search(r"@short_description:\s*(.*)", comment_of(interface))
    out.append(f".Sh INTERFACE {name.rsplit('.', 1)[1].upper()}")
    out.append(f".Ic {name}" + (f" : {short.group(1)}" if short else ""))
    out.append(".Pp")
    paragraphs, _ = words_of(interface, name)
    write_paragraphs(paragraphs, out)
    for tag, title in (("property", "Properties"), ("method", "Methods"), ("signal", "Signals")):
        members = [child for child in interface.childNodes
                   if child.nodeType == child.ELEMENT_NODE and child.tagName == tag]
        if members:
            out += [f".Ss {title}", ".Bl -tag -width Ds"]
            for member in members:
                write_member(member, out)
            out.append(".El")


def main():
    source, target = sys.argv[1:]
    document = xml.dom.minidom.parse(source)
    node = document.documentElement
    out = []
    write_paragraphs(dedent(comment_of(node)), out)
    for interface in node.getElementsByTagName("interface"):
        write_interface(interface, out)
    with open(target, "w", encoding="utf-8") as file:
        file.write(HEAD.format(source=source.rsplit("/", 1)[-1]) + "\n".join(out) + "\n" + TAIL)


if __name__ == "__main__":
    main()
