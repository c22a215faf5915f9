#!/bin/sh
# The manual pages, and a page for each function: `man bgl_ssl_connect` shows the page of its noun.
#
#   manual-pages.sh install DIRECTORY      puts them there
#   manual-pages.sh uninstall DIRECTORY    removes them
set -eu
cd "$(dirname "$0")/../man"
action=$1 directory=$2
for page in *.3; do
    case $action in
    install) install -m 644 "$page" "$directory/" ;;
    uninstall) rm -f "$directory/$page" ;;
    esac
    sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/s/^\.F[no] \([a-z0-9_]*\).*/\1/p' "$page" | sort -u |
        while read -r function; do
            [ "$function.3" != "$page" ] || continue
            case $action in
            install) echo ".so man3/$page" >"$directory/$function.3" ;;
            uninstall) rm -f "$directory/$function.3" ;;
            esac
        done
done
