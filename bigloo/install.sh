#!/bin/sh
# install.sh install|uninstall OUT DIR KEPT: puts the files of OUT into DIR, or takes them
# out. What they replace is kept in KEPT, with a list of what was installed, and put back.
# DESTDIR stands before DIR and KEPT, but not in the files.
set -eu
what=$1 out=$2 name_of_dir=$3 dir=${DESTDIR-}$3 kept=${DESTDIR-}$4

case $what in
install)
  [ -e "$out/ssl.heap" ] || { echo "nothing is built in $out" >&2; exit 1; }
  # A second installation replaces the first one, not what that one replaced.
  [ ! -e "$kept/installed" ] || "$0" uninstall "$out" "$3" "$4"
  mkdir -p "$kept/files"
  for file in "$out"/ssl.init "$out"/ssl.heap "$out"/libbigloossl_*; do
    name=${file##*/}
    if [ -e "$dir/$name" ] || [ -L "$dir/$name" ]; then mv "$dir/$name" "$kept/files/"; fi
    printf '%s\n' "$name" >> "$kept/installed"
    if [ "$name" = ssl.init ]; then
      sed "s|$out|$name_of_dir|g" "$file" > "$dir/$name"
    else
      cp "$file" "$dir/"
    fi
  done
  ;;
uninstall)
  [ -e "$kept/installed" ] || { echo "nothing of bglssl is installed in $dir" >&2; exit 1; }
  while read -r name; do
    rm -f "$dir/$name"
    if [ -e "$kept/files/$name" ] || [ -L "$kept/files/$name" ]; then
      mv "$kept/files/$name" "$dir/"
    fi
  done < "$kept/installed"
  rm "$kept/installed"
  rmdir "$kept/files" "$kept"
  ;;
esac
