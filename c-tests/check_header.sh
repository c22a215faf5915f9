#!/bin/sh
# The headers compile, each alone and included twice, as strict C99, C11 and C++: check_header.sh INCLUDE-DIR CC CXX
include=$1 cc=$2 cxx=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compiles() { # NAME COMMAND...
    name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name: $(head -c 500 "$work/log" | tr '\n' ' ')"
    fi
}

callbacks_have_c_linkage() { # HEADER: no function pointer stands before `extern "C"`, where its type would be C++'s
    awk '/extern "C"/ { exit } /\(\*/ { print FILENAME ":" FNR ": " $0; bad = 1 } END { exit bad }' "$1"
}

strict="-pedantic -pedantic-errors -Wall -Wextra -Werror -I$include -fsyntax-only"
echo '#include "bglssl.h"' >"$work/alone.c"
printf '#include "bglssl.h"\n#include "bglssl.h"\n' >"$work/twice.c"
printf '#include "bglssl.h"\nint main() { return bgl_ssl_version() == 0; }\n' >"$work/plus.cc"
cat >"$work/callbacks.cc" <<END
#include "bglssl.h"
extern "C" {
static bool accept(const bgl_ssl_socket_t *, const bgl_ssl_certificate_list_t *, int32_t result, void *) { return !result; }
static void trace(const char *, const char *, void *) {}
static bgl_ssl_status_t end(void *) { return BGL_SSL_OK; }
}
int main() {
    bgl_ssl_io_t io = bgl_ssl_io_t();
    io.size = sizeof io;
    io.shutdown = end;
    bgl_ssl_config_t *config = bgl_ssl_config_new();
    bgl_ssl_config_set_verify_callback(config, accept, &io);
    bgl_ssl_config_set_trace(config, trace, 0);
    bgl_ssl_config_free(config);
}
END

compiles header_compiles_alone_as_c99 $cc -std=c99 $strict "$work/alone.c"
compiles header_compiles_alone_as_c11 $cc -std=c11 $strict "$work/alone.c"
compiles header_compiles_with_strict_prototypes $cc -std=c99 -Wstrict-prototypes $strict "$work/alone.c"
compiles header_compiles_twice $cc -std=c99 $strict "$work/twice.c"
for part in "$include"/bglssl/*.h; do
    noun=$(basename "$part" .h)
    printf '#include "bglssl/%s.h"\n#include "bglssl/%s.h"\n' "$noun" "$noun" >"$work/$noun.c"
    cp "$work/$noun.c" "$work/$noun.cc"
    compiles "${noun}_h_compiles_alone_as_c99" $cc -std=c99 -Wstrict-prototypes $strict "$work/$noun.c"
    compiles "${noun}_h_declares_callbacks_of_c" callbacks_have_c_linkage "$part"
    if command -v "$cxx" >"$work/log"; then
        compiles "${noun}_h_compiles_alone_as_cxx98" $cxx -std=c++98 $strict "$work/$noun.cc"
    else
        echo "skip ${noun}_h_compiles_alone_as_cxx98: a C++ compiler"
    fi
done
if command -v "$cxx" >"$work/log"; then
    compiles header_compiles_as_cxx98 $cxx -std=c++98 $strict "$work/plus.cc"
    compiles header_compiles_as_cxx11 $cxx -std=c++11 $strict "$work/plus.cc"
    compiles header_compiles_as_cxx17 $cxx -std=c++17 $strict "$work/plus.cc"
    compiles callbacks_are_given_from_cxx98 $cxx -std=c++98 $strict "$work/callbacks.cc"
    compiles callbacks_are_given_from_cxx17 $cxx -std=c++17 $strict "$work/callbacks.cc"
    compiles header_declares_c_functions_to_cxx sh -c \
        "$cxx -std=c++11 -I'$include' -c -o '$work/plus.o' '$work/plus.cc' && nm '$work/plus.o' | grep -q 'U bgl_ssl_version$'"
else
    echo "skip header_compiles_as_cxx: a C++ compiler"
fi
