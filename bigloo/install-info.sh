#!/bin/sh
# install-info.sh install|uninstall FILE DIR: puts the manual into DIR, or takes it out, and tells the directory of
# manuals, where there is one and install-info. With DESTDIR, which stands before DIR, the package manager updates it.
set -eu
dir=${DESTDIR-}$3
file=$dir/${2##*/}

# tell OPTION
tell() {
  if [ -z "${DESTDIR-}" ] && [ -e "$dir/dir" ] && command -v install-info >/dev/null; then
    install-info $1 "$file" "$dir/dir"
  fi
}

case $1 in
install)
  mkdir -p "$dir"
  cp "$2" "$file"
  tell ""
  ;;
uninstall)
  [ -e "$file" ] || exit 0
  tell --delete
  rm -f "$file"
  rmdir "$dir" 2>/dev/null || true
  ;;
esac
