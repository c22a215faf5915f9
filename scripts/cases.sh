# For checks to source: a line for each case, and at the end `N passed, M failed, K skipped`.
# The directory $work goes at the end; $work/log is what the latest case has printed. $case_prefix comes before each name.
passed=0 failed=0 skipped=0 case_prefix=
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

ok() { # NAME
    echo "ok $case_prefix$1"
    passed=$((passed + 1))
}
not_ok() { # NAME: $work/log says why
    echo "not ok $case_prefix$1"
    tail -n 60 "$work/log" | sed 's/^/  | /'
    failed=$((failed + 1))
}
skip() { # NAME REASON
    echo "skip $case_prefix$1: $2"
    skipped=$((skipped + 1))
}
verdict() { # NAME STATUS: 77 is a skip, whose reason is the last line of $work/log
    case $2 in
    0) ok "$1" ;;
    77) skip "$1" "$(tail -n 1 "$work/log")" ;;
    *) not_ok "$1" ;;
    esac
    return "$2"
}
try() { # NAME COMMAND...
    case_name=$1
    shift
    "$@" >"$work/log" 2>&1 </dev/null
    verdict "$case_name" $?
}
within() { # SECONDS COMMAND...: a skip where CHECK_UNTIL (in seconds since 1970) comes first
    seconds=$1 reason=
    shift
    if [ -n "${CHECK_UNTIL:-}" ] && [ "$((CHECK_UNTIL - $(date +%s)))" -lt "$seconds" ]; then
        seconds=$((CHECK_UNTIL - $(date +%s))) reason="no time left"
    fi
    if [ "$seconds" -le 0 ]; then
        echo "$reason"
        return 77
    fi
    timeout -k 30 "$seconds" "$@"
    within_status=$?
    if [ "$within_status" = 124 ] && [ -n "$reason" ]; then
        echo "$reason: ended after $seconds s"
        return 77
    fi
    return "$within_status"
}
finish() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
    exit
}
skip_all() { # NAME REASON
    skip "$1" "$2"
    finish
}
copy_sources() { # DIRECTORY: gets what is committed, or would be
    mkdir -p "$1" && if [ -e .git ]; then git ls-files -co --exclude-standard -z; else
        find . \( -path ./build -o -path ./target \) -prune -o -type f -print0
    fi | tar -c --null -T - | tar -x -C "$1"
}
