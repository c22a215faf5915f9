#!/bin/sh
# The shared library is named as abi/soname says, and what it needs can be found: check_soname.sh LIBDIR ABI-DIR
library=$1/libbglssl.so
expected=$(tr -d '[:space:]' <"$2/soname")
actual=$(readelf -d "$library" | sed -n 's/.*Library soname: \[\(.*\)\]/\1/p')
case $expected in
libbglssl.so.[0-9]*) ;;
*) echo "not ok soname_is_the_recorded_one: abi/soname says \"$expected\"" && exit ;;
esac
if [ "$actual" = "$expected" ]; then
    echo "ok soname_is_the_recorded_one"
else
    echo "not ok soname_is_the_recorded_one: $actual, not $expected"
fi
if readelf -d "$library" | grep -qE 'RPATH|RUNPATH'; then
    echo "not ok library_carries_no_search_path: $(readelf -d "$library" | grep -E 'RPATH|RUNPATH')"
else
    echo "ok library_carries_no_search_path"
fi
if readelf -d "$library" | grep -q TEXTREL || readelf -lW "$library" | grep -q 'GNU_STACK.*RWE'; then
    echo "not ok library_needs_no_writable_code: text relocations or an executable stack"
else
    echo "ok library_needs_no_writable_code"
fi
