#!/bin/sh
# Copies the debug information of a library to where debuggers look for it by build id:
#
#   split-debug.sh LIBRARY DEBUGDIR             writes DEBUGDIR/.build-id/ab/cdef....debug
#   split-debug.sh --remove LIBRARY DEBUGDIR    removes it
set -eu
action=write
if [ "$1" = --remove ]; then
    action=remove
    shift
fi
library=$1 directory=$2
[ "$action" = write ] || [ -e "$library" ] || exit 0
id=$(readelf -n "$library" | sed -n 's/.*Build ID: *\([0-9a-f]*\).*/\1/p')
[ -n "$id" ] || { echo "split-debug.sh: $library has no build id" >&2; exit 1; }
rest=${id#??}
file=$directory/.build-id/${id%"$rest"}/$rest.debug
case $action in
write)
    mkdir -p "${file%/*}"
    ${OBJCOPY:-objcopy} --only-keep-debug "$library" "$file"
    chmod 644 "$file"
    ;;
remove) rm -f "$file" ;;
esac
