#!/bin/sh
# What is written about the library agrees with it:
#  - each ```c block of the Markdown files compiles alone, without warnings, against the headers;
#  - each manual page is free of warnings, and so is the Texinfo manual that docs/bigloo.md makes;
#  - each exported function (abi/symbols.txt) has its place in the synopsis of a manual page, and no page describes a
#    function that is not exported;
#  - the declarations in the synopses are those of the headers (scripts/synopses.py);
#  - docs/README.md lists every document, and links lead to files and headings that are there;
#  - each function and each constant of the headers that a page or a Markdown file names exists.
set -u
cd "$(dirname "$0")/.." || exit 1

. scripts/cases.sh

# ---- C in Markdown
for page in README.md CONTRIBUTING.md docs/*.md examples/*.md bench/*.md; do
  [ -f "$page" ] || continue
  rm -f "$work"/block*.c
  awk -v prefix="$work/block" '
    /^```c$/ { file = sprintf("%s%02d.c", prefix, ++n); printf "#line %d \"%s\"\n", NR + 1, FILENAME >file; next }
    /^```/ { file = "" }
    file { print >file }' "$page"
  for block in "$work"/block*.c; do
    [ -f "$block" ] || continue
    line=$(sed -n '1s/^#line \([0-9]*\).*/\1/p' "$block")
    ${CC:-cc} -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -Iinclude -fsyntax-only "$block" >"$work/log" 2>&1
    verdict "the C code at $page:$line compiles" $?
  done
done

# ---- the manual pages themselves
for page in man/*.3; do
  name="$page has no warnings"
  if command -v mandoc >/dev/null; then
    mandoc -Tlint -Wwarning "$page" >"$work/log" 2>&1
    verdict "$name (mandoc)" $?
  elif command -v man >/dev/null && command -v groff >/dev/null; then
    # The longest names do not fit into 80 columns, and groff cannot break them.
    MANWIDTH=100 LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>"$work/log" >/dev/null
    [ ! -s "$work/log" ]
    verdict "$name (groff)" $?
  else
    skip "$name" "neither mandoc nor man with groff is installed"
  fi
done

# ---- the manual of the Scheme half, as Texinfo
name="docs/bigloo.md makes a Texinfo manual without warnings"
if ! command -v makeinfo >/dev/null; then
  skip "$name" "makeinfo is not installed"
elif ! command -v python3 >/dev/null; then
  skip "$name" "python3 is not installed"
else
  { scripts/bigloo-texinfo.py docs/bigloo.md 0 >"$work/bigloo-ssl.texi" && makeinfo -o "$work" "$work/bigloo-ssl.texi"; } \
    >"$work/log" 2>&1 && [ ! -s "$work/log" ]
  verdict "$name" $?
fi

# ---- functions: exported = described
grep -v '^#' abi/symbols.txt | sort >"$work/exported"
sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/s/^\.F[no] \([a-z0-9_]*\).*/\1/p' man/*.3 | sort >"$work/described"
comm -23 "$work/exported" "$work/described" >"$work/log"
[ -s "$work/exported" ] && [ ! -s "$work/log" ]
verdict "every exported function is in the synopsis of a manual page" $?
comm -13 "$work/exported" "$work/described" >"$work/log"
[ ! -s "$work/log" ]
verdict "every function in a synopsis is exported" $?
uniq -d "$work/described" >"$work/log"
[ ! -s "$work/log" ]
verdict "no function is described in two manual pages" $?
if command -v python3 >/dev/null; then
  scripts/synopses.py check | grep '^not ok' >"$work/log"
  [ ! -s "$work/log" ]
  verdict "the synopses are as in the headers" $?
else
  skip "the synopses are as in the headers" "python3 is not installed"
fi

# ---- the index
for page in man/*.3 docs/*.md; do
  [ "$page" = docs/README.md ] || grep -qF "(${page#docs/})" docs/README.md || grep -qF "(../$page)" docs/README.md ||
    echo "$page"
done >"$work/log"
[ ! -s "$work/log" ]
verdict "docs/README.md lists every document and manual page" $?
if command -v python3 >/dev/null; then
  scripts/check_links.py ./*.md docs/*.md examples/*.md bench/*.md bigloo/examples/*.md >"$work/log"
  verdict "every link in the documents leads somewhere" $?
else
  skip "every link in the documents leads somewhere" "python3 is not installed"
fi

# ---- functions and constants that are named
cat man/*.3 ./*.md docs/*.md include/bglssl.h include/bglssl/*.h | grep -oE "\bbgl_[a-z0-9_]*[a-z0-9]\b" | sort -u >"$work/named"
{
  cat "$work/exported"
  grep -ohE '\bbgl_[a-z0-9_]*_t\b' include/bglssl/*.h
  ls man | sed 's/\.3$//'
} | sort -u >"$work/defined"
comm -23 "$work/named" "$work/defined" >"$work/log"
[ ! -s "$work/log" ]
verdict "every function named in the documents and headers is exported" $?
cat man/*.3 docs/*.md | grep -v "^\.Dt" | grep -oE "\bBGL_?SSL_[A-Z0-9_]*[A-Z0-9]\b" | sort -u >"$work/named"
grep -ohE '\bBGL_?SSL_[A-Z0-9_]*[A-Z0-9]\b' include/bglssl/*.h | sort -u >"$work/defined"
comm -23 "$work/named" "$work/defined" | grep -vxE 'BGL_SSL_E|BGL_SSL_PHASE' >"$work/log"
[ ! -s "$work/log" ]
verdict "every constant named in the documents is in the headers" $?

finish
